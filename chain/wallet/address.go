package wallet

import (
	"bytes"
	"fmt"
	"math/big"
	"strings"

	"golang.org/x/crypto/blake2b"
)

// Prefix is the network number in Bittensor's addresses, Substrate's generic one.
const Prefix = 42

const (
	alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
	// maxAddress bounds the text before it is decoded: 36 bytes make at most 50 characters of base58.
	maxAddress = 50
)

// Address is the SS58 address of a public key under Bittensor's prefix, 48 characters.
// Source: https://docs.substrate.io/reference/address-formats.
func Address(public [32]byte) string {
	return base58(seal([]byte{Prefix}, public))
}

// ParseAddress reads an SS58 address of a 32-byte key with a prefix of 1 or 2 bytes (0 to 16383). The error wraps ErrAddress.
func ParseAddress(s string) (public [32]byte, prefix uint16, err error) {
	if len(s) > maxAddress {
		return public, 0, fmt.Errorf("%w: it has %d characters, at most %d are possible", ErrAddress, len(s), maxAddress)
	}
	raw, ok := unbase58(s)
	if !ok {
		return public, 0, fmt.Errorf("%w: it is not base58", ErrAddress)
	}
	head := 1
	switch {
	case len(raw) == 35 && raw[0] < 64:
		prefix = uint16(raw[0])
	case len(raw) == 36 && raw[0] >= 64 && raw[0] < 128:
		head = 2
		prefix = uint16(raw[0]&0x3f)<<2 | uint16(raw[1]>>6) | uint16(raw[1]&0x3f)<<8
	default:
		return public, 0, fmt.Errorf("%w: its %d bytes are not a prefix, 32 bytes of a key and 2 of a checksum", ErrAddress, len(raw))
	}
	if head == 2 && prefix < 64 {
		return public, 0, fmt.Errorf("%w: prefix %d takes one byte, not two", ErrAddress, prefix)
	}
	public = [32]byte(raw[head : head+32])
	if !bytes.Equal(seal(raw[:head:head], public), raw) {
		return public, 0, fmt.Errorf("%w: its checksum is wrong, a character was mistyped", ErrAddress)
	}
	return public, prefix, nil
}

// seal appends the key and the first two bytes of BLAKE2b-512 over "SS58PRE" and both.
func seal(prefix []byte, public [32]byte) []byte {
	body := append(bytes.Clone(prefix), public[:]...)
	sum := blake2b.Sum512(append([]byte("SS58PRE"), body...))
	return append(body, sum[:2]...)
}

func base58(b []byte) string {
	n, radix, digit := new(big.Int).SetBytes(b), big.NewInt(58), new(big.Int)
	var out []byte
	for n.Sign() > 0 {
		n.DivMod(n, radix, digit)
		out = append(out, alphabet[digit.Int64()])
	}
	for i := 0; i < len(b) && b[i] == 0; i++ {
		out = append(out, alphabet[0])
	}
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return string(out)
}

func unbase58(s string) ([]byte, bool) {
	n, radix := new(big.Int), big.NewInt(58)
	for i := range len(s) {
		digit := strings.IndexByte(alphabet, s[i])
		if digit < 0 {
			return nil, false
		}
		n.Mul(n, radix).Add(n, big.NewInt(int64(digit)))
	}
	zeros := len(s) - len(strings.TrimLeft(s, alphabet[:1]))
	return append(make([]byte, zeros), n.Bytes()...), true
}
