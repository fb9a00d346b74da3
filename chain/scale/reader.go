// Package scale is Substrate's binary codec, SCALE: primitives, the runtime's metadata (v14 and v15), and values whose types the metadata describes.
//
// Nothing of a chain's layout is written down here: which calls, storage and events there are, and how they are encoded, is read from the metadata
// that the chain itself serves. It is a pure package: bytes in, values out.
//
// SCALE: https://docs.polkadot.com/polkadot-protocol/parachain-basics/data-encoding. Metadata: frame-metadata's v14.rs and v15.rs, and scale-info.
package scale

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"unicode/utf8"
)

// ErrShort says that bytes end before the value does.
var ErrShort = errors.New("the bytes end too early")

// A Reader takes values off the front of bytes. The first error sticks: all later reads give zero values, and Err tells it.
// A length that says more than the bytes left could hold is refused before anything is allocated for it.
type Reader struct {
	all  []byte
	left []byte
	err  error
}

// NewReader reads b, which must not change meanwhile: what Bytes and Blob return are copies.
func NewReader(b []byte) *Reader { return &Reader{all: b, left: b} }

// Err is the first error, with the offset in bytes at which it came up.
func (r *Reader) Err() error { return r.err }

// Left is how many bytes have not been read.
func (r *Reader) Left() int { return len(r.left) }

// Done is Err, or an error when bytes are left over.
func (r *Reader) Done() error {
	if r.err == nil && len(r.left) > 0 {
		r.fail(fmt.Errorf("%d bytes are left over", len(r.left)))
	}
	return r.err
}

func (r *Reader) fail(err error) {
	if r.err == nil {
		r.err = fmt.Errorf("SCALE at byte %d of %d: %w", len(r.all)-len(r.left), len(r.all), err)
	}
	r.left = nil
}

// take gives the next n bytes, or zeros of up to 32 after an error, so that fixed-width reads need no check of their own.
func (r *Reader) take(n int) []byte {
	if n > len(r.left) || n < 0 {
		r.fail(ErrShort)
		if n <= len(zeros) && n >= 0 {
			return zeros[:n]
		}
		return nil
	}
	b := r.left[:n]
	r.left = r.left[n:]
	return b
}

var zeros [32]byte

// Byte reads a u8.
func (r *Reader) Byte() byte { return r.take(1)[0] }

// Bool reads a bool, which is the byte 0 or 1.
func (r *Reader) Bool() bool {
	b := r.Byte()
	if b > 1 {
		r.fail(fmt.Errorf("a bool is 0 or 1, not %d", b))
	}
	return b == 1
}

// U16 reads a u16.
func (r *Reader) U16() uint16 { return binary.LittleEndian.Uint16(r.take(2)) }

// U32 reads a u32.
func (r *Reader) U32() uint32 { return binary.LittleEndian.Uint32(r.take(4)) }

// U64 reads a u64.
func (r *Reader) U64() uint64 { return binary.LittleEndian.Uint64(r.take(8)) }

// U128 reads a u128.
func (r *Reader) U128() *big.Int { return r.unsigned(16) }

func (r *Reader) unsigned(n int) *big.Int {
	b := slices.Clone(r.take(n))
	slices.Reverse(b)
	return new(big.Int).SetBytes(b)
}

func (r *Reader) signed(n int) *big.Int {
	v := r.unsigned(n)
	if v.Bit(n*8-1) == 1 {
		v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(n*8)))
	}
	return v
}

// Compact reads a compact integer of up to 64 bits. Only the shortest form of a number is a number, as parity-scale-codec has it.
func (r *Reader) Compact() uint64 {
	first := r.Byte()
	switch first & 3 {
	case 0:
		return uint64(first >> 2)
	case 1:
		return r.shortest(uint64(first)>>2|uint64(r.Byte())<<6, 1<<6)
	case 2:
		b := r.take(3)
		return r.shortest(uint64(first)>>2|uint64(b[0])<<6|uint64(b[1])<<14|uint64(b[2])<<22, 1<<14)
	}
	n := int(first>>2) + 4
	if n > 8 {
		r.fail(fmt.Errorf("a compact number of %d bytes, where at most 8 are right", n))
		return 0
	}
	var wide [8]byte
	copy(wide[:], r.take(n))
	return r.shortest(binary.LittleEndian.Uint64(wide[:]), max(1<<30, uint64(1)<<(8*(n-1))))
}

func (r *Reader) shortest(v, least uint64) uint64 {
	if v < least && r.err == nil {
		r.fail(fmt.Errorf("the compact number %d is not in its shortest form", v))
		return 0
	}
	return v
}

// CompactBig reads a compact integer of any size, of up to 67 bytes.
func (r *Reader) CompactBig() *big.Int {
	if len(r.left) > 0 && r.left[0]&3 == 3 && r.left[0]>>2 > 4 {
		n := int(r.Byte()>>2) + 4
		v := r.unsigned(n)
		if r.err == nil && v.BitLen() <= 8*(n-1) {
			r.fail(fmt.Errorf("the compact number %d is not in its shortest form", v))
		}
		return v
	}
	return new(big.Int).SetUint64(r.Compact())
}

// Length reads the compact length of a sequence whose elements take at least elem bytes each. Elements of no bytes are bounded by MaxEmpty.
func (r *Reader) Length(elem int) int {
	n := r.Compact()
	if r.err != nil {
		return 0
	}
	most := uint64(MaxEmpty)
	if elem > 0 {
		most = uint64(len(r.left) / elem)
	}
	if n > most {
		r.fail(fmt.Errorf("a sequence of %d elements, where %d bytes are left: %w", n, len(r.left), ErrShort))
		return 0
	}
	return int(n)
}

// MaxEmpty bounds sequences whose elements take no bytes: their length alone would decide how much is allocated.
const MaxEmpty = 4096

// Bytes reads n bytes.
func (r *Reader) Bytes(n int) []byte { return slices.Clone(r.take(n)) }

// Blob reads a compact length and as many bytes.
func (r *Reader) Blob() []byte { return r.Bytes(r.Length(1)) }

// String reads a compact length and as many bytes of UTF-8.
func (r *Reader) String() string {
	b := r.take(r.Length(1))
	if !utf8.Valid(b) {
		r.fail(errors.New("a string that is not UTF-8"))
		return ""
	}
	return string(b)
}
