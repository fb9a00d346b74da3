package onnx

import (
	"encoding/binary"
	"fmt"
	"math"

	ort "github.com/yalue/onnxruntime_go"
)

// Tensor is a dense array in C order: Floats or Ints, never both. What element type the graph wants, float16, float32, float64,
// int32 or int64, is the session's business.
type Tensor struct {
	Shape  []int64
	Floats []float32
	Ints   []int64
}

// NewFloats makes a tensor of floats; the data is not copied.
func NewFloats(data []float32, shape ...int64) Tensor { return Tensor{Shape: shape, Floats: data} }

// NewInts makes a tensor of integers; the data is not copied.
func NewInts(data []int64, shape ...int64) Tensor { return Tensor{Shape: shape, Ints: data} }

// Len is the number of elements that the shape says.
func (t Tensor) Len() int {
	n := int64(1)
	for _, d := range t.Shape {
		n *= d
	}
	return int(n)
}

// toValue makes the runtime's value in the element type that the graph wants. A float32 or int64 tensor is used in place.
func (t Tensor) toValue(want ort.TensorElementDataType) (ort.Value, error) {
	if n := t.Len(); n != len(t.Floats)+len(t.Ints) {
		return nil, fmt.Errorf("%d elements for the shape %v", len(t.Floats)+len(t.Ints), t.Shape)
	}
	shape := ort.NewShape(t.Shape...)
	switch want {
	case ort.TensorElementDataTypeFloat:
		return ort.NewTensor(shape, t.floats())
	case ort.TensorElementDataTypeFloat16:
		return ort.NewCustomDataTensor(shape, toHalf(t.floats()), want)
	case ort.TensorElementDataTypeDouble:
		return ort.NewTensor(shape, convert[float64](t))
	case ort.TensorElementDataTypeInt64:
		return ort.NewTensor(shape, t.ints())
	case ort.TensorElementDataTypeInt32:
		return ort.NewTensor(shape, convert[int32](t))
	}
	return nil, fmt.Errorf("the element type %s is not supported", want)
}

func (t Tensor) floats() []float32 {
	if t.Floats != nil {
		return t.Floats
	}
	return convert[float32](t)
}

func (t Tensor) ints() []int64 {
	if t.Ints != nil {
		return t.Ints
	}
	return convert[int64](t)
}

func convert[T float32 | float64 | int32 | int64](t Tensor) []T {
	out := make([]T, 0, len(t.Floats)+len(t.Ints))
	for _, x := range t.Floats {
		out = append(out, T(x))
	}
	for _, x := range t.Ints {
		out = append(out, T(x))
	}
	return out
}

// fromValue copies a value out of the runtime's memory.
func fromValue(v ort.Value) (Tensor, error) {
	shape := append([]int64(nil), v.GetShape()...)
	switch x := v.(type) {
	case *ort.Tensor[float32]:
		return NewFloats(append([]float32(nil), x.GetData()...), shape...), nil
	case *ort.Tensor[int64]:
		return NewInts(append([]int64(nil), x.GetData()...), shape...), nil
	case *ort.CustomDataTensor:
		return NewFloats(fromHalf(x.GetData()), shape...), nil
	}
	return Tensor{}, fmt.Errorf("an output of type %T is not supported", v)
}

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
