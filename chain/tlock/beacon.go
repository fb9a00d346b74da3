// Package tlock encrypts for a moment to come. What is encrypted for a round of a drand beacon opens with the signature that the beacon
// publishes at that round, and with nothing before it. Subtensor takes weights in this form and opens them by itself.
//
// The form is that of ideal-lab5/timelock at revision 5416406c, which subtensor pins: identity based encryption (Boneh and Franklin, with
// the transform of Fujisaki and Okamoto) over BLS12-381 around AES-256-GCM. It is not that of drand/tlock, which makes age files.
package tlock

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/big"
	"time"

	bls "github.com/consensys/gnark-crypto/ecc/bls12-381"
	"github.com/consensys/gnark-crypto/ecc/bls12-381/fr"
)

// What callers decide by.
var (
	// ErrKey is a beacon's key that is no point of G2.
	ErrKey = errors.New("the beacon's key is not valid")
	// ErrSignature is a signature that is malformed, or, from Verify, not that of its round.
	ErrSignature = errors.New("the round's signature is not valid")
	// ErrCiphertext is a ciphertext that is malformed: no signature opens it.
	ErrCiphertext = errors.New("the ciphertext is malformed")
	// ErrOpen is a well-formed ciphertext that this signature does not open.
	ErrOpen = errors.New("the ciphertext does not open: the signature is of another round or beacon, or the ciphertext was changed")
	// ErrTooLong is a plaintext or ciphertext above its bound.
	ErrTooLong = errors.New("too long")
)

// domain is the hash-to-curve suite of quicknet's signatures: drand's scheme bls-unchained-g1-rfc9380.
var domain = []byte("BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_")

// Beacon is a drand network whose signatures are in G1 and sign the round alone.
type Beacon struct {
	// Key is the public key, a compressed point of G2.
	Key [96]byte
	// Genesis is the time of round 1, in seconds since 1970.
	Genesis int64
	// Period is the time from one round to the next, in whole seconds, at least 1.
	Period int64
}

// Quicknet is the network that subtensor follows. Source: api.drand.sh, chain 52db9ba7, as in subtensor's pallets/drand.
var Quicknet = Beacon{
	Key: [96]byte(fromHex("83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d106451" +
		"0d1fec758c921cc22b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a")),
	Genesis: 1692803367,
	Period:  3,
}

func fromHex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err) // a constant of this file
	}
	return b
}

// Round is the newest round published at a time; 0 before the genesis. Bittensor's SDK leaves out the 1 that is added here, and so names
// the round before.
func (b Beacon) Round(at time.Time) uint64 {
	since := at.Unix() - b.Genesis
	if since < 0 || b.Period < 1 {
		return 0
	}
	return uint64(since/b.Period) + 1
}

// Time is when a round is published. Round 0 has the genesis as its time, and rounds past year 9999 that year's end.
func (b Beacon) Time(round uint64) time.Time {
	const last = 253402300799
	if round > 0 {
		round--
	}
	if b.Period > 0 && round > uint64(max(0, last-b.Genesis)/b.Period) || round > math.MaxInt64 {
		return time.Unix(last, 0).UTC()
	}
	return time.Unix(b.Genesis+int64(round)*b.Period, 0).UTC()
}

// Verify checks that a signature, a compressed point of G1 with 48 bytes, is this beacon's for a round. The error wraps ErrSignature or
// ErrKey.
func (b Beacon) Verify(round uint64, signature []byte) error {
	key, err := b.key()
	if err != nil {
		return err
	}
	sig, err := parseSignature(signature)
	if err != nil {
		return err
	}
	id, err := identity(round)
	if err != nil {
		return err
	}
	_, _, _, g2 := bls.Generators()
	g2.Neg(&g2)
	same, err := bls.PairingCheck([]bls.G1Affine{sig, id}, []bls.G2Affine{g2, key})
	if err != nil {
		return fmt.Errorf("pairing of round %d: %w", round, err)
	}
	if !same {
		return fmt.Errorf("%w: it is not the beacon's for round %d", ErrSignature, round)
	}
	return nil
}

func (b Beacon) key() (bls.G2Affine, error) {
	var p bls.G2Affine
	if _, err := p.SetBytes(b.Key[:]); err != nil || p.IsInfinity() {
		return p, fmt.Errorf("%w: 96 bytes of a compressed point of G2 are wanted", ErrKey)
	}
	return p, nil
}

func parseSignature(signature []byte) (bls.G1Affine, error) {
	var p bls.G1Affine
	if len(signature) != bls.SizeOfG1AffineCompressed {
		return p, fmt.Errorf("%w: it has %d bytes, not 48", ErrSignature, len(signature))
	}
	// SetBytes checks the subgroup; the infinity is in it, and would open what anyone can make.
	if _, err := p.SetBytes(signature); err != nil || p.IsInfinity() {
		return p, fmt.Errorf("%w: it is no compressed point of G1", ErrSignature)
	}
	return p, nil
}

// identity is the point of G1 that the beacon signs at a round.
func identity(round uint64) (bls.G1Affine, error) {
	message := sha256.Sum256(binary.BigEndian.AppendUint64(nil, round))
	p, err := bls.HashToG1(message[:], domain)
	if err != nil {
		return p, fmt.Errorf("hash of round %d to the curve: %w", round, err)
	}
	return p, nil
}

// Signer is a beacon with its secret key, for a chain on one's own machine. A real beacon's key is shared among many.
type Signer struct {
	secret  *big.Int
	genesis int64
	period  int64
}

// NewSigner makes a beacon from a seed of any length: the same seed makes the same beacon. The period is in seconds, at least 1.
func NewSigner(seed []byte, genesis, period int64) (*Signer, error) {
	if period < 1 {
		return nil, fmt.Errorf("a beacon's period is %d s, at least 1 s is wanted", period)
	}
	digest := sha256.Sum256(seed)
	var e fr.Element
	if e.SetBytes(digest[:]); e.IsZero() {
		e.SetOne()
	}
	return &Signer{secret: e.BigInt(new(big.Int)), genesis: genesis, period: period}, nil
}

// Beacon is the public side.
func (s *Signer) Beacon() Beacon {
	var key bls.G2Affine
	key.ScalarMultiplicationBase(s.secret)
	return Beacon{Key: key.Bytes(), Genesis: s.genesis, Period: s.period}
}

// Sign is the signature of a round, 48 bytes.
func (s *Signer) Sign(round uint64) ([]byte, error) {
	id, err := identity(round)
	if err != nil {
		return nil, err
	}
	id.ScalarMultiplication(&id, s.secret)
	signature := id.Bytes()
	return signature[:], nil
}

// String says what it is, never the key.
func (s *Signer) String() string {
	return fmt.Sprintf("beacon of genesis %d, period %d s", s.genesis, s.period)
}

// GoString is String.
func (s *Signer) GoString() string { return s.String() }
