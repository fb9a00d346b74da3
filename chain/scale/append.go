package scale

import (
	"encoding/binary"
	"math/big"
	"slices"
)

// AppendCompact appends a compact integer in its shortest form.
func AppendCompact(dst []byte, n uint64) []byte {
	switch {
	case n < 1<<6:
		return append(dst, byte(n<<2))
	case n < 1<<14:
		return binary.LittleEndian.AppendUint16(dst, uint16(n<<2|1))
	case n < 1<<30:
		return binary.LittleEndian.AppendUint32(dst, uint32(n<<2|2))
	}
	b := binary.LittleEndian.AppendUint64(nil, n)
	for len(b) > 4 && b[len(b)-1] == 0 {
		b = b[:len(b)-1]
	}
	return append(append(dst, byte(len(b)-4)<<2|3), b...)
}

// appendCompactBig appends a compact integer of up to 67 bytes; n is not negative.
func appendCompactBig(dst []byte, n *big.Int) []byte {
	if n.IsUint64() {
		return AppendCompact(dst, n.Uint64())
	}
	b := n.Bytes()
	slices.Reverse(b)
	return append(append(dst, byte(len(b)-4)<<2|3), b...)
}

// AppendBlob appends a compact length and the bytes.
func AppendBlob[B ~[]byte | ~string](dst []byte, b B) []byte {
	return append(AppendCompact(dst, uint64(len(b))), b...)
}

// AppendU128 appends a u128. What n has beyond 128 bits is lost.
func AppendU128(dst []byte, n *big.Int) []byte { return appendWide(dst, n, 16) }

// appendWide appends n in two's complement over size bytes.
func appendWide(dst []byte, n *big.Int, size int) []byte {
	if n.Sign() < 0 {
		n = new(big.Int).Add(n, new(big.Int).Lsh(big.NewInt(1), uint(size*8)))
	}
	b := n.Bytes()
	slices.Reverse(b)
	b = append(b, make([]byte, max(0, size-len(b)))...)
	return append(dst, b[:size]...)
}

func appendBool(dst []byte, b bool) []byte {
	if b {
		return append(dst, 1)
	}
	return append(dst, 0)
}
