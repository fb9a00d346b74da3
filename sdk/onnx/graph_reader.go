package onnx

import (
	"io"
	"math"

	ort "github.com/yalue/onnxruntime_go"
)

// Bounds of a graph.
const (
	maxValues       = 4096    // inputs, and outputs
	maxInitializers = 1 << 18 // the largest known exports have some ten thousand
	maxExternal     = 4096    // files
	maxAxes         = 64
	maxTensor       = 1 << 48 // bytes
)

// Keys of the fields that are read (number<<3 | wire type), from onnx.proto.
const (
	modelIR, modelProducer, modelGraph, modelOpset, modelFunction = 1 << 3, 2<<3 | 2, 7<<3 | 2, 8<<3 | 2, 25<<3 | 2

	opsetDomain, opsetVersion = 1<<3 | 2, 2 << 3

	graphNode, graphInitializer, graphInput, graphOutput, graphSparse = 1<<3 | 2, 5<<3 | 2, 11<<3 | 2, 12<<3 | 2, 15<<3 | 2

	functionNode, nodeAttribute = 7<<3 | 2, 5<<3 | 2

	attributeTensor, attributeGraph, attributeTensors, attributeGraphs = 5<<3 | 2, 6<<3 | 2, 10<<3 | 2, 11<<3 | 2
	attributeSparse, attributeSparses                                  = 22<<3 | 2, 23<<3 | 2

	tensorDim, tensorDims, tensorKind, tensorName, tensorRaw = 1 << 3, 1<<3 | 2, 2 << 3, 8<<3 | 2, 9<<3 | 2
	tensorExternal, tensorLocation                           = 13<<3 | 2, 14 << 3
	tensorFloats, tensorInt32s, tensorInt64s                 = 4<<3 | 2, 5<<3 | 2, 7<<3 | 2

	sparseValues, sparseIndices = 1<<3 | 2, 2<<3 | 2
	entryKey, entryValue        = 1<<3 | 2, 2<<3 | 2

	valueName, valueType, typeTensor, elementKind, tensorShape = 1<<3 | 2, 2<<3 | 2, 1<<3 | 2, 1 << 3, 2<<3 | 2
	shapeDim, dimValue, dimName                                = 1<<3 | 2, 1 << 3, 2<<3 | 2
)

// knownModelField reports whether a model's outermost message has such a field; random bytes seldom begin with one.
func knownModelField(key uint64) bool {
	switch key >> 3 {
	case 1, 5:
		return key&7 == 0
	case 2, 3, 4, 6, 7, 8, 14, 20, 25, 26:
		return key&7 == 2
	}
	return false
}

type graphReader struct {
	scanner
	graph        Graph
	ir           int64
	hasGraph     bool
	hasOpset     bool
	inputs       []Info
	initializers map[string]span
	external     map[string]int // index in graph.External
	weights      map[ort.TensorElementDataType]int64
}

func newGraphReader(file io.ReaderAt, size int64) *graphReader {
	return &graphReader{
		scanner:      scanner{file: file, size: size, window: make([]byte, 0, 16<<10)},
		initializers: map[string]span{}, external: map[string]int{}, weights: map[ort.TensorElementDataType]int64{},
	}
}

func (r *graphReader) model() error {
	return r.each(span{0, r.size}, func(f field) (err error) {
		switch f.key {
		case modelIR:
			r.ir = int64(f.value)
		case modelProducer:
			r.graph.Producer, err = r.name(f)
		case modelGraph:
			r.hasGraph = true
			err = r.readGraph(f.span, 0)
		case modelOpset:
			r.hasOpset = true
			err = r.opset(f.span)
		case modelFunction:
			err = r.each(f.span, func(f field) error {
				if f.key == functionNode {
					return r.node(f.span, 0)
				}
				return nil
			})
		}
		return err
	})
}

