package onnx

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	ort "github.com/yalue/onnxruntime_go"
)

// Graph is the structure of a model file, without its weights.
type Graph struct {
	Inputs       []Info // what a run must be given
	Optional     []Info // inputs with a default value in the file, which a run may be given (IR version 4 and newer)
	Outputs      []Info
	Opset        int    // version of ONNX's own operators; 0: the graph uses none of them
	Producer     string // the program that wrote the file, such as "pytorch"
	Initializers []string
	External     []ExternalFile // of the graph and of the graphs within it
	WeightBytes  int64          // in this file and in external ones, those of constants and of graphs within the graph included
	WeightType   string         // the float type that most bytes of the weights have, such as "float16"; "" if none has

	defaults map[string]span // where the file has the value of an optional input
}

// ExternalFile is a file that holds weights of a model.
type ExternalFile struct {
	Location string // relative to the model's folder, with slashes
	Bytes    int64  // what the file must have at least
}

// ReadGraph reads a model file's structure. It needs no ONNX Runtime and little memory, whatever the weights' size, which are skipped.
// Its errors are ErrNoModel, ErrCut, ErrPointer, ErrExternalData where a location is not in the model's folder, and those of os.Open.
// Whether external files are there, Check tells. What the numbers of the fields mean: onnx.proto of ONNX 1.19.
func ReadGraph(path string) (Graph, error) {
	f, err := os.Open(path)
	if err != nil {
		return Graph{}, fmt.Errorf("read a model: %w", err)
	}
	defer f.Close()
	stat, err := f.Stat()
	if err != nil {
		return Graph{}, fmt.Errorf("read a model: %w", err)
	}
	if !stat.Mode().IsRegular() {
		return Graph{}, fmt.Errorf("%s: %w: it is no regular file", path, ErrNoModel)
	}
	g, err := readGraph(f, stat.Size())
	if err != nil {
		return Graph{}, fmt.Errorf("%s: %w", path, err)
	}
	return g, nil
}

// pointer is how every git-lfs pointer begins.
var pointer = []byte("version https://git-lfs.")

func isPointer(file io.ReaderAt) bool {
	head := make([]byte, len(pointer))
	_, err := file.ReadAt(head, 0)
	return err == nil && bytes.Equal(head, pointer)
}

func readGraph(file io.ReaderAt, size int64) (Graph, error) {
	if size == 0 {
		return Graph{}, fmt.Errorf("%w: the file is empty", ErrCut)
	}
	if isPointer(file) {
		return Graph{}, ErrPointer
	}
	r := newGraphReader(file, size)
	err := r.model()
	var beyond overrun
	switch {
	case errors.As(err, &beyond) && beyond.have == size && knownModelField(beyond.key):
		return Graph{}, fmt.Errorf("%w: it has %d bytes and needs %d or more", ErrCut, size, beyond.need)
	case errors.As(err, &beyond):
		return Graph{}, fmt.Errorf("%w: %w", ErrNoModel, err)
	case err != nil:
		return Graph{}, err
	}
	return r.finish()
}

// Check tells everything that is wrong with the external files of a model in this folder: each is ErrExternalData.
func (g Graph) Check(dir string) error {
	var errs []error
	for _, e := range g.External {
		if err := e.check(filepath.Join(dir, filepath.FromSlash(e.Location))); err != nil {
			errs = append(errs, fmt.Errorf("%w: %w", ErrExternalData, err))
		}
	}
	return errors.Join(errs...)
}

func (e ExternalFile) check(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("%w; the model has %d bytes of weights there", err, e.Bytes)
	}
	defer f.Close()
	stat, err := f.Stat()
	switch {
	case err != nil:
		return err
	case !stat.Mode().IsRegular():
		return fmt.Errorf("%s is no regular file", path)
	case stat.Size() >= e.Bytes:
		return nil
	case isPointer(f):
		return fmt.Errorf("%s is %w", path, ErrPointer)
	}
	return fmt.Errorf("%s has %d bytes and needs %d: is it a whole download, and of the same export as the model?", path, stat.Size(), e.Bytes)
}

// Input finds a required input by name.
func (g Graph) Input(name string) (Info, bool) { return find(g.Inputs, name) }

// Output finds an output by name.
func (g Graph) Output(name string) (Info, bool) { return find(g.Outputs, name) }

// finish sorts the inputs into required and optional ones.
func (r *graphReader) finish() (Graph, error) {
	switch {
	case !r.hasGraph:
		return Graph{}, fmt.Errorf("%w: it has no graph", ErrNoModel)
	case !r.hasOpset:
		return Graph{}, fmt.Errorf("%w: it names no operator set, which follows the graph", ErrCut)
	}
	g := r.graph
	g.defaults = map[string]span{}
	for _, input := range r.inputs {
		where, initialized := r.initializers[input.Name]
		switch {
		case !initialized:
			g.Inputs = append(g.Inputs, input)
		case r.ir >= 4: // before, every initializer had to be an input, and none was meant to be given
			g.Optional = append(g.Optional, input)
			g.defaults[input.Name] = where
		}
	}
	var most int64
	for kind, n := range r.weights {
		g.WeightBytes += n
		switch kind {
		case ort.TensorElementDataTypeFloat, ort.TensorElementDataTypeFloat16, ort.TensorElementDataTypeBFloat16, ort.TensorElementDataTypeDouble:
			if n > most {
				most, g.WeightType = n, elements[kind].name
			}
		}
	}
	return g, nil
}
