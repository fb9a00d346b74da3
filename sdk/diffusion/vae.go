package diffusion

import (
	"context"
	"fmt"
	"math"

	"github.com/vision19/vision/sdk/imaging"
	"github.com/vision19/vision/sdk/onnx"
)

// planes puts an RGB picture at the top left of [3, gridH, gridW], each sample as scale*v/255 + offset; what is beside it is 0.
func (c canvas) planes(p imaging.Pixels, scale, offset float32) []float32 {
	plane := c.gridW * c.gridH
	out := make([]float32, 3*plane)
	for i, v := range p.Pix {
		k, x, y := i%3, i/3%p.Width, i/3/p.Width
		out[k*plane+y*c.gridW+x] = scale*(float32(v)/255) + offset
	}
	return out
}

// sample is a picture as the VAE takes it: [3, gridH, gridW] in [-1, 1], padded by reflection.
func (c canvas) sample(p imaging.Pixels) []float32 { return c.planes(c.pad(p), 2, -1) }

// encode turns a sample of the canvas's grid into latents. Where the graph gives the distribution, as Optimum's does, they are drawn
// from it, with numbers of the request's seed, as diffusers does.
func (p *Pipeline) encode(ctx context.Context, sample []float32, c canvas, random normals) ([]float32, error) {
	m := p.model
	graph := m.family.encoder
	name := latentOutput(m.Graphs[graph])
	n := c.latents(m.LatentChannels)
	channels := m.LatentChannels
	if name == drawnLatents {
		channels *= 2
	}
	out, err := p.run(ctx, graph, map[string]onnx.Tensor{"sample": onnx.NewFloats(sample, 1, 3, int64(c.gridH), int64(c.gridW))},
		1, int64(channels), int64(c.latentH()), int64(c.latentW()))
	if err != nil {
		return nil, err
	}
	moments := out[name].Floats
	if len(moments) != n*channels/m.LatentChannels {
		return nil, fmt.Errorf("%s answers %v for %d x %d px", m.path(graph), out[name].Shape, c.gridW, c.gridH)
	}
	latents := moments[:n]
	if channels > m.LatentChannels {
		drawn := make([]float32, n)
		random.Normal(drawn)
		for i, logvar := range moments[n:] {
			// DiagonalGaussianDistribution of diffusers' autoencoder_kl.
			latents[i] += float32(math.Exp(0.5*float64(min(max(logvar, -30), 20)))) * drawn[i]
		}
	}
	for i := range latents {
		latents[i] *= m.Scaling
	}
	p.round(latents)
	return latents, nil
}

// decode turns latents into a sample of the canvas's grid, [3, gridH, gridW], about [-1, 1].
func (p *Pipeline) decode(ctx context.Context, latents []float32, c canvas) ([]float32, error) {
	m := p.model
	scaled := make([]float32, len(latents))
	for i, x := range latents {
		scaled[i] = x / m.Scaling
	}
	out, err := p.run(ctx, m.family.decoder, map[string]onnx.Tensor{
		"latent_sample": onnx.NewFloats(scaled, 1, int64(m.LatentChannels), int64(c.latentH()), int64(c.latentW())),
	}, 1, 3, int64(c.gridH), int64(c.gridW))
	if err != nil {
		return nil, err
	}
	sample := out["sample"].Floats
	if len(sample) != 3*c.gridW*c.gridH {
		return nil, fmt.Errorf("%s answers %v, not 3 x %d x %d", m.path(m.family.decoder), out["sample"].Shape, c.gridH, c.gridW)
	}
	for _, v := range sample {
		if v != v {
			return nil, fmt.Errorf("%s answers with NaN: its weights may overflow in float16; export it in float32", m.path(m.family.decoder))
		}
	}
	return sample, nil
}
