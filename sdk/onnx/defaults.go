package onnx

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"

	ort "github.com/yalue/onnxruntime_go"
	"google.golang.org/protobuf/encoding/protowire"
)

// maxDefault bounds an optional input's default value, which is fed in every run that does not give one. Larger ones stay in the graph.
const maxDefault = 1 << 20

// readDefaults reads the values that optional inputs have in the model file, but for those that are too large, in another file
// or of another element type.
//
// The binding names its inputs once for all runs and feeds all of them, so a run that leaves one out is given what the file says.
func readDefaults(path string, g Graph) (map[string]Tensor, error) {
	out := map[string]Tensor{}
	if len(g.Optional) == 0 {
		return out, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for _, info := range g.Optional {
		where := g.defaults[info.Name]
		if where.to-where.from > maxDefault {
			continue
		}
		message := make([]byte, where.to-where.from)
		if _, err := f.ReadAt(message, where.from); err != nil {
			return nil, fmt.Errorf("the value of the input %s: %w", info.Name, err)
		}
		t, ok, err := decodeTensor(message, info.kind)
		if err != nil {
			return nil, fmt.Errorf("the value of the input %s: %w", info.Name, err)
		}
		if ok {
			out[info.Name] = t
		}
	}
	return out, nil
}

// decodeTensor decodes a TensorProto for an input of this type, unless its data is elsewhere or no Tensor can feed it.
func decodeTensor(message []byte, kind ort.TensorElementDataType) (t Tensor, ok bool, err error) {
	r := newGraphReader(bytes.NewReader(message), int64(len(message)))
	var head tensorHead
	var packed, varints []byte
	err = r.each(span{0, r.size}, func(f field) error {
		switch f.key {
		case tensorRaw, tensorFloats:
			packed = message[f.from:f.to]
		case tensorInt32s, tensorInt64s:
			varints = message[f.from:f.to]
		}
		return r.tensorField(&head, f)
	})
	scalarHalf := kind == ort.TensorElementDataTypeFloat16 && len(head.dims) == 0 // see newHalf
	if err != nil || head.outside || head.kind != kind || scalarHalf {
		return Tensor{}, false, err
	}
	switch kind { // those that a Tensor holds without loss, and that inputs take
	case ort.TensorElementDataTypeFloat, ort.TensorElementDataTypeFloat16, ort.TensorElementDataTypeInt64, ort.TensorElementDataTypeInt32,
		ort.TensorElementDataTypeUint8, ort.TensorElementDataTypeBool:
	default:
		return Tensor{}, false, nil
	}
	if _, err := head.bytes(0); err != nil { // bounds Len
		return Tensor{}, false, err
	}
	width := int(elementOf(kind).bits / 8)
	for ; len(packed) >= width; packed = packed[width:] {
		t.appendElement(kind, packed)
	}
	for len(varints) > 0 {
		v, n := protowire.ConsumeVarint(varints)
		if n < 0 {
			return Tensor{}, false, fmt.Errorf("%w: a number is damaged", ErrNoModel)
		}
		t.appendElement(kind, binary.LittleEndian.AppendUint64(nil, v))
		varints = varints[n:]
	}
	t.Shape = head.dims
	if n := t.Len(); n != len(t.Floats)+len(t.Ints) {
		return Tensor{}, false, fmt.Errorf("%w: %d elements for the shape %v", ErrNoModel, len(t.Floats)+len(t.Ints), t.Shape)
	}
	return t, true, nil
}

// appendElement appends the element that the bytes begin with, the lowest first.
func (t *Tensor) appendElement(kind ort.TensorElementDataType, data []byte) {
	switch kind {
	case ort.TensorElementDataTypeFloat:
		t.Floats = append(t.Floats, math.Float32frombits(binary.LittleEndian.Uint32(data)))
	case ort.TensorElementDataTypeFloat16:
		t.Floats = append(t.Floats, halfToFloat(binary.LittleEndian.Uint16(data)))
	case ort.TensorElementDataTypeInt64:
		t.Ints = append(t.Ints, int64(binary.LittleEndian.Uint64(data)))
	case ort.TensorElementDataTypeInt32:
		t.Ints = append(t.Ints, int64(int32(binary.LittleEndian.Uint32(data))))
	default: // uint8 and bool
		t.Ints = append(t.Ints, int64(data[0]))
	}
}
