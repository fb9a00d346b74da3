package onnx

import (
	"encoding/binary"
	"math"
)

// RoundHalf rounds every element to the nearest float16: what a pipeline in half precision holds.
func RoundHalf(x []float32) {
	for i, v := range x {
		x[i] = halfToFloat(floatToHalf(v))
	}
}

func toHalf(x []float32) []byte {
	out := make([]byte, 0, 2*len(x))
	for _, v := range x {
		out = binary.LittleEndian.AppendUint16(out, floatToHalf(v))
	}
	return out
}

func fromHalf(data []byte) []float32 {
	out := make([]float32, len(data)/2)
	for i := range out {
		out[i] = halfToFloat(binary.LittleEndian.Uint16(data[2*i:]))
	}
	return out
}

// floatToHalf rounds to nearest, ties to even, as IEEE 754 has it; what is too large becomes infinite.
func floatToHalf(f float32) uint16 {
	bits := math.Float32bits(f)
	sign := uint16(bits >> 16 & 0x8000)
	exponent := int(bits>>23&0xff) - 127 + 15
	mantissa := bits & 0x7fffff
	switch {
	case bits&0x7fffffff > 0x7f800000:
		return sign | 0x7e00 // NaN
	case exponent >= 31:
		return sign | 0x7c00
	case exponent <= 0:
		if exponent < -10 {
			return sign
		}
		mantissa |= 0x800000
		return sign | roundShift(mantissa, uint(14-exponent))
	}
	// A carry out of the mantissa goes into the exponent, which is what rounding up to the next power of two means.
	return sign | (uint16(exponent)<<10 + roundShift(mantissa, 13))
}

func roundShift(m uint32, shift uint) uint16 {
	half := uint32(1) << (shift - 1)
	out, rest := m>>shift, m&(half<<1-1)
	if rest > half || (rest == half && out&1 == 1) {
		out++
	}
	return uint16(out)
}

func halfToFloat(h uint16) float32 {
	sign, exponent, mantissa := uint32(h&0x8000)<<16, uint32(h>>10&0x1f), uint32(h&0x3ff)
	switch exponent {
	case 0:
		f := float32(mantissa) / (1 << 24)
		if sign != 0 {
			f = -f
		}
		return f
	case 31:
		return math.Float32frombits(sign | 0x7f800000 | mantissa<<13)
	}
	return math.Float32frombits(sign | (exponent+112)<<23 | mantissa<<13)
}
