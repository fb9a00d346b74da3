package onnx

import (
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// identity is y = x for elements of a type; the shape of y is the file's word, if any.
func identity(kind uint64, in, out []any) []byte {
	return modelOf(node("Identity", "y", []string{"x"}), input("x", kind, in...), output("y", kind, out...))
}

func TestRun_converts_elements(t *testing.T) {
	open := []any{"n"}
	for name, c := range map[string]struct {
		kind     uint64
		in, want Tensor
	}{
		"float32":       {kFloat, NewFloats([]float32{1.5, -2}, 2), NewFloats([]float32{1.5, -2}, 2)},
		"float32, ints": {kFloat, NewInts([]int64{7}, 1), NewFloats([]float32{7}, 1)},
		"float64":       {kDouble, NewFloats([]float32{0.1}, 1), NewFloats([]float32{0.1}, 1)},
		"int64":         {kInt64, NewInts([]int64{math.MinInt64, math.MaxInt64}, 2), NewInts([]int64{math.MinInt64, math.MaxInt64}, 2)},
		"int64, floats": {kInt64, NewFloats([]float32{3.9, -3.9}, 2), NewInts([]int64{3, -3}, 2)},
		"int32":         {kInt32, NewInts([]int64{-1 << 31, 1<<31 - 1}, 2), NewInts([]int64{-1 << 31, 1<<31 - 1}, 2)},
		"uint8":         {kUint8, NewInts([]int64{0, 255}, 2), NewInts([]int64{0, 255}, 2)},
		"bool":          {kBool, NewInts([]int64{0, 1, -5}, 3), NewInts([]int64{0, 1, 1}, 3)},
		"bool, floats":  {kBool, NewFloats([]float32{0, 0.5}, 2), NewInts([]int64{0, 1}, 2)},
		"no elements":   {kFloat, NewFloats([]float32{}, 0), NewFloats([]float32{}, 0)},
	} {
		out, err := load(t, identity(c.kind, open, open), Options{}).Run(t.Context(), map[string]Tensor{"x": c.in}, nil)
		if err != nil || !reflect.DeepEqual(out["y"], c.want) {
			t.Errorf("%s: %v %v", name, out, err)
		}
	}
}

func TestRun_takes_outputs_of_every_number(t *testing.T) {
	for _, kind := range []uint64{kInt8, kUint8, kInt16, kUint16, kInt32, kUint32, kInt64, kBool} {
		to := slices.Concat(str(1, "to"), num(3, kind), num(20, 2)) // AttributeProto of type INT
		s := load(t, modelOf(node("Cast", "y", []string{"x"}, to), input("x", kFloat, "n"), output("y", kind, "n")), Options{})
		out, err := s.Run(t.Context(), map[string]Tensor{"x": NewFloats([]float32{0, 1}, 2)}, nil)
		if err != nil || !slices.Equal(out["y"].Ints, []int64{0, 1}) {
			t.Errorf("%s: %v %v", s.Outputs()[0].Element(), out, err)
		}
	}
}

func TestRun_takes_and_gives_scalars(t *testing.T) {
	for kind, c := range map[uint64]Tensor{
		kFloat: NewFloats([]float32{2.5}), kDouble: NewFloats([]float32{0.5}), kInt64: NewInts([]int64{-3}), kInt32: NewInts([]int64{9}), kBool: NewInts([]int64{1}),
	} {
		out, err := load(t, identity(kind, nil, nil), Options{}).Run(t.Context(), map[string]Tensor{"x": c}, nil)
		if err != nil || !reflect.DeepEqual(out["y"], c) {
			t.Errorf("%v: %v %v", c, out, err)
		}
	}
}

func TestRun_refuses_elements_that_the_graph_cannot_take(t *testing.T) {
	for name, c := range map[string]struct {
		kind uint64
		axes []any
		in   Tensor
		says string
	}{
		"beyond uint8":     {kUint8, []any{1}, NewInts([]int64{256}, 1), "the element 0 is 256, and the graph wants integers from 0 to 255"},
		"beyond int32":     {kInt32, []any{1}, NewInts([]int64{1 << 31}, 1), "2147483648"},
		"not a number":     {kInt64, []any{1}, NewFloats([]float32{float32(math.NaN())}, 1), "NaN"},
		"2^63":             {kInt64, []any{1}, NewFloats([]float32{1 << 63}, 1), "integers"},
		"an unknown type":  {kBFloat16, []any{1}, NewFloats([]float32{1}, 1), "bfloat16"},
		"a float16 scalar": {kHalf, nil, NewFloats([]float32{1}), "scalar"},
	} {
		_, err := load(t, identity(c.kind, c.axes, c.axes), Options{}).Run(t.Context(), map[string]Tensor{"x": c.in}, nil)
		if !errors.Is(err, ErrElementType) || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "input x") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRun_knows_the_shapes_of_float16_outputs(t *testing.T) {
	x := NewFloats([]float32{1, 0.5, -2}, 1, 3)
	for name, c := range map[string]struct {
		in, out []any
		shapes  map[string][]int64
		says    string // "" is that it runs
	}{
		"declared":           {[]any{1, 3}, []any{1, 3}, nil, ""},
		"inferred":           {[]any{1, 3}, []any{"a", "b"}, nil, ""},
		"given":              {[]any{"n", 3}, []any{"n", "m"}, map[string][]int64{"y": {1, 3}}, ""},
		"open":               {[]any{"n", 3}, []any{"n", "m"}, nil, "[-1 3] has to be known"},
		"given without size": {[]any{"n", 3}, []any{"n", "m"}, map[string][]int64{"y": {1, -1}}, "[1 -1]"},
		"given too large":    {[]any{"n", 3}, []any{"n", "m"}, map[string][]int64{"y": {1 << 40, 1 << 40}}, "elements"},
	} {
		out, err := load(t, identity(kHalf, c.in, c.out), Options{}).Run(t.Context(), map[string]Tensor{"x": x}, c.shapes)
		switch {
		case c.says == "" && (err != nil || !reflect.DeepEqual(out["y"], x)):
			t.Errorf("%s: %v %v", name, out, err)
		case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRun_feeds_optional_inputs(t *testing.T) {
	add := func(kind uint64, initializer []byte) []byte {
		return modelOf(node("Add", "y", []string{"x", "b"}), sub(5, initializer), input("x", kind, 2), input("b", kind, 1), output("y", kind, 2))
	}
	floats, ints := NewFloats([]float32{1, 2}, 2), NewInts([]int64{1, 2}, 2)
	packed := binary.LittleEndian.AppendUint32(nil, math.Float32bits(10))
	minus := slices.Concat([]byte{0xf6}, slices.Repeat([]byte{0xff}, 8), []byte{1}) // -10 as a varint
	for name, c := range map[string]struct {
		model     []byte
		x, b      Tensor
		want, own any // with the file's value, with one's own
	}{
		"raw":       {add(kFloat, tensor("b", kFloat, []int{1}, rawFloats(10))), floats, NewFloats([]float32{5}, 1), []float32{11, 12}, []float32{6, 7}},
		"floats":    {add(kFloat, tensor("b", kFloat, []int{1}, sub(4, packed))), floats, NewFloats([]float32{5}, 1), []float32{11, 12}, []float32{6, 7}},
		"half":      {add(kHalf, tensor("b", kHalf, []int{1}, raw([]byte{0, 0x49}))), floats, NewFloats([]float32{5}, 1), []float32{11, 12}, []float32{6, 7}},
		"half bits": {add(kHalf, tensor("b", kHalf, []int{1}, sub(5, varint(0x4900)))), floats, NewFloats([]float32{5}, 1), []float32{11, 12}, []float32{6, 7}},
		"int64":     {add(kInt64, tensor("b", kInt64, []int{1}, sub(7, minus))), ints, NewInts([]int64{5}, 1), []int64{-9, -8}, []int64{6, 7}},
		"int32":     {add(kInt32, tensor("b", kInt32, []int{1}, sub(5, minus))), ints, NewInts([]int64{5}, 1), []int64{-9, -8}, []int64{6, 7}},
		"raw int64": {add(kInt64, tensor("b", kInt64, []int{1}, raw(binary.LittleEndian.AppendUint64(nil, 10)))), ints, NewInts([]int64{5}, 1), []int64{11, 12}, []int64{6, 7}},
	} {
		s := load(t, c.model, Options{})
		if _, ok := s.Input("b"); !ok || len(s.Inputs()) != 1 || len(s.Graph().Optional) != 1 {
			t.Errorf("%s: %+v", name, s.Graph())
		}
		for _, run := range []struct {
			in   map[string]Tensor
			want any
		}{{map[string]Tensor{"x": c.x}, c.want}, {map[string]Tensor{"x": c.x, "b": c.b}, c.own}, {map[string]Tensor{"x": c.x}, c.want}} {
			out, err := s.Run(t.Context(), run.in, nil)
			got := any(out["y"].Floats)
			if out["y"].Ints != nil {
				got = out["y"].Ints
			}
			if err != nil || !reflect.DeepEqual(got, run.want) {
				t.Errorf("%s: %v %v", name, out, err)
			}
		}
	}
}

func TestRun_leaves_alone_an_optional_input_that_it_cannot_feed(t *testing.T) {
	const n = maxDefault/4 + 1
	for name, c := range map[string]struct {
		kind    uint64
		axes    []any
		initial []byte
		own     Tensor
	}{
		"large":            {kFloat, []any{n}, tensor("b", kFloat, []int{n}, raw(make([]byte, 4*n))), NewFloats(make([]float32, n), n)},
		"a float16 scalar": {kHalf, nil, tensor("b", kHalf, nil, raw([]byte{0, 0})), NewFloats([]float32{0})},
		"float64":          {kDouble, []any{1}, tensor("b", kDouble, []int{1}, raw(make([]byte, 8))), NewFloats([]float32{0}, 1)},
	} {
		s := load(t, modelOf(node("Add", "y", []string{"x", "b"}), sub(5, c.initial), input("x", c.kind, 1), input("b", c.kind, c.axes...),
			output("y", c.kind, append(c.axes, 1)[0])), Options{})
		in := map[string]Tensor{"x": NewFloats([]float32{3}, 1)}
		if out, err := s.Run(t.Context(), in, nil); err != nil || out["y"].Floats[0] != 3 {
			t.Errorf("%s: %v", name, err)
		}
		in["b"] = c.own
		if _, err := s.Run(t.Context(), in, nil); err == nil || !strings.Contains(err.Error(), "the input b cannot be given") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRun_is_observed(t *testing.T) {
	var runs atomic.Int32
	s := load(t, identityModel(), Options{Observe: func(path string, inputs map[string]Tensor) {
		if filepath.Base(path) == "model.onnx" && inputs["x"].Floats[0] == 4 {
			runs.Add(1)
		}
	}})
	for range 2 {
		if _, err := s.Run(t.Context(), map[string]Tensor{"x": NewFloats([]float32{4}, 1)}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if runs.Load() != 2 {
		t.Errorf("%d runs are observed", runs.Load())
	}
}

func TestLoad_reads_weights_beyond_2_GiB_of_an_external_file(t *testing.T) {
	library(t)
	const offset = 1<<31 + 4096
	path := write(t, modelOf(node("Add", "y", []string{"x", "w"}), sub(5, tensor("w", kFloat, []int{2}, outside("model.onnx_data", offset, 8))),
		input("x", kFloat, 2), output("y", kFloat, 2)))
	f, err := os.Create(path + "_data")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	weights := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, math.Float32bits(10)), math.Float32bits(20))
	if _, err := f.WriteAt(weights, offset); err != nil {
		t.Fatal(err)
	}
	if stat, err := f.Stat(); err != nil || stat.Sys().(*syscall.Stat_t).Blocks*512 > 1<<30 {
		t.Skip("skipped: this file system has no sparse files", err)
	}
	s, err := Load(path, Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	out, err := s.Run(t.Context(), map[string]Tensor{"x": NewFloats([]float32{1, 2}, 2)}, nil)
	if err != nil || !slices.Equal(out["y"].Floats, []float32{11, 22}) {
		t.Error(out, err)
	}
}

func TestLoad_names_the_fault_of_a_file(t *testing.T) {
	library(t)
	model := modelOf(node("Add", "y", []string{"x", "w"}), sub(5, tensor("w", kFloat, []int{2}, outside("model.onnx_data", 0, 8))),
		input("x", kFloat, 2), output("y", kFloat, 2))
	for name, c := range map[string]struct {
		model []byte
		kind  error
	}{
		"cut":                 {model[:len(model)/2], ErrCut},
		"a pointer":           {[]byte("version https://git-lfs.example/spec/v1\n"), ErrPointer},
		"no weights":          {model, ErrExternalData},
		"no model":            {[]byte("no model"), ErrNoModel},
		"no inputs":           {modelOf(node("Constant", "y", nil, slices.Concat(str(1, "value_float"), num(20, 1))), output("y", kFloat)), nil},
		"an unknown operator": {modelOf(node("Abacus", "y", []string{"x"}), input("x", kFloat, 1), output("y", kFloat, 1)), nil},
	} {
		if _, err := Load(write(t, c.model), Options{}); err == nil || c.kind != nil && !errors.Is(err, c.kind) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
