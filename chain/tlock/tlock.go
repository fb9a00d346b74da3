package tlock

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"

	bls "github.com/consensys/gnark-crypto/ecc/bls12-381"
	"github.com/consensys/gnark-crypto/ecc/bls12-381/fp"
	"github.com/consensys/gnark-crypto/ecc/bls12-381/fr"
)

const (
	// MaxCiphertext is what the chain takes: MAX_COMMIT_SIZE_BYTES of subtensor's pallets/subtensor.
	MaxCiphertext = 5000
	// Overhead is how many bytes a ciphertext has more than its plaintext.
	Overhead = 244
	// MaxPlaintext is the longest that fits.
	MaxPlaintext = MaxCiphertext - Overhead

	nonceSize = 12
	tagSize   = 16
	suite     = "AES_GCM_"
)

// Encrypt makes what the signature of a round opens. It reads 76 bytes of random. The ciphertext has Overhead bytes more than the
// plaintext. The error wraps ErrTooLong, ErrKey or the reader's.
func (b Beacon) Encrypt(random io.Reader, round uint64, plaintext []byte) ([]byte, error) {
	if len(plaintext) > MaxPlaintext {
		return nil, fmt.Errorf("plaintext of %d bytes: %w, at most %d bytes fit into what the chain takes", len(plaintext), ErrTooLong, MaxPlaintext)
	}
	master, err := b.key()
	if err != nil {
		return nil, err
	}
	id, err := identity(round)
	if err != nil {
		return nil, err
	}
	var drawn [32 + 32 + nonceSize]byte
	if _, err := io.ReadFull(random, drawn[:]); err != nil {
		return nil, fmt.Errorf("random bytes for encryption: %w", err)
	}
	key, sigma, nonce := drawn[:32], drawn[32:64], drawn[64:]
	r := blinding(sigma, key)
	var u bls.G2Affine
	u.ScalarMultiplicationBase(r)
	master.ScalarMultiplication(&master, r)
	mask, err := pair(id, master)
	if err != nil {
		return nil, err
	}
	gcm, err := newGCM(key)
	if err != nil {
		return nil, err
	}
	sealed := gcm.Seal(nil, nonce, plaintext, nil)
	header, hidden := u.Bytes(), sha256.Sum256(sigma)
	out := append(make([]byte, 0, len(plaintext)+Overhead), header[:]...)
	out = appendVec(out, xor(sigma, mask))
	out = appendVec(out, xor(key, hidden[:]))
	out = appendVec(out, appendVec(appendVec(nil, sealed), nonce))
	return appendVec(out, []byte(suite)), nil
}

// Decrypt opens a ciphertext with the signature of its round. It does not know the round: Verify says whether a signature is a beacon's.
// The error wraps ErrCiphertext, ErrSignature, ErrTooLong or ErrOpen.
func Decrypt(ciphertext, signature []byte) ([]byte, error) {
	c, err := parse(ciphertext)
	if err != nil {
		return nil, err
	}
	sig, err := parseSignature(signature)
	if err != nil {
		return nil, err
	}
	mask, err := pair(sig, c.u)
	if err != nil {
		return nil, err
	}
	sigma := xor(c.v, mask)
	hidden := sha256.Sum256(sigma)
	key := xor(c.w, hidden[:])
	var u bls.G2Affine
	u.ScalarMultiplicationBase(blinding(sigma, key))
	if !u.Equal(&c.u) {
		return nil, ErrOpen
	}
	gcm, err := newGCM(key)
	if err != nil {
		return nil, err
	}
	plaintext, err := gcm.Open(nil, c.nonce, c.sealed, nil)
	if err != nil {
		return nil, ErrOpen
	}
	return plaintext, nil
}

// parts are a ciphertext's: u = r*G2, v = sigma xor H(e(id, r*P)), w = key xor H(sigma), and the body under key.
type parts struct {
	u                   bls.G2Affine
	v, w, sealed, nonce []byte
}

