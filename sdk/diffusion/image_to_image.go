package diffusion

import (
	"context"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/imaging"
)

// leastStrength is the strength of an image that is kept as it is.
const leastStrength = 0.01

// ImageToImage paints over an image (SDEdit, arXiv:2108.01073): the image is noised as far as 1-keep of the way, and denoised under the
// prompt. keep is 0, fresh noise, to 1, the image as it is; diffusers' strength is max(1-keep, leastStrength).
func (p *Pipeline) ImageToImage(ctx context.Context, r Request, image imaging.Pixels, keep float64, progress sdk.Progress) (Painting, error) {
	sample, c, err := p.imageToImage(ctx, r, image.RGB(), max(1-keep, leastStrength), progress)
	if err != nil {
		return Painting{}, err
	}
	return Painting{Pixels: c.pixels(sample), Warnings: p.warnings(r)}, nil
}

func (p *Pipeline) imageToImage(ctx context.Context, r Request, image imaging.Pixels, strength float64, progress sdk.Progress) ([]float32, canvas, error) {
	w, err := p.start(ctx, r, image.Width, image.Height, progress)
	if err != nil {
		return nil, canvas{}, err
	}
	latents, err := p.encode(ctx, w.canvas.sample(image), w.canvas, w.random)
	if err != nil {
		return nil, canvas{}, err
	}
	steps := len(w.schedule.Timesteps())
	// Whole steps, as in diffusers; 1-keep is a little less than what was meant, and so would be the steps.
	w.begin = steps - min(int(float64(steps)*strength+1e-9), steps)
	if w.begin == steps && strength > leastStrength {
		w.begin-- // fewer steps than one would leave the prompt out
	}
	noise := w.noise()
	if w.begin < steps { // otherwise no step is left, and the image is only encoded and decoded
		w.schedule.AddNoise(latents, latents, noise, w.begin)
	}
	sample, err := w.paint(ctx, latents)
	return sample, w.canvas, err
}