func (r *graphReader) opset(m span) error {
	domain, version := "", uint64(0)
	err := r.each(m, func(f field) (err error) {
		switch f.key {
		case opsetDomain:
			domain, err = r.name(f)
		case opsetVersion:
			version = f.value
		}
		return err
	})
	if domain == "" || domain == "ai.onnx" {
		if version > math.MaxInt32 {
			return damaged(m.from, "the operator set's version is %d", version)
		}
		r.graph.Opset = int(version)
	}
	return err
}

// readGraph reads a graph, of which only the outermost one, of depth 0, has inputs, outputs and names that matter.
func (r *graphReader) readGraph(m span, depth int) error {
	if depth > maxDepth {
		return damaged(m.from, "more than %d graphs within one another", maxDepth)
	}
	return r.each(m, func(f field) (err error) {
		switch f.key {
		case graphNode:
			return r.node(f.span, depth)
		case graphInitializer:
			name, err := r.tensor(f.span)
			if err == nil && depth == 0 {
				err = r.initializer(name, f.span)
			}
			return err
		case graphSparse:
			return r.sparse(f.span)
		case graphInput:
			if depth == 0 {
				r.inputs, err = r.value(r.inputs, f.span)
			}
		case graphOutput:
			if depth == 0 {
				r.graph.Outputs, err = r.value(r.graph.Outputs, f.span)
			}
		}
		return err
	})
}

func (r *graphReader) initializer(name string, where span) error {
	if len(r.graph.Initializers) == maxInitializers {
		return damaged(where.from, "more than %d initializers", maxInitializers)
	}
	r.graph.Initializers = append(r.graph.Initializers, name)
	r.initializers[name] = where
	return nil
}

// node finds the tensors and graphs in a node's attributes.
func (r *graphReader) node(m span, depth int) error {
	return r.each(m, func(f field) error {
		if f.key != nodeAttribute {
			return nil
		}
		return r.each(f.span, func(f field) (err error) {
			switch f.key {
			case attributeTensor, attributeTensors:
				_, err = r.tensor(f.span)
			case attributeGraph, attributeGraphs:
				err = r.readGraph(f.span, depth+1)
			case attributeSparse, attributeSparses:
				err = r.sparse(f.span)
			}
			return err
		})
	})
}

func (r *graphReader) sparse(m span) error {
	return r.each(m, func(f field) (err error) {
		if f.key == sparseValues || f.key == sparseIndices {
			_, err = r.tensor(f.span)
		}
		return err
	})
}

// value appends an input or output.
func (r *graphReader) value(to []Info, m span) ([]Info, error) {
	if len(to) == maxValues {
		return nil, damaged(m.from, "more than %d inputs or outputs", maxValues)
	}
	var info Info
	err := r.each(m, func(f field) (err error) {
		switch f.key {
		case valueName:
			info.Name, err = r.name(f)
		case valueType:
			err = r.each(f.span, func(f field) error {
				if f.key == typeTensor {
					return r.tensorType(&info, f.span)
				}
				return nil
			})
		}
		return err
	})
	return append(to, info), err
}

func (r *graphReader) tensorType(info *Info, m span) error {
	return r.each(m, func(f field) error {
		switch f.key {
		case elementKind:
			info.kind = kindOf(f.value)
		case tensorShape:
			info.Shape = []int64{}
			return r.each(f.span, func(f field) error {
				if f.key == shapeDim {
					return r.axis(info, f.span)
				}
				return nil
			})
		}
		return nil
	})
}

func (r *graphReader) axis(info *Info, m span) error {
	if len(info.Shape) == maxAxes {
		return damaged(m.from, "%q has more than %d axes", info.Name, maxAxes)
	}
	size, name := int64(-1), ""
	err := r.each(m, func(f field) (err error) {
		switch f.key {
		case dimValue:
			size = max(-1, int64(f.value))
		case dimName:
			name, err = r.name(f)
		}
		return err
	})
	info.Shape, info.Axes = append(info.Shape, size), append(info.Axes, name)
	return err
}
