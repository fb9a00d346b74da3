package onnx

import (
	"fmt"
	"math"

	ort "github.com/yalue/onnxruntime_go"
)

// Tensor is a dense array in C order: Floats or Ints, never both. What element type the graph wants is the session's business: as an input
// float16, float32, float64, int32, int64, uint8 or bool; as an output also int8, int16, uint16 and uint32. Floats that go into integers
// lose their fraction; a bool is 0 or 1, and of an input whether it is not 0; float64 outputs are rounded to float32.
type Tensor struct {
	Shape  []int64 // empty: a scalar
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
	switch want {
	case ort.TensorElementDataTypeFloat:
		return newValue(t.Shape, t.floats(), nil)
	case ort.TensorElementDataTypeFloat16:
		return newHalf(t.Shape, toHalf(t.floats()))
	case ort.TensorElementDataTypeDouble:
		return newValue(t.Shape, append(convert[float64](t.Floats), convert[float64](t.Ints)...), nil)
	case ort.TensorElementDataTypeInt64:
		if t.Ints != nil {
			return newValue(t.Shape, t.Ints, nil)
		}
		data, err := narrow[int64](t, -1<<63, 1<<63-1)
		return newValue(t.Shape, data, err)
	case ort.TensorElementDataTypeInt32:
		data, err := narrow[int32](t, -1<<31, 1<<31-1)
		return newValue(t.Shape, data, err)
	case ort.TensorElementDataTypeUint8:
		data, err := narrow[uint8](t, 0, 255)
		return newValue(t.Shape, data, err)
	case ort.TensorElementDataTypeBool:
		return newValue(t.Shape, t.bools(), nil)
	}
	return nil, fmt.Errorf("%w: the graph wants %s, which no Tensor becomes", ErrElementType, elementOf(want).name)
}

// newValue passes on an error of what made the data.
func newValue[T ort.TensorData](shape []int64, data []T, err error) (ort.Value, error) {
	if err != nil {
		return nil, err
	}
	if len(shape) == 0 {
		return ort.NewScalar(data[0])
	}
	return ort.NewTensor(ort.NewShape(shape...), data)
}

// maxHalf bounds the float16 outputs that a file can make a run allocate, in elements; a picture of 8192 x 8192 has a fifth of it.
const maxHalf = 1 << 30

// newHalfOutput makes the memory of a float16 output.
func newHalfOutput(shape []int64) (ort.Value, error) {
	n := int64(1)
	for _, d := range shape {
		if d < 1 || d > maxHalf/n {
			return nil, fmt.Errorf("a float16 output has 1 to %d elements, not those of the shape %v", maxHalf, shape)
		}
		n *= d
	}
	return newHalf(shape, make([]byte, 2*n))
}

// newHalf makes a float16 value in this memory. The binding has no float16 scalars.
func newHalf(shape []int64, data []byte) (ort.Value, error) {
	if len(shape) == 0 {
		return nil, fmt.Errorf("%w: a float16 scalar is not supported: export the model with the shape [1] or as float32", ErrElementType)
	}
	return ort.NewCustomDataTensor(ort.NewShape(shape...), data, ort.TensorElementDataTypeFloat16)
}

// newScalar makes the memory of a scalar output.
func newScalar(kind ort.TensorElementDataType) (ort.Value, error) {
	switch kind {
	case ort.TensorElementDataTypeFloat:
		return ort.NewEmptyScalar[float32]()
	case ort.TensorElementDataTypeDouble:
		return ort.NewEmptyScalar[float64]()
	case ort.TensorElementDataTypeInt64:
		return ort.NewEmptyScalar[int64]()
	case ort.TensorElementDataTypeInt32:
		return ort.NewEmptyScalar[int32]()
	case ort.TensorElementDataTypeBool:
		return ort.NewEmptyScalar[bool]()
	}
	return nil, fmt.Errorf("%w: a scalar of %s is not supported", ErrElementType, elementOf(kind).name)
}

type number interface {
	~float32 | ~float64 | ~int8 | ~int16 | ~int32 | ~int64 | ~uint8 | ~uint16 | ~uint32
}

