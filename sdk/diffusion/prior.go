package diffusion

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/vision19/vision/sdk/diffusion/scheduler"
	"github.com/vision19/vision/sdk/diffusion/tokenizer"
	"github.com/vision19/vision/sdk/onnx"
)

// prior is what a pipeline keeps for the family whose UNet is told an image embedding (Kandinsky 2.2): a diffusion model of embeddings
// makes it of the prompt, as unCLIP's prior does (arXiv:2204.06125). The arithmetic is that of diffusers' KandinskyV22PriorPipeline.
type prior struct {
	sync.Mutex
	black []float32 // the embedding of a picture of zeros, made when it is first needed
}

// priorRow is one prediction of a prior's step.
type priorRow struct {
	inputs map[string]onnx.Tensor // of batch 1
	of     int                    // which of the embeddings on the way it is about
}

// tellByPrior makes the image embeddings of the prompts. random is the stream that the rest of the request draws from too.
func (p *Pipeline) tellByPrior(ctx context.Context, r Request, random normals) (told, error) {
	out := told{guidance: r.Guidance}
	wanted, unwanted, err := p.imagine(ctx, r, random)
	if err != nil {
		return out, err
	}
	embeddings := [][]float32{wanted}
	if p.guided(r) {
		if unwanted == nil {
			if unwanted, err = p.embedBlack(ctx); err != nil {
				return out, err
			}
		}
		embeddings = [][]float32{unwanted, wanted}
	}
	for _, e := range embeddings {
		out.predictions = append(out.predictions, map[string]onnx.Tensor{"image_embeds": onnx.NewFloats(e, 1, int64(len(e)))})
	}
	return out, nil
}

