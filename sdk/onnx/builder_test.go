package onnx

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// Element types, as onnx.proto numbers them.
const (
	kFloat, kUint8, kInt8, kUint16, kInt16, kInt32, kInt64, kBool, kHalf, kDouble, kUint32, kBFloat16 = 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 16
)

func num(number protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.VarintType), v)
}

func sub(number protowire.Number, parts ...[]byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), slices.Concat(parts...))
}

func str(number protowire.Number, text string) []byte { return sub(number, []byte(text)) }

// modelOf is a ModelProto of IR version 8 and opset 17 with these parts of a graph.
func modelOf(graph ...[]byte) []byte { return modelOfIR(8, graph...) }

func modelOfIR(ir uint64, graph ...[]byte) []byte {
	return slices.Concat(num(1, ir), str(2, "test"), sub(7, append(graph, str(2, "g"))...), sub(8, num(2, 17)))
}

// value is a ValueInfoProto: an axis is an int, or a string for a symbolic one.
func value(name string, kind uint64, axes ...any) []byte {
	var shape []byte
	for _, a := range axes {
		switch a := a.(type) {
		case int:
			shape = append(shape, sub(1, num(1, uint64(a)))...)
		case string:
			shape = append(shape, sub(1, str(2, a))...)
		}
	}
	return slices.Concat(str(1, name), sub(2, sub(1, num(1, kind), sub(2, shape))))
}

func input(name string, kind uint64, axes ...any) []byte  { return sub(11, value(name, kind, axes...)) }
func output(name string, kind uint64, axes ...any) []byte { return sub(12, value(name, kind, axes...)) }

// node is a NodeProto in a graph; its attributes are AttributeProtos.
func node(kind, out string, in []string, attributes ...[]byte) []byte {
	var n []byte
	for _, name := range in {
		n = append(n, str(1, name)...)
	}
	n = append(n, slices.Concat(str(2, out), str(4, kind))...)
	for _, a := range attributes {
		n = append(n, sub(5, a)...)
	}
	return sub(1, n)
}

// tensor is a TensorProto.
func tensor(name string, kind uint64, dims []int, data ...[]byte) []byte {
	var t []byte
	for _, d := range dims {
		t = append(t, num(1, uint64(d))...)
	}
	return slices.Concat(t, num(2, kind), str(8, name), slices.Concat(data...))
}

func raw(data []byte) []byte { return sub(9, data) }

func rawFloats(x ...float32) []byte {
	var data []byte
	for _, v := range x {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
	}
	return raw(data)
}

// outside is where a tensor's data in another file is.
func outside(location string, offset, length int64) []byte {
	entry := func(key, value string) []byte { return sub(13, str(1, key), str(2, value)) }
	return slices.Concat(entry("location", location), entry("offset", strconv.FormatInt(offset, 10)), entry("length", strconv.FormatInt(length, 10)), num(14, 1))
}

// write writes a model into a new folder.
func write(t testing.TB, model []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.onnx")
	if err := os.WriteFile(path, model, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t testing.TB, model []byte, o Options) *Session {
	t.Helper()
	library(t)
	o.Threads = 1
	s, err := Load(write(t, model), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}
