package onnx

import (
	"strings"

	ort "github.com/yalue/onnxruntime_go"
)

// element is one ONNX element type. ONNX (TensorProto.DataType of onnx.proto) and ONNX Runtime number them alike.
type element struct {
	name string
	bits int64 // of one element; 0 where elements have no fixed size
}

var elements = []element{
	{"undefined", 0}, {"float32", 32}, {"uint8", 8}, {"int8", 8}, {"uint16", 16}, {"int16", 16}, {"int32", 32}, {"int64", 64},
	{"string", 0}, {"bool", 8}, {"float16", 16}, {"float64", 64}, {"uint32", 32}, {"uint64", 64}, {"complex64", 64}, {"complex128", 128},
	{"bfloat16", 16}, {"float8e4m3fn", 8}, {"float8e4m3fnuz", 8}, {"float8e5m2", 8}, {"float8e5m2fnuz", 8}, {"uint4", 4}, {"int4", 4},
	{"float4e2m1", 4}, {"float8e8m0", 8}, {"uint2", 2}, {"int2", 2},
}

func elementOf(kind ort.TensorElementDataType) element {
	if kind < 0 || int(kind) >= len(elements) {
		return elements[0]
	}
	return elements[kind]
}

// kindOf makes a number that no element type has "undefined".
func kindOf(v uint64) ort.TensorElementDataType {
	if v >= uint64(len(elements)) {
		return ort.TensorElementDataTypeUndefined
	}
	return ort.TensorElementDataType(v)
}

// Info is one input or output of a graph, as the model file declares it.
type Info struct {
	Name  string
	Shape []int64  // -1: any; nil: the file does not tell even the rank; empty: a scalar
	Axes  []string // for each axis its symbolic name, such as "batch", or ""
	kind  ort.TensorElementDataType
}

// Element is the type of the elements: "float32", "float16", "bfloat16", "float64", "int64", "int32", "uint8", "bool", "string" and so on.
// It is "undefined" for what is no dense tensor, such as a sequence, and where the file does not tell.
func (i Info) Element() string { return elementOf(i.kind).name }

// Half reports whether the elements are float16.
func (i Info) Half() bool { return i.kind == ort.TensorElementDataTypeFloat16 }

// Fixed is the size of an axis, counted from 0, if the model was exported for that size only.
func (i Info) Fixed(axis int) (size int64, ok bool) {
	if axis < 0 || axis >= len(i.Shape) || i.Shape[axis] < 0 {
		return 0, false
	}
	return i.Shape[axis], true
}

// fixed reports whether the whole shape is known.
func (i Info) fixed() bool {
	for axis := range i.Shape {
		if _, ok := i.Fixed(axis); !ok {
			return false
		}
	}
	return i.Shape != nil
}

func names(in []Info) []string {
	out := make([]string, len(in))
	for i, x := range in {
		out[i] = x.Name
	}
	return out
}

// Names lists inputs or outputs, for an error.
func Names(in []Info) string { return strings.Join(names(in), ", ") }

func find(in []Info, name string) (Info, bool) {
	for _, i := range in {
		if i.Name == name {
			return i, true
		}
	}
	return Info{}, false
}