// imagine walks from noise to the embedding of a picture of the prompt and, if there is a negative prompt, of that.
func (p *Pipeline) imagine(ctx context.Context, r Request, random normals) (wanted, unwanted []float32, err error) {
	m := p.model.prior
	rows, err := p.priorRows(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	schedule, err := scheduler.New(m.scheduler, m.steps)
	if err != nil {
		return nil, nil, err
	}
	count := 1
	if r.Negative != "" {
		count = 2
	}
	x := make([]float32, count*m.width)
	random.Normal(x)
	var shift, scale []float32
	for k, t := range schedule.Timesteps() {
		var predictions [][]float32
		if predictions, shift, scale, err = p.runPrior(ctx, rows, x, t); err != nil {
			return nil, nil, err
		}
		if len(rows) > count { // the last row is the unconditional one
			for i, u := range predictions[count] {
				predictions[0][i] = u + float32(m.guidance)*(predictions[0][i]-u)
			}
		}
		output := slices.Concat(predictions[:count]...)
		p.round(output)
		schedule.Step(k, output, x, random.Normal)
		p.round(x)
	}
	for i := range x {
		x[i] = x[i]*scale[i%m.width] + shift[i%m.width]
	}
	p.round(x)
	if count == 2 {
		unwanted = x[m.width:]
	}
	return x[:m.width], unwanted, nil
}

// priorRows are the predictions of each step: of the prompt, of the negative prompt if there is one, and with guidance the unconditional
// one of the prompt's embedding. The negative prompt's embedding is guided too, but away from the negative prompt itself: that is without
// effect, and is left out.
func (p *Pipeline) priorRows(ctx context.Context, r Request) ([]priorRow, error) {
	texts, of := []string{r.Prompt}, []int{0}
	if r.Negative != "" {
		texts, of = append(texts, r.Negative), append(of, 1)
	}
	if p.model.prior.guidance > 1 {
		texts, of = append(texts, r.Negative), append(of, 0)
	}
	var rows []priorRow
	encoded := map[string]map[string]onnx.Tensor{}
	for i, text := range texts {
		if encoded[text] == nil {
			var err error
			if encoded[text], err = p.priorText(ctx, text); err != nil {
				return nil, err
			}
		}
		rows = append(rows, priorRow{maps.Clone(encoded[text]), of[i]})
	}
	return rows, nil
}

// priorText is what the prior is told of a text.
func (p *Pipeline) priorText(ctx context.Context, text string) (map[string]onnx.Tensor, error) {
	out, err := p.encodeText(ctx, "prior_text_encoder", priorTokenizer, text)
	if err != nil {
		return nil, err
	}
	t := p.model.tokenizers[priorTokenizer]
	ids, _ := t.Encode(text)
	inputs := map[string]onnx.Tensor{
		"proj_embedding": out["text_embeds"], "encoder_hidden_states": out["last_hidden_state"],
		"attention_mask": onnx.NewFloats(attended(ids, t), 1, int64(len(ids))),
	}
	for _, tensor := range inputs {
		p.round(tensor.Floats)
	}
	return inputs, nil
}

// attended is 1 for the tokens of a text, its start and its end, and 0 for the padding.
func attended(ids []int64, t *tokenizer.Tokenizer) []float32 {
	n := len(ids)
	for n > 1 && ids[n-1] == t.Pad() {
		n--
	}
	if t.Pad() == t.End() {
		n = min(n+1, len(ids)) // the first one is the text's end
	}
	mask := make([]float32, len(ids))
	for i := range n {
		mask[i] = 1
	}
	return mask
}

// runPrior gives the rows' predictions, and the mean and the deviation of the embeddings that the model was trained with: x holds the
// embeddings on the way, one after the other.
func (p *Pipeline) runPrior(ctx context.Context, rows []priorRow, x []float32, t float64) (predictions [][]float32, mean, deviation []float32, err error) {
	const graph = "prior_prior"
	width, batch := p.model.prior.width, len(rows)
	if info, ok := p.model.Graphs[graph].Input("hidden_states"); ok {
		if n, fixed := info.Fixed(0); fixed {
			batch = int(n)
		}
	}
	for i := 0; i < len(rows); i += batch {
		run := make([]map[string]onnx.Tensor, batch)
		for k := range run { // a run that is wider than what is wanted gets the last one again
			row := rows[min(i+k, len(rows)-1)]
			row.inputs["hidden_states"] = onnx.NewFloats(x[row.of*width:(row.of+1)*width], 1, int64(width))
			run[k] = row.inputs
		}
		inputs := stack(run)
		inputs["timestep"] = p.timestep(graph, t, batch)
		out, err := p.runShaped(ctx, graph, inputs, func(o onnx.Info) []int64 {
			if o.Name == priorOutput {
				return []int64{int64(batch), int64(width)}
			}
			return []int64{1, int64(width)}
		})
		if err != nil {
			return nil, nil, nil, err
		}
		all := out[priorOutput].Floats
		mean, deviation = out[priorMean].Floats, out[priorDeviation].Floats
		if len(all) != batch*width || len(mean) != width || len(deviation) != width {
			return nil, nil, nil, fmt.Errorf("%s answers %v, %v and %v for %d embeddings of %d numbers", p.model.path(graph),
				out[priorOutput].Shape, out[priorMean].Shape, out[priorDeviation].Shape, batch, width)
		}
		for k := range min(batch, len(rows)-i) {
			predictions = append(predictions, all[k*width:(k+1)*width])
		}
	}
	return predictions, mean, deviation, nil
}

// embedBlack is what stands for an absent negative prompt: the embedding of zeros, which after CLIP's preprocessing would be gray.
func (p *Pipeline) embedBlack(ctx context.Context) ([]float32, error) {
	const graph = "prior_image_encoder"
	p.prior.Lock()
	defer p.prior.Unlock()
	if p.prior.black != nil {
		return p.prior.black, nil
	}
	shape := []int64{1, 3, 224, 224} // px of CLIP's vision models, where the graph's axes are open
	if info, ok := p.model.Graphs[graph].Input("pixel_values"); ok {
		for i := range shape {
			if n, fixed := info.Fixed(i); fixed {
				shape[i] = n
			}
		}
	}
	zeros := onnx.Tensor{Shape: shape}
	zeros.Floats = make([]float32, zeros.Len())
	width := p.model.prior.width
	out, err := p.run(ctx, graph, map[string]onnx.Tensor{"pixel_values": zeros}, shape[0], int64(width))
	if err != nil {
		return nil, err
	}
	embeds := out["image_embeds"]
	if len(embeds.Floats) != int(shape[0])*width {
		return nil, fmt.Errorf("%s answers %v, not embeddings of %d numbers as the prior's", p.model.path(graph), embeds.Shape, width)
	}
	p.prior.black = embeds.Floats[:width]
	p.round(p.prior.black)
	return p.prior.black, nil
}
