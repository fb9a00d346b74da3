package clip

import (
	"encoding/binary"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// The smallest ONNX files that a test needs; the numbers of the fields are those of onnx.proto.

const (
	float32Type = 1
	int32Type   = 6
	int64Type   = 7
	boolType    = 9
	float16Type = 10
)

type message []byte

func (m message) number(field protowire.Number, v int64) message {
	return protowire.AppendVarint(protowire.AppendTag(m, field, protowire.VarintType), uint64(v))
}

func (m message) bytes(field protowire.Number, v []byte) message {
	return protowire.AppendBytes(protowire.AppendTag(m, field, protowire.BytesType), v)
}

func (m message) text(field protowire.Number, v string) message { return m.bytes(field, []byte(v)) }

// value declares an input or an output.
type value struct {
	name  string
	kind  int64
	shape []int64 // -1: any
}

func (v value) encode() message {
	var shape message
	for _, d := range v.shape {
		var dimension message
		if d >= 0 {
			dimension = dimension.number(1, d)
		} else {
			dimension = dimension.text(2, "any")
		}
		shape = shape.bytes(1, dimension)
	}
	tensor := message{}.number(1, v.kind).bytes(2, shape)
	return message{}.text(1, v.name).bytes(2, message{}.bytes(1, tensor))
}

// node is an operator. Its attributes are an int or a list of ints.
type node struct {
	op         string
	in, out    []string
	attributes map[string]any
}

func (n node) encode() message {
	var m message
	for _, name := range n.in {
		m = m.text(1, name)
	}
	for _, name := range n.out {
		m = m.text(2, name)
	}
	m = m.text(4, n.op)
	for name, v := range n.attributes {
		a := message{}.text(1, name)
		switch v := v.(type) {
		case int:
			a = a.number(3, int64(v)).number(20, 2)
		case []int64:
			for _, i := range v {
				a = a.number(8, i)
			}
			a = a.number(20, 7)
		}
		m = m.bytes(5, a)
	}
	return m
}

// model is a whole file. Its constants are the number 100 and the axes 1 and 2.
func model(nodes []node, inputs, outputs []value) []byte {
	var graph message
	for _, n := range nodes {
		graph = graph.bytes(1, n.encode())
	}
	graph = graph.text(2, "test")
	hundred := binary.LittleEndian.AppendUint32(nil, math.Float32bits(100))
	graph = graph.bytes(5, message{}.number(2, float32Type).text(8, "hundred").bytes(9, hundred))
	for name, axis := range map[string]uint64{"axis1": 1, "axis2": 2} {
		graph = graph.bytes(5, message{}.number(1, 1).number(2, int64Type).text(8, name).bytes(9, binary.LittleEndian.AppendUint64(nil, axis)))
	}
	for _, v := range inputs {
		graph = graph.bytes(11, v.encode())
	}
	for _, v := range outputs {
		graph = graph.bytes(12, v.encode())
	}
	return message{}.number(1, 8).bytes(7, graph).bytes(8, message{}.text(1, "").number(2, 17))
}

// form is how a CLIP model was exported.
type form struct {
	ids   int64 // the element type of input_ids and attention_mask
	float int64 // that of pixel_values and the outputs
	batch int64 // -1: open
	mask  bool  // the text tower takes an attention_mask
}

const (
	testLength = 12 // tokens a text, and numbers of a picture of 2 x 2 px
	testPatch  = 1  // px
)

// vision embeds a picture of 2 x 2 px as its numbers. As exports do, it also gives hidden states: of four squares and the class token.
func (f form) vision() (nodes []node, inputs, outputs []value) {
	nodes = []node{
		{op: "Flatten", in: []string{"pixel_values"}, out: []string{"image_embeds"}, attributes: map[string]any{"axis": 1}},
		{op: "Unsqueeze", in: []string{"image_embeds", "axis1"}, out: []string{"row"}},
		{op: "Concat", in: []string{"row", "row", "row", "row", "row"}, out: []string{"vision_hidden_state"}, attributes: map[string]any{"axis": 1}},
	}
	inputs = []value{{"pixel_values", f.float, []int64{f.batch, 3, 2, 2}}}
	return nodes, inputs, []value{{"image_embeds", f.float, []int64{f.batch, testLength}}, {"vision_hidden_state", f.float, []int64{f.batch, -1, testLength}}}
}

// text embeds a text as its token ids, as far as the mask goes.
func (f form) text() (nodes []node, inputs, outputs []value) {
	cast := map[string]any{"to": int(f.float)}
	shape := []int64{f.batch, -1}
	inputs = []value{{"input_ids", f.ids, shape}}
	seen := "input_ids"
	if f.mask {
		inputs, seen = append(inputs, value{"attention_mask", f.ids, shape}), "seen"
		nodes = []node{{op: "Mul", in: []string{"input_ids", "attention_mask"}, out: []string{seen}}}
	}
	nodes = append(nodes,
		node{op: "Cast", in: []string{seen}, out: []string{"text_embeds"}, attributes: cast},
		node{op: "Unsqueeze", in: []string{"text_embeds", "axis2"}, out: []string{"text_hidden_state"}})
	return nodes, inputs, []value{{"text_embeds", f.float, []int64{f.batch, testLength}}, {"text_hidden_state", f.float, []int64{f.batch, -1, 1}}}
}

// both is a graph of both towers, which gives their similarities instead of hidden states.
func (f form) both() (nodes []node, inputs, outputs []value) {
	n1, i1, o1 := f.text()
	n2, i2, o2 := f.vision()
	nodes = append(append(n1, n2...),
		node{op: "Transpose", in: []string{"image_embeds"}, out: []string{"turned"}},
		node{op: "MatMul", in: []string{"text_embeds", "turned"}, out: []string{"logits_per_text"}})
	return nodes, append(i1, i2...), []value{{"logits_per_text", f.float, []int64{-1, -1}}, o1[0], o2[0]}
}

// safetyGraph flags a picture of 2 x 2 px that has a number above 100, and embeds it as its numbers. flag is the type of its verdict; side is
// that of the pictures that it blackens, -1 for any.
func safetyGraph(flag, side int64, embeds bool) []byte {
	nodes := []node{
		{op: "Identity", in: []string{"images"}, out: []string{"out_images"}},
		{op: "ReduceMax", in: []string{"clip_input"}, out: []string{"most"}, attributes: map[string]any{"axes": []int64{1, 2, 3}, "keepdims": 0}},
		{op: "Greater", in: []string{"most", "hundred"}, out: []string{"above"}},
		{op: "Cast", in: []string{"above"}, out: []string{"has_nsfw_concepts"}, attributes: map[string]any{"to": int(flag)}},
	}
	inputs := []value{{"clip_input", float32Type, []int64{-1, 3, 2, 2}}, {"images", float32Type, []int64{-1, side, side, 3}}}
	outputs := []value{{"out_images", float32Type, []int64{-1, side, side, 3}}, {"has_nsfw_concepts", flag, []int64{-1}}}
	if embeds {
		nodes = append(nodes, node{op: "Flatten", in: []string{"clip_input"}, out: []string{"image_embeds"}, attributes: map[string]any{"axis": 1}})
		outputs = append(outputs, value{"image_embeds", float32Type, []int64{-1, testLength}})
	}
	return model(nodes, inputs, outputs)
}