func convert[To, From number](data []From) []To {
	out := make([]To, len(data))
	for i, x := range data {
		out[i] = To(x)
	}
	return out
}

func (t Tensor) floats() []float32 {
	if t.Floats != nil {
		return t.Floats
	}
	return convert[float32](t.Ints)
}

// narrow converts to integers, of which none may lie outside low..high.
func narrow[T number](t Tensor, low, high int64) ([]T, error) {
	out := make([]T, 0, len(t.Floats)+len(t.Ints))
	beyond := func(i int, x any) error {
		return fmt.Errorf("%w: the element %d is %v, and the graph wants integers from %d to %d", ErrElementType, i, x, low, high)
	}
	for i, x := range t.Floats {
		// As a float64 the highest int64 is 2^63, which is too high by one.
		if f := math.Trunc(float64(x)); !(f >= float64(low) && f <= float64(high) && f < 1<<63) {
			return nil, beyond(i, x)
		}
		out = append(out, T(x))
	}
	for i, x := range t.Ints {
		if x < low || x > high {
			return nil, beyond(i, x)
		}
		out = append(out, T(x))
	}
	return out, nil
}

func (t Tensor) bools() []bool {
	out := make([]bool, 0, len(t.Floats)+len(t.Ints))
	for _, x := range t.Floats {
		out = append(out, x != 0)
	}
	for _, x := range t.Ints {
		out = append(out, x != 0)
	}
	return out
}

func fromBools(data []bool) []int64 {
	out := make([]int64, len(data))
	for i, x := range data {
		if x {
			out[i] = 1
		}
	}
	return out
}

// fromValue copies a value out of the runtime's memory.
func fromValue(v ort.Value) (Tensor, error) {
	shape := v.GetShape()
	switch x := v.(type) {
	case *ort.Tensor[float32]:
		return NewFloats(convert[float32](x.GetData()), shape...), nil
	case *ort.Tensor[float64]:
		return NewFloats(convert[float32](x.GetData()), shape...), nil
	case *ort.Tensor[int64]:
		return NewInts(convert[int64](x.GetData()), shape...), nil
	case *ort.Tensor[int32]:
		return NewInts(convert[int64](x.GetData()), shape...), nil
	case *ort.Tensor[int16]:
		return NewInts(convert[int64](x.GetData()), shape...), nil
	case *ort.Tensor[int8]:
		return NewInts(convert[int64](x.GetData()), shape...), nil
	case *ort.Tensor[uint32]:
		return NewInts(convert[int64](x.GetData()), shape...), nil
	case *ort.Tensor[uint16]:
		return NewInts(convert[int64](x.GetData()), shape...), nil
	case *ort.Tensor[uint8]:
		return NewInts(convert[int64](x.GetData()), shape...), nil
	case *ort.Tensor[bool]:
		return NewInts(fromBools(x.GetData()), shape...), nil
	case *ort.Scalar[float32]:
		return NewFloats([]float32{x.GetData()}), nil
	case *ort.Scalar[float64]:
		return NewFloats([]float32{float32(x.GetData())}), nil
	case *ort.Scalar[int64]:
		return NewInts([]int64{x.GetData()}), nil
	case *ort.Scalar[int32]:
		return NewInts([]int64{int64(x.GetData())}), nil
	case *ort.Scalar[bool]:
		return NewInts(fromBools([]bool{x.GetData()})), nil
	case *ort.CustomDataTensor:
		// Where the file does not tell that an output is float16, the binding took half of it.
		if data := x.GetData(); ort.TensorElementDataType(x.DataType()) == ort.TensorElementDataTypeFloat16 && int64(len(data)) == 2*shape.FlattenedSize() {
			return NewFloats(fromHalf(data), shape...), nil
		}
		return Tensor{}, fmt.Errorf("%w: %s is not supported", ErrElementType, elementOf(ort.TensorElementDataType(x.DataType())).name)
	}
	return Tensor{}, fmt.Errorf("%w: an output of type %T is not supported", ErrElementType, v)
}
