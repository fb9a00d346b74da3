package onnx

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	ort "github.com/yalue/onnxruntime_go"
)

// richModel has a bit of everything that ReadGraph reads.
func richModel() []byte {
	branch := sub(6, str(2, "then"), sub(5, tensor("inner", kFloat, []int{8}, outside("weights/b.bin", 0, 32))))
	return modelOf(
		node("Constant", "c", nil, slices.Concat(str(1, "value"), sub(5, tensor("", kHalf, []int{3}, raw(make([]byte, 6)))))),
		node("If", "y", []string{"flag"}, slices.Concat(str(1, "then_branch"), branch)),
		sub(5, tensor("w", kFloat, []int{2, 2}, outside("a.bin", 4096, 16))),
		sub(5, tensor("v", kFloat, []int{4}, outside("a.bin", 100, 16))),
		sub(5, tensor("scale", kFloat, []int{1}, rawFloats(2))),
		input("sample", kHalf, "batch", 4, 64), input("flag", kBool), input("scale", kFloat, 1), output("y", kFloat, "batch", 4),
	)
}

func TestReadGraph_tells_the_structure(t *testing.T) {
	g, err := ReadGraph(write(t, richModel()))
	if err != nil {
		t.Fatal(err)
	}
	g.defaults = nil
	want := Graph{
		Inputs:       []Info{{"sample", []int64{-1, 4, 64}, []string{"batch", "", ""}, kHalf}, {"flag", []int64{}, nil, kBool}},
		Optional:     []Info{{"scale", []int64{1}, []string{""}, kFloat}},
		Outputs:      []Info{{"y", []int64{-1, 4}, []string{"batch", ""}, kFloat}},
		Opset:        17,
		Producer:     "test",
		Initializers: []string{"w", "v", "scale"},
		External:     []ExternalFile{{"weights/b.bin", 32}, {"a.bin", 4112}},
		WeightBytes:  6 + 32 + 16 + 16 + 4,
		WeightType:   "float32",
	}
	if !reflect.DeepEqual(g, want) {
		t.Errorf("\n%+v\n%+v", g, want)
	}
	if n, ok := g.Inputs[0].Fixed(2); n != 64 || !ok {
		t.Error(n, ok)
	}
	for _, axis := range []int{-1, 0, 3} {
		if _, ok := g.Inputs[0].Fixed(axis); ok {
			t.Errorf("the axis %d is fixed", axis)
		}
	}
	if g.Inputs[0].Element() != "float16" || g.Inputs[1].Element() != "bool" || (Info{kind: 99}).Element() != "undefined" {
		t.Error("wrong names of element types")
	}
}

func TestReadGraph_agrees_with_the_runtime(t *testing.T) {
	library(t)
	paths, err := filepath.Glob(filepath.Join(tiny, "*", "model.onnx"))
	if err != nil || len(paths) < 4 {
		t.Fatal(paths, err)
	}
	for _, path := range paths {
		g, err := ReadGraph(path)
		if err != nil {
			t.Fatal(err)
		}
		in, out, err := ort.GetInputOutputInfo(path)
		if err != nil {
			t.Fatal(err)
		}
		all := append(g.Inputs, g.Outputs...)
		if len(all) != len(in)+len(out) {
			t.Fatalf("%s: %+v", path, all)
		}
		for i, want := range append(in, out...) {
			// The runtime also infers what the file leaves open.
			for axis, size := range want.Dimensions {
				if _, ok := all[i].Fixed(axis); !ok {
					want.Dimensions[axis] = -1
				} else if size < 0 {
					t.Errorf("%s: the axis %d of %s is open", path, axis, want.Name)
				}
			}
			if got := all[i]; got.Name != want.Name || got.kind != want.DataType || !slices.Equal(got.Shape, want.Dimensions) {
				t.Errorf("%s: %+v, not %+v", path, got, want)
			}
		}
	}
}

func TestReadGraph_of_an_old_model_has_no_optional_inputs(t *testing.T) {
	g, err := ReadGraph(write(t, modelOfIR(3, sub(5, tensor("w", kFloat, []int{1}, rawFloats(2))), input("x", kFloat, 1), input("w", kFloat, 1), output("y", kFloat, 1))))
	if err != nil || len(g.Inputs) != 1 || g.Inputs[0].Name != "x" || g.Optional != nil {
		t.Errorf("%+v %v", g, err)
	}
}

