package diffusion

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/vision19/vision/sdk/onnx"
)

// told is what the UNet is told beside the latents: one map of inputs, of batch 1, for each prediction, the unconditional one first.
type told struct {
	predictions []map[string]onnx.Tensor
	guidance    float64 // between the predictions, when there are two
}

// guided reports whether the unconditional prediction is needed. A distilled UNet is told the guidance instead.
func (p *Pipeline) guided(r Request) bool { return r.Guidance > 1 && p.model.GuidanceEmbed == 0 }

// warnings tells what of a prompt the model does not take in.
func (p *Pipeline) warnings(r Request) []string {
	var out []string
	t := p.model.tokenizers[p.model.promptTokenizer()]
	texts := []string{r.Prompt}
	if p.guided(r) {
		texts = append(texts, r.Negative)
	}
	for i, text := range texts {
		if _, unknown := t.Encode(text); len(unknown) > 0 {
			out = append(out, "the model's vocabulary lacks: "+listed(unknown))
		}
		if t.Truncated(text) {
			out = append(out, fmt.Sprintf("the %s is longer than the model reads (%d tokens): its end is left out", []string{"prompt", "negative prompt"}[i], t.Length()))
		}
	}
	return out
}

// listed joins words for a person: the first few, and the beginning of long ones.
func listed(words []string) string {
	const most, longest = 10, 40
	var out []string
	for _, w := range words[:min(len(words), most)] {
		if letters := []rune(w); len(letters) > longest {
			w = string(letters[:longest]) + "..."
		}
		out = append(out, w)
	}
	if len(words) > most {
		out = append(out, fmt.Sprintf("%d more", len(words)-most))
	}
	return strings.Join(out, ", ")
}

func (m Model) promptTokenizer() string {
	if m.family.prior {
		return priorTokenizer
	}
	return m.family.prompt[0].tokenizer
}

// tell encodes the prompts.
func (p *Pipeline) tell(ctx context.Context, r Request, c canvas, random normals) (told, error) {
	if p.prior != nil {
		return p.tellByPrior(ctx, r, random)
	}
	out := told{guidance: r.Guidance}
	texts := []string{r.Prompt}
	if p.guided(r) {
		texts = []string{r.Negative, r.Prompt}
	}
	for i, text := range texts {
		inputs, err := p.embed(ctx, text)
		if err != nil {
			return out, err
		}
		if unconditional := i+1 < len(texts); unconditional && text == "" && p.model.ZeroNegative {
			for _, t := range inputs {
				clear(t.Floats)
			}
		}
		if len(p.model.family.prompt) > 1 {
			// SDXL's micro-conditioning (arXiv:2307.01952, 2.2): original size, crop, target size; each height first.
			h, w := float32(c.height), float32(c.width)
			inputs["time_ids"] = onnx.NewFloats([]float32{h, w, 0, 0, h, w}, 1, 6)
		}
		if n := p.model.GuidanceEmbed; n > 0 {
			inputs["timestep_cond"] = onnx.NewFloats(guidanceEmbedding(r.Guidance-1, n), 1, int64(n))
		}
		out.predictions = append(out.predictions, inputs)
	}
	return out, nil
}

// embed runs every text encoder on a text: encoder_hidden_states [1, L, D], the encoders' side by side, and where the family has it
// text_embeds [1, P].
func (p *Pipeline) embed(ctx context.Context, text string) (map[string]onnx.Tensor, error) {
	inputs := map[string]onnx.Tensor{}
	var hidden []onnx.Tensor
	for _, e := range p.model.family.prompt {
		name := "last_hidden_state"
		if e.penultimate {
			name, _ = penultimate(p.model.Graphs[e.folder]) // checked by Inspect
		}
		out, err := p.encodeText(ctx, e.folder, e.tokenizer, text)
		if err != nil {
			return nil, err
		}
		hidden = append(hidden, out[name])
		if e.pooled {
			inputs["text_embeds"] = out["text_embeds"]
		}
	}
	joined, err := joinLast(hidden)
	if err != nil {
		return nil, err
	}
	inputs["encoder_hidden_states"] = joined
	for _, t := range inputs {
		p.round(t.Floats)
	}
	return inputs, nil
}

// encodeText runs one text encoder.
func (p *Pipeline) encodeText(ctx context.Context, graph, folder, text string) (map[string]onnx.Tensor, error) {
	t := p.model.tokenizers[folder]
	ids, _ := t.Encode(text)
	batch := int64(1)
	if info, ok := p.model.Graphs[graph].Input("input_ids"); ok {
		if n, fixed := info.Fixed(0); fixed {
			batch = n
		}
	}
	all := slices.Repeat(ids, int(batch))
	shape := []int64{batch, int64(t.Length())}
	inputs := map[string]onnx.Tensor{"input_ids": onnx.NewInts(all, shape...)}
	if _, ok := p.model.Graphs[graph].Input("attention_mask"); ok {
		inputs["attention_mask"] = onnx.NewInts(slices.Repeat([]int64{1}, len(all)), shape...)
	}
	out, err := p.run(ctx, graph, inputs, shape...)
	for name, tensor := range out {
		out[name] = first(tensor, int(batch))
	}
	return out, err
}

// first is the first of a batch.
func first(t onnx.Tensor, batch int) onnx.Tensor {
	if batch < 2 || len(t.Shape) == 0 {
		return t
	}
	shape := append([]int64{1}, t.Shape[1:]...)
	return onnx.NewFloats(t.Floats[:len(t.Floats)/batch], shape...)
}

// joinLast puts tensors of one shape but for the last axis side by side.
func joinLast(in []onnx.Tensor) (onnx.Tensor, error) {
	if len(in) == 1 {
		return in[0], nil
	}
	rows, width := 0, 0
	for _, t := range in {
		if len(t.Shape) != 3 || t.Shape[1] != in[0].Shape[1] {
			return onnx.Tensor{}, fmt.Errorf("the text encoders give the shapes %v and %v: all but the last axis must be equal", in[0].Shape, t.Shape)
		}
		rows = int(t.Shape[0] * t.Shape[1])
		width += int(t.Shape[2])
	}
	data := make([]float32, 0, rows*width)
	for row := range rows {
		for _, t := range in {
			n := int(t.Shape[2])
			data = append(data, t.Floats[row*n:(row+1)*n]...)
		}
	}
	return onnx.NewFloats(data, in[0].Shape[0], in[0].Shape[1], int64(width)), nil
}

// guidanceEmbedding is the sinusoidal embedding of w*1000, sines first (get_guidance_scale_embedding of diffusers' latent consistency
// pipeline; the form of arXiv:1706.03762).
func guidanceEmbedding(w float64, n int) []float32 {
	out := make([]float32, n)
	half := n / 2
	for i := range half {
		angle := float64(float32(w*1000) * float32(math.Exp(-math.Log(10000)*float64(i)/float64(half-1))))
		out[i], out[half+i] = float32(math.Sin(angle)), float32(math.Cos(angle))
	}
	return out
}
