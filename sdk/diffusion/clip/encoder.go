package clip

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"strings"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/diffusion/tokenizer"
	"github.com/vision19/vision/sdk/imaging"
	"github.com/vision19/vision/sdk/onnx"
)

// maxBatch is how many pictures or texts run at a time: enough to keep the cores busy, few enough to bound memory and to end soon after a
// cancellation.
const maxBatch = 16

// Encoder is a loaded CLIP model. Its methods may be called from any goroutine.
type Encoder struct {
	model     Model
	tokenizer *tokenizer.Tokenizer
	text      *onnx.Session
	vision    *onnx.Session // the text tower's where one graph holds both
}

// Load loads the model and embeds an empty text and a black picture, so that the first request is as fast as the others. Embedding costs
// memory for at most 16 pictures or texts at a time.
func Load(ctx context.Context, m Model, o onnx.Options, progress sdk.LoadProgress) (*Encoder, error) {
	e := &Encoder{model: m}
	var err error
	if e.tokenizer, err = tokenizer.Load(m.tokenizer); err != nil {
		return nil, err
	}
	progress(0, "loading the text tower")
	if e.text, err = onnx.Load(m.text, o); err != nil {
		return nil, err
	}
	if e.vision = e.text; m.vision != m.text {
		progress(0.4, "loading the picture tower")
		if e.vision, err = onnx.Load(m.vision, o); err != nil {
			return nil, errors.Join(err, e.Close())
		}
	}
	if ids, _ := e.text.Input("input_ids"); !fits(ids.Shape, []int64{-1, int64(e.tokenizer.Length())}) {
		return nil, errors.Join(fmt.Errorf("%s takes input_ids of %v, but the tokenizer gives %d a text: set model_max_length in tokenizer_config.json", m.text, ids.Shape, e.tokenizer.Length()), e.Close())
	}
	progress(0.8, "warming up")
	if _, err := e.Texts(ctx, []string{""}); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	if _, err := e.Images(ctx, []imaging.Pixels{{Width: 1, Height: 1, Channels: 3, Pix: make([]byte, 3)}}); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	progress(1, "ready")
	return e, nil
}

// Close frees the model.
func (e *Encoder) Close() error {
	var errs []error
	if e.text != nil {
		errs = append(errs, e.text.Close())
	}
	if e.vision != nil && e.vision != e.text {
		errs = append(errs, e.vision.Close())
	}
	return errors.Join(errs...)
}

// Images embeds pictures: a unit vector of the model's dimensions each, in their order. It ends soon after its context.
func (e *Encoder) Images(ctx context.Context, pictures []imaging.Pixels) ([][]float32, error) {
	return e.embed(ctx, e.vision, "pixel_values", "image_embeds", len(pictures), func(which []int) (map[string]onnx.Tensor, error) {
		var pixels []float32
		for _, i := range which {
			one, err := e.model.Preprocessor.Apply(pictures[i])
			if err != nil {
				return nil, sdk.InvalidInput("image", fmt.Sprintf("picture %d of %d: %v", i+1, len(pictures), err))
			}
			pixels = append(pixels, one...)
		}
		return e.pixels(pixels, len(which)), nil
	})
}

// Prepared embeds pictures that the model's Preprocessor has been applied to, as Images does. AtOnce of them at a time leave no place of the
// graph's batch empty.
func (e *Encoder) Prepared(ctx context.Context, pictures [][]float32) ([][]float32, error) {
	return e.embed(ctx, e.vision, "pixel_values", "image_embeds", len(pictures), func(which []int) (map[string]onnx.Tensor, error) {
		var pixels []float32
		for _, i := range which {
			pixels = append(pixels, pictures[i]...)
		}
		return e.pixels(pixels, len(which)), nil
	})
}

// AtOnce is how many pictures run at a time.
func (e *Encoder) AtOnce() int {
	if size, fixed := fixedBatch(e.vision, "pixel_values"); fixed {
		return size
	}
	return maxBatch
}

// Texts embeds texts: a unit vector of the model's dimensions each, in their order. It ends soon after its context.
func (e *Encoder) Texts(ctx context.Context, texts []string) ([][]float32, error) {
	return e.embed(ctx, e.text, "input_ids", "text_embeds", len(texts), func(which []int) (map[string]onnx.Tensor, error) {
		batch := make([]string, len(which))
		for k, i := range which {
			batch[k] = texts[i]
		}
		return e.ids(batch), nil
	})
}

// embed runs one tower on batches of its inputs, which are made when their turn comes.
func (e *Encoder) embed(ctx context.Context, s *onnx.Session, input, output string, count int, inputs func(which []int) (map[string]onnx.Tensor, error)) ([][]float32, error) {
	size, fixed := fixedBatch(s, input)
	if !fixed {
		size = maxBatch
	}
	vectors := make([][]float32, 0, count)
	for from := 0; from < count; from += size {
		var which []int
		for i := from; i < from+size && (fixed || i < count); i++ {
			which = append(which, min(i, count-1)) // a graph of a fixed batch is filled up with the last one
		}
		batch, err := inputs(which)
		if err != nil {
			return nil, err
		}
		out, err := e.run(ctx, s, batch)
		if err != nil {
			return nil, err
		}
		rows, err := units(out[output], len(which), e.model.Dimensions)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", output, err)
		}
		vectors = append(vectors, rows[:min(size, count-from)]...)
	}
	return vectors, nil
}