func parse(ciphertext []byte) (parts, error) {
	var c parts
	if len(ciphertext) > MaxCiphertext {
		return c, fmt.Errorf("ciphertext of %d bytes: %w, the chain takes at most %d", len(ciphertext), ErrTooLong, MaxCiphertext)
	}
	if len(ciphertext) < Overhead {
		return c, fmt.Errorf("%w: it has %d bytes, at least %d are wanted", ErrCiphertext, len(ciphertext), Overhead)
	}
	header, rest := ciphertext[:bls.SizeOfG2AffineCompressed], ciphertext[bls.SizeOfG2AffineCompressed:]
	if _, err := c.u.SetBytes(header); err != nil || c.u.IsInfinity() {
		return c, fmt.Errorf("%w: it does not begin with a compressed point of G2", ErrCiphertext)
	}
	n := len(ciphertext) - Overhead
	var body, name []byte
	var err error
	for _, field := range []struct {
		to   *[]byte
		from *[]byte
		size int
		what string
	}{
		{&c.v, &rest, 32, "v"}, {&c.w, &rest, 32, "w"}, {&body, &rest, 8 + n + tagSize + 8 + nonceSize, "the body"},
		{&c.sealed, &body, n + tagSize, "the sealed text"}, {&c.nonce, &body, nonceSize, "the nonce"},
		{&name, &rest, len(suite), "the cipher's name"},
	} {
		if *field.to, *field.from, err = takeVec(*field.from, field.size); err != nil {
			return c, fmt.Errorf("%w: %s %w", ErrCiphertext, field.what, err)
		}
	}
	if string(name) != suite {
		return c, fmt.Errorf("%w: its cipher is not %s", ErrCiphertext, suite)
	}
	return c, nil
}

// takeVec takes a vector of arkworks' form, a little-endian u64 length and the bytes. The length is known beforehand, from that of the
// whole.
func takeVec(from []byte, size int) (vec, rest []byte, err error) {
	if len(from) < 8+size {
		return nil, nil, errors.New("is cut off")
	}
	if n := binary.LittleEndian.Uint64(from); n != uint64(size) {
		return nil, nil, fmt.Errorf("is said to have %d bytes, not %d", n, size)
	}
	return from[8 : 8+size], from[8+size:], nil
}

func appendVec(to, vec []byte) []byte {
	return append(binary.LittleEndian.AppendUint64(to, uint64(len(vec))), vec...)
}

// blinding is r = SHA-256(sigma, key), read big-endian, modulo the group's order.
func blinding(sigma, key []byte) *big.Int {
	digest := sha256.Sum256(append(append(make([]byte, 0, 64), sigma...), key...))
	var e fr.Element
	e.SetBytes(digest[:])
	return e.BigInt(new(big.Int))
}

// pair is SHA-256 of e(p, q) as arkworks writes it: the twelve coefficients from the lowest, each 48 bytes, little-endian.
func pair(p bls.G1Affine, q bls.G2Affine) ([]byte, error) {
	e, err := bls.Pair([]bls.G1Affine{p}, []bls.G2Affine{q})
	if err != nil {
		return nil, fmt.Errorf("pairing: %w", err)
	}
	h := sha256.New()
	for _, six := range []*bls.E6{&e.C0, &e.C1} {
		for _, two := range []*bls.E2{&six.B0, &six.B1, &six.B2} {
			for _, one := range []fp.Element{two.A0, two.A1} {
				var buf [fp.Bytes]byte
				fp.LittleEndian.PutElement(&buf, one)
				h.Write(buf[:])
			}
		}
	}
	return h.Sum(nil), nil
}

func xor(a, b []byte) []byte {
	out := make([]byte, len(a))
	subtle.XORBytes(out, a, b)
	return out
}

func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("AES: %w", err)
	}
	return cipher.NewGCM(block)
}
