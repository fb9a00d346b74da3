// Package imagehash computes perceptual hashes of pictures: short bit strings that stay close in Hamming distance when a picture is re-encoded
// or resized. The bits are those of Python's ImageHash 4.3 (with Pillow, SciPy and PyWavelets beneath), so that hashes from either side compare.
// All but Color look at brightness only: who wants several saves time by handing them Pixels.Gray.
package imagehash

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// MaxBits is the longest hash: a perceptual hash of 16 x 16.
const MaxBits = 256

// Hash is a string of up to MaxBits bits; hashes compare with ==. The zero Hash has none, and is that of an empty picture.
type Hash struct {
	bits  int
	words [MaxBits / 64]uint64 // one number, the lowest word first; the first bit is its highest
}

// Bits is the length.
func (h Hash) Bits() int { return h.bits }

// push appends a bit.
func (h *Hash) push(bit bool) {
	for i := len(h.words) - 1; i > 0; i-- {
		h.words[i] = h.words[i]<<1 | h.words[i-1]>>63
	}
	h.words[0] <<= 1
	if bit {
		h.words[0] |= 1
	}
	h.bits++
}

// Distance counts the bits that differ, the Hamming distance. Hashes of different lengths are of different kinds: all bits of the longer differ.
func (h Hash) Distance(o Hash) int {
	if h.bits != o.bits {
		return max(h.bits, o.bits)
	}
	n := 0
	for i, w := range h.words {
		n += bits.OnesCount64(w ^ o.words[i])
	}
	return n
}

// String is the hash in lower-case hex with leading zeros, as Python's str(): 16 digits for 64 bits, 11 for the 42 of Color.
func (h Hash) String() string {
	var s strings.Builder
	for i := (h.bits+3)/4 - 1; i >= 0; i-- {
		s.WriteByte("0123456789abcdef"[h.words[i/16]>>(i%16*4)&15])
	}
	return s.String()
}

// Parse reads what String wrote of a hash of so many bits (64; 256 for Perceptual256; 42 for Color); letters may be capital.
func Parse(hex string, bits int) (Hash, error) {
	if bits < 1 || bits > MaxBits {
		return Hash{}, fmt.Errorf("hash of %d bits: 1 to %d are known", bits, MaxBits)
	}
	h := Hash{bits: bits}
	digits := (bits + 3) / 4
	if len(hex) != digits {
		return Hash{}, fmt.Errorf("hash of %d characters: %d bits are %d hex digits", len(hex), bits, digits)
	}
	for i := range digits {
		v, err := strconv.ParseUint(hex[i:i+1], 16, 4)
		if err != nil {
			return Hash{}, fmt.Errorf("hash %.80q: character %d is no hex digit", hex, i+1)
		}
		at := digits - 1 - i
		h.words[at/16] |= v << (at % 16 * 4)
	}
	if first, _ := strconv.ParseUint(hex[:1], 16, 4); bits%4 != 0 && first>>(bits%4) != 0 {
		return Hash{}, fmt.Errorf("hash %s: above the %d bits that it has", hex, bits)
	}
	return h, nil
}