// run gives a graph of both towers something small for the side that is not asked for.
func (e *Encoder) run(ctx context.Context, s *onnx.Session, batch map[string]onnx.Tensor) (map[string]onnx.Tensor, error) {
	if e.text == e.vision {
		texts, _ := fixedBatch(s, "input_ids")
		other := e.ids(make([]string, max(texts, 1)))
		if _, ok := batch["input_ids"]; ok {
			w, h := e.model.Preprocessor.Size()
			pictures, _ := fixedBatch(s, "pixel_values")
			other = e.pixels(make([]float32, max(pictures, 1)*3*w*h), max(pictures, 1))
		}
		maps.Copy(batch, other)
	}
	return s.Run(ctx, batch, e.halves(s, batch))
}

// fixedBatch is the batch that a graph was exported for, if it takes no other.
func fixedBatch(s *onnx.Session, input string) (int, bool) {
	info, _ := s.Input(input)
	size, ok := info.Fixed(0)
	return int(size), ok
}

func (e *Encoder) pixels(data []float32, n int) map[string]onnx.Tensor {
	w, h := e.model.Preprocessor.Size()
	return map[string]onnx.Tensor{"pixel_values": onnx.NewFloats(data, int64(n), 3, int64(h), int64(w))}
}

// ids are the texts' tokens, and the mask of those up to the first end token: what comes after it cannot reach the embedding, which is the
// hidden state at that token under a causal mask.
func (e *Encoder) ids(texts []string) map[string]onnx.Tensor {
	var ids, mask []int64
	for _, text := range texts {
		encoded, _ := e.tokenizer.Encode(text)
		seen := int64(1)
		for _, id := range encoded {
			mask = append(mask, seen)
			if id == e.tokenizer.End() {
				seen = 0
			}
		}
		ids = append(ids, encoded...)
	}
	shape := []int64{int64(len(texts)), int64(e.tokenizer.Length())}
	return map[string]onnx.Tensor{"input_ids": onnx.NewInts(ids, shape...), "attention_mask": onnx.NewInts(mask, shape...)}
}

// halves are the shapes of float16 outputs, which the runtime must know before. Beside the embeddings and the similarities, exports give the
// towers' hidden states: their last dimension is fixed, the one before it is the tokens or the squares of the picture and their class token.
func (e *Encoder) halves(s *onnx.Session, inputs map[string]onnx.Tensor) map[string][]int64 {
	rows := func(name string) int64 {
		if t, ok := inputs[name]; ok {
			return t.Shape[0]
		}
		return 0
	}
	texts, pictures, d := rows("input_ids"), rows("pixel_values"), int64(e.model.Dimensions)
	shapes := map[string][]int64{
		"text_embeds": {texts, d}, "image_embeds": {pictures, d},
		"logits_per_image": {pictures, texts}, "logits_per_text": {texts, pictures},
	}
	w, h := e.model.Preprocessor.Size()
	for _, o := range s.Outputs() {
		if _, known := shapes[o.Name]; known || !o.Half() || len(o.Shape) == 0 {
			continue
		}
		shape := append([]int64(nil), o.Shape...)
		shape[0] = max(texts, pictures)
		if len(shape) == 3 && texts > 0 {
			shape[1] = int64(e.tokenizer.Length())
		} else if len(shape) == 3 {
			shape[1] = int64((w/e.model.patch)*(h/e.model.patch) + 1)
		}
		shapes[o.Name] = shape
	}
	return shapes
}

// Warnings tells what of the texts the model does not take in.
func (e *Encoder) Warnings(texts []string) []string {
	var out []string
	for i, text := range texts {
		which := "the text"
		if len(texts) > 1 {
			which = fmt.Sprintf("text %d", i+1)
		}
		if _, unknown := e.tokenizer.Encode(text); len(unknown) > 0 {
			out = append(out, fmt.Sprintf("%s: the model's vocabulary lacks: %s", which, strings.Join(unknown, ", ")))
		}
		if e.tokenizer.Truncated(text) {
			out = append(out, fmt.Sprintf("%s is longer than the model reads (%d tokens): its end is left out", which, e.tokenizer.Length()))
		}
	}
	return out
}

// units splits a tensor of n rows and brings each to length 1.
func units(t onnx.Tensor, n, dimensions int) ([][]float32, error) {
	if len(t.Floats) != n*dimensions {
		return nil, fmt.Errorf("the graph answers %v, not [%d %d]", t.Shape, n, dimensions)
	}
	rows := make([][]float32, n)
	for i := range rows {
		rows[i] = t.Floats[i*dimensions : (i+1)*dimensions]
		if err := unit(rows[i]); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// unit divides a vector by its Euclidean length, which is computed in float64.
func unit(v []float32) error {
	sum := 0.0
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	length := math.Sqrt(sum)
	if !(length > 0) || math.IsInf(length, 0) {
		return fmt.Errorf("the graph gave a vector of length %g, which has no direction", length)
	}
	for i, x := range v {
		v[i] = float32(float64(x) / length)
	}
	return nil
}
