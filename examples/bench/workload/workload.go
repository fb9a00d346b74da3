// Package workload is what the bench runs, once inside a plugin and once in its own process: a chain of matrix products that ends as a
// 512 x 512 picture.
package workload

import (
	"context"
	"encoding/binary"
	"math"
	"os"

	"github.com/vision19/vision/sdk/onnx"
)

// Side is the picture's side in px, and the matrices'.
const Side = 512

// Write writes a model y = x W W ... W of so many products, W a rotation of the unit vectors, as ONNX bytes (onnx.proto3, opset 17).
func Write(path string, products int) error {
	weights := make([]byte, 0, Side*Side*4)
	for row := range Side {
		for column := range Side {
			w := float32(0)
			if column == (row+1)%Side {
				w = 1
			}
			weights = binary.LittleEndian.AppendUint32(weights, math.Float32bits(w))
		}
	}
	var graph []byte
	name := func(i int) string {
		return "x" + string(rune('0'+i/100)) + string(rune('0'+i/10%10)) + string(rune('0'+i%10))
	}
	for i := range products {
		graph = bytesField(graph, 1, node("MatMul", name(i+1), name(i), "w"))
	}
	graph = bytesField(graph, 2, []byte("bench"))
	tensor := varintField(varintField(varintField(nil, 1, Side), 1, Side), 2, 1) // dims, data_type FLOAT
	tensor = bytesField(bytesField(tensor, 8, []byte("w")), 9, weights)
	graph = bytesField(graph, 5, tensor)
	graph = bytesField(graph, 11, value(name(0), Side, Side))
	graph = bytesField(graph, 12, value(name(products), Side, Side))
	return writeModel(path, graph)
}

// WriteIdentity writes a model y = x for 16 floats: next to no work.
func WriteIdentity(path string) error {
	graph := bytesField(nil, 1, node("Identity", "y", "x"))
	graph = bytesField(graph, 2, []byte("identity"))
	graph = bytesField(bytesField(graph, 11, value("x", 16)), 12, value("y", 16))
	return writeModel(path, graph)
}

func writeModel(path string, graph []byte) error {
	model := bytesField(varintField(nil, 1, 8), 7, graph)
	model = bytesField(model, 8, varintField(nil, 2, 17))
	return os.WriteFile(path, model, 0o644)
}

func varintField(to []byte, field, v uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(to, field<<3), v)
}

func bytesField(to []byte, field uint64, data []byte) []byte {
	to = binary.AppendUvarint(to, field<<3|2)
	return append(binary.AppendUvarint(to, uint64(len(data))), data...)
}

func node(kind, out string, in ...string) []byte {
	var n []byte
	for _, name := range in {
		n = bytesField(n, 1, []byte(name))
	}
	return bytesField(bytesField(n, 2, []byte(out)), 4, []byte(kind))
}

func value(name string, sides ...uint64) []byte {
	var shape []byte
	for _, side := range sides {
		shape = bytesField(shape, 1, varintField(nil, 1, side))
	}
	tensor := bytesField(varintField(nil, 1, 1), 2, shape)
	return bytesField(bytesField(nil, 1, []byte(name)), 2, bytesField(nil, 1, tensor))
}

// Runner is a loaded model with its input, which stays where the model is.
type Runner struct {
	session *onnx.Session
	input   onnx.Tensor
}

// Load loads a model that Write has written, for one thread.
func Load(path string) (*Runner, error) {
	s, err := onnx.Load(path, onnx.Options{Threads: 1})
	if err != nil {
		return nil, err
	}
	data := make([]float32, Side*Side)
	for i := range data {
		data[i] = float32(i%256) / 255
	}
	return &Runner{session: s, input: onnx.NewFloats(data, Side, Side)}, nil
}

// Run runs the model once and returns the picture as raw RGB.
func (r *Runner) Run(ctx context.Context) ([]byte, error) {
	out, err := r.session.Run(ctx, map[string]onnx.Tensor{r.session.Inputs()[0].Name: r.input}, nil)
	if err != nil {
		return nil, err
	}
	floats := out[r.session.Outputs()[0].Name].Floats
	pixels := make([]byte, 0, 3*len(floats))
	for _, f := range floats {
		v := byte(min(max(f, 0), 1)*255 + 0.5)
		pixels = append(pixels, v, v, v)
	}
	return pixels, nil
}
