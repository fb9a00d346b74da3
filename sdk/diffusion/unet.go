package diffusion

import (
	"context"
	"fmt"
	"slices"

	"github.com/vision19/vision/sdk/onnx"
)

// denoiser asks the UNet of one request, in as few runs as its batch axis allows.
type denoiser struct {
	p             *Pipeline
	guidance      float64
	width, height int                      // of the latents
	batches       []map[string]onnx.Tensor // what each run is told
	batch         int                      // predictions of a run
	count         int                      // predictions that are wanted: 1, or 2 with guidance
	beside        []float32                // channels beside the latents, the same in every step
	control       *control                 // nil is without
}

func (p *Pipeline) newDenoiser(t told, c canvas) *denoiser {
	d := &denoiser{p: p, guidance: t.guidance, width: c.latentW(), height: c.latentH(), count: len(t.predictions), batch: len(t.predictions)}
	if sample, ok := p.model.Graphs["unet"].Input("sample"); ok {
		if n, fixed := sample.Fixed(0); fixed {
			d.batch = int(n)
		}
	}
	for i := 0; i < d.count; i += d.batch {
		// A run that is wider than what is wanted gets the last one again.
		run := make([]map[string]onnx.Tensor, d.batch)
		for k := range run {
			run[k] = t.predictions[min(i+k, d.count-1)]
		}
		d.batches = append(d.batches, stack(run))
	}
	return d
}

// stack makes one batch of inputs of batch 1.
func stack(in []map[string]onnx.Tensor) map[string]onnx.Tensor {
	out := map[string]onnx.Tensor{}
	for name, t := range in[0] {
		var data []float32
		for _, one := range in {
			data = append(data, one[name].Floats...)
		}
		out[name] = onnx.NewFloats(data, append([]int64{int64(len(in))}, t.Shape[1:]...)...)
	}
	return out
}

// predict gives the UNet's output for the scaled latents, guided: as long as the latents, or longer by a learned variance.
func (d *denoiser) predict(ctx context.Context, latents []float32, t float64) ([]float32, error) {
	m := d.p.model
	one := append(slices.Clip(latents), d.beside...)
	sample := slices.Repeat(one, d.batch)
	shape := []int64{int64(d.batch), int64(m.Channels), int64(d.height), int64(d.width)}
	var predictions [][]float32
	for _, run := range d.batches {
		inputs := map[string]onnx.Tensor{"sample": onnx.NewFloats(sample, shape...), "timestep": d.p.timestep("unet", t, d.batch)}
		for name, tensor := range run {
			inputs[name] = tensor
		}
		if err := d.addResiduals(ctx, inputs, latents, t); err != nil {
			return nil, err
		}
		out, err := d.p.run(ctx, "unet", inputs, int64(d.batch), int64(m.LatentChannels), shape[2], shape[3])
		if err != nil {
			return nil, err
		}
		all := out["out_sample"].Floats
		each := len(all) / d.batch
		if each < len(latents) {
			return nil, fmt.Errorf("%s answers %v for the sample %v", m.path("unet"), out["out_sample"].Shape, shape)
		}
		for k := range d.batch {
			predictions = append(predictions, all[k*each:(k+1)*each])
		}
	}
	guided := predictions[0]
	if d.count > 1 {
		for i, u := range guided {
			guided[i] = u + float32(d.guidance)*(predictions[1][i]-u)
		}
	}
	if len(guided) > len(latents) { // the rest is a learned variance, of the prediction that is not guided
		copy(guided[len(latents):], predictions[d.count-1][len(latents):])
	}
	d.p.round(guided)
	return guided, nil
}

// timestep has the rank that the graph wants: Optimum exports a scalar, diffusers' script one number a batch entry, older ones a single one.
func (p *Pipeline) timestep(graph string, t float64, batch int) onnx.Tensor {
	info, _ := p.model.Graphs[graph].Input("timestep")
	if len(info.Shape) == 0 {
		return onnx.NewFloats([]float32{float32(t)})
	}
	if fixed, ok := info.Fixed(0); ok {
		batch = int(fixed)
	}
	return onnx.NewFloats(slices.Repeat([]float32{float32(t)}, batch), int64(batch))
}

// addResiduals adds the ControlNet's residuals, or zeros if the UNet wants some and there is no control.
func (d *denoiser) addResiduals(ctx context.Context, inputs map[string]onnx.Tensor, latents []float32, t float64) error {
	unet := d.p.model.Graphs["unet"]
	if d.control != nil {
		return d.control.residuals(ctx, d, inputs, residualInputs(unet), latents, t)
	}
	for _, name := range numbered(unet.Inputs, downIn, midIn) { // not those with a default value
		info, _ := unet.Input(name)
		zeros := onnx.Tensor{Shape: make([]int64, len(info.Shape))}
		for i := range zeros.Shape {
			zeros.Shape[i] = 1 // is spread over the axis
			if n, fixed := info.Fixed(i); fixed {
				zeros.Shape[i] = n
			}
		}
		zeros.Floats = make([]float32, zeros.Len())
		inputs[name] = zeros
	}
	return nil
}