// hollow is a file of so many bytes, zero but for its head and tail, that counts what is read of it.
type hollow struct {
	head, tail []byte
	size, read int64
}

func (h *hollow) ReadAt(p []byte, at int64) (int, error) {
	n := int(min(int64(len(p)), h.size-at))
	for i := range n {
		p[i] = 0
		if pos := at + int64(i); pos < int64(len(h.head)) {
			p[i] = h.head[pos]
		} else if back := h.size - pos; back <= int64(len(h.tail)) {
			p[i] = h.tail[int64(len(h.tail))-back]
		}
	}
	h.read += int64(n)
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func TestReadGraph_skips_the_weights(t *testing.T) {
	const weights = 3 << 30
	// A message of an unknown length is written like one of a known length, and the length put in.
	prefix := func(number byte, length int) []byte { return append([]byte{number<<3 | 2}, varint(length)...) }
	inner := slices.Concat(num(1, weights/4), num(2, kFloat), str(8, "w"), prefix(9, weights))
	tail := slices.Concat(input("x", kFloat, 1), output("y", kFloat, 1))
	graph := slices.Concat(prefix(5, len(inner)+weights), inner)
	head := slices.Concat(num(1, 8), prefix(7, len(graph)+weights+len(tail)), graph)
	tail = slices.Concat(tail, sub(8, num(2, 17)))
	h := &hollow{head: head, tail: tail, size: int64(len(head) + weights + len(tail))}
	g, err := readGraph(h, h.size)
	if err != nil || g.WeightBytes != weights || len(g.Inputs) != 1 || g.Opset != 17 {
		t.Errorf("%+v %v", g, err)
	}
	if h.read > 64<<10 {
		t.Errorf("%d bytes are read", h.read)
	}
}

func varint(n int) (out []byte) {
	for ; n > 127; n >>= 7 {
		out = append(out, byte(n)|128)
	}
	return append(out, byte(n))
}

func TestReadGraph_refuses_what_is_no_whole_model(t *testing.T) {
	ends := slices.Concat(input("x", kFloat, 1), output("y", kFloat, 1))
	weights := func(data ...[]byte) []byte { return modelOf(ends, sub(5, tensor("w", kFloat, []int{4}, data...))) }
	nested := node("Identity", "y", []string{"x"})
	for range 40 {
		nested = node("If", "y", []string{"x"}, sub(6, nested))
	}
	for name, c := range map[string]struct {
		file []byte
		kind error
		says string
	}{
		"empty":            {nil, ErrCut, "empty"},
		"text":             {[]byte("no model"), ErrNoModel, "byte 0"},
		"a web page":       {[]byte("<!DOCTYPE html><html></html>"), ErrNoModel, "byte 0"},
		"zeros":            {make([]byte, 100), ErrNoModel, "the number 0"},
		"a pointer":        {[]byte("version https://git-lfs.example/spec/v1\noid sha256:00\nsize 7\n"), ErrPointer, "git lfs pull"},
		"cut":              {modelOf(ends)[:40], ErrCut, "it has 40 bytes and needs 47"},
		"no graph":         {num(1, 8), ErrNoModel, "no graph"},
		"no operator set":  {slices.Concat(num(1, 8), sub(7, ends)), ErrCut, "operator set"},
		"an inner overrun": {slices.Concat(num(1, 8), sub(7, []byte{1<<3 | 2, 99}), sub(8, num(2, 17))), ErrNoModel, "reaches to byte"},
		"upwards":          {weights(outside("../w.bin", 0, 16)), ErrExternalData, `"../w.bin"`},
		"absolute":         {weights(outside("/w.bin", 0, 16)), ErrExternalData, `"/w.bin"`},
		"no location":      {weights(num(14, 1)), ErrExternalData, `""`},
		"a wrong offset":   {weights(outside("w.bin", -1, 16)), ErrNoModel, `the offset of the weights "w" is "-1"`},
		"a huge length":    {weights(outside("w.bin", 0, 1<<60)), ErrNoModel, "the length"},
		"a wrong length":   {weights(outside("w.bin", 0, 12)), ErrNoModel, `the weights "w" need 16 bytes and have 12`},
		"too little data":  {weights(rawFloats(1, 2)), ErrNoModel, "need 16 bytes"},
		"no data":          {modelOf(ends, sub(5, tensor("w", kFloat, []int{1 << 20}))), ErrNoModel, "bytes"},
		"a negative axis":  {modelOf(ends, sub(5, tensor("w", kFloat, []int{-1}))), ErrNoModel, "[-1]"},
		"a huge tensor":    {modelOf(ends, sub(5, tensor("w", kFloat, []int{1 << 40, 1 << 40}))), ErrNoModel, "shape"},
		"many axes":        {modelOf(ends, sub(5, tensor("w", kFloat, make([]int, 65)))), ErrNoModel, "64 axes"},
		"a long name":      {modelOf(ends, input(strings.Repeat("x", 4097), kFloat, 1)), ErrNoModel, "4097 bytes"},
		"a name of bytes":  {modelOf(ends, input("\xff", kFloat, 1)), ErrNoModel, "UTF-8"},
		"many inputs":      {modelOf(bytes.Repeat(input("x", kFloat, 1), 4097)), ErrNoModel, "4096"},
		"deep graphs":      {modelOf(ends, nested), ErrNoModel, "32 graphs"},
	} {
		if _, err := ReadGraph(write(t, c.file)); !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ReadGraph("/nowhere/model.onnx"); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if _, err := ReadGraph(t.TempDir()); !errors.Is(err, ErrNoModel) {
		t.Error(err)
	}
}

func TestReadGraph_refuses_every_cut_of_a_model(t *testing.T) {
	model := richModel()
	for n := range model {
		_, err := readGraph(bytes.NewReader(model[:n]), int64(n))
		if !errors.Is(err, ErrCut) && !errors.Is(err, ErrNoModel) {
			t.Errorf("%d of %d bytes: %v", n, len(model), err)
		}
	}
}

func TestCheck_lists_every_fault_of_external_files(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"whole": "12345678", "short": "1234", "pointer": "version https://git-lfs.example/spec/v1\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := (Graph{External: []ExternalFile{{"whole", 8}}}).Check(dir); err != nil {
		t.Error(err)
	}
	err := Graph{External: []ExternalFile{{"whole", 8}, {"short", 8}, {"missing", 8}, {"pointer", 4096}, {".", 1}}}.Check(dir)
	if !errors.Is(err, ErrExternalData) || !errors.Is(err, os.ErrNotExist) || !errors.Is(err, ErrPointer) {
		t.Fatal(err)
	}
	for _, says := range []string{"short has 4 bytes and needs 8", "missing", "pointer is a git-lfs pointer", "no regular file"} {
		if !strings.Contains(err.Error(), says) {
			t.Errorf("%q does not say %q", err, says)
		}
	}
	if strings.Contains(err.Error(), "whole has") {
		t.Error(err)
	}
}

func FuzzReadGraph(f *testing.F) {
	f.Add(richModel())
	f.Add(identityModel())
	f.Add(modelOf(input("x", kFloat, 1), sub(5, tensor("x", kInt64, []int{2}, sub(7, varint(300), varint(5))))))
	f.Add([]byte("version https://git-lfs.example/spec/v1\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		g, err := readGraph(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			if !errors.Is(err, ErrNoModel) && !errors.Is(err, ErrCut) && !errors.Is(err, ErrPointer) && !errors.Is(err, ErrExternalData) {
				t.Error(err)
			}
			return
		}
		for _, e := range g.External {
			if !filepath.IsLocal(e.Location) || e.Bytes < 0 {
				t.Errorf("%+v", e)
			}
		}
		if g.WeightBytes < 0 || g.Opset < 0 {
			t.Errorf("%+v", g)
		}
		for _, info := range g.Optional {
			where := g.defaults[info.Name]
			if tensor, ok, err := decodeTensor(file[where.from:where.to], info.kind); err == nil && ok && tensor.Len() != len(tensor.Floats)+len(tensor.Ints) {
				t.Errorf("%s: %+v", info.Name, tensor)
			}
		}
	})
}
