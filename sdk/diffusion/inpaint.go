package diffusion

import (
	"context"
	"slices"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/imaging"
)

// inpaintChannels is what an inpainting UNet takes: latents, mask, and the latents of the image without what is to be painted.
const inpaintChannels = 9

// Inpaint paints what the mask shows: gray, as large as the image, painted where it is 128 and more. What is beside the mask keeps its
// pixels; within it the difference at its edge fades over feather px.
func (p *Pipeline) Inpaint(ctx context.Context, r Request, image, mask imaging.Pixels, feather int, progress sdk.Progress) (Painting, error) {
	image, mask = image.RGB(), imaging.Threshold(opaque(mask))
	if !slices.Contains(mask.Pix, 255) {
		return Painting{Pixels: image, Warnings: []string{"the mask is black everywhere: nothing is painted"}}, nil
	}
	sample, c, err := p.inpaint(ctx, r, image, mask, progress)
	if err != nil {
		return Painting{}, err
	}
	return Painting{Pixels: seam(image, c.pixels(sample), mask, feather), Warnings: p.warnings(r)}, nil
}

func (p *Pipeline) inpaint(ctx context.Context, r Request, image, mask imaging.Pixels, progress sdk.Progress) ([]float32, canvas, error) {
	w, err := p.start(ctx, r, image.Width, image.Height, progress)
	if err != nil {
		return nil, canvas{}, err
	}
	c := w.canvas
	sample, full := c.sample(image), c.pad(mask)
	if p.prior != nil && p.model.Channels == inpaintChannels {
		return w.inpaintKandinsky(ctx, sample, full)
	}
	cells := c.cells(full)
	if p.model.Channels == inpaintChannels {
		latents := w.scaled(w.noise())
		for i, m := range full.Pix { // what is to be painted is gray to the encoder
			if m != 0 {
				for k := range 3 {
					sample[k*len(full.Pix)+i] = 0
				}
			}
		}
		masked, err := p.encode(ctx, sample, c, w.random)
		if err != nil {
			return nil, c, err
		}
		w.denoiser.beside = slices.Concat(cells, masked)
		out, err := w.paint(ctx, latents)
		return out, c, err
	}
	known, err := p.encode(ctx, sample, c, w.random)
	if err != nil {
		return nil, c, err
	}
	noise := w.noise()
	if latentOutput(p.model.Graphs[p.model.family.encoder]) == drawnLatents {
		w.noise() // diffusers draws the masked image's latents too, which this UNet does not take
	}
	w.keepOutside(known, noise, cells)
	out, err := w.paint(ctx, w.scaled(noise))
	return out, c, err
}

// opaque darkens a mask where it is transparent: nothing is marked there.
func opaque(mask imaging.Pixels) imaging.Pixels {
	if mask.Channels != 4 {
		return mask
	}
	out := mask.Gray()
	for i := range out.Pix {
		out.Pix[i] = byte(int(out.Pix[i]) * int(mask.Pix[4*i+3]) / 255)
	}
	return out
}

// keepOutside puts the known latents back after each step, as noisy as the step is, where the mask's cells are 0 (RePaint's first
// equation, arXiv:2201.09865; diffusers' inpainting with a UNet of 4 channels).
func (w *walk) keepOutside(known, noise, cells []float32) {
	noisy := make([]float32, len(known))
	w.keep = func(latents []float32, next int) {
		at := known
		if next < len(w.schedule.Timesteps()) {
			w.schedule.AddNoise(noisy, known, noise, next)
			at = noisy
		}
		for i := range latents {
			if cells[i%len(cells)] == 0 {
				latents[i] = at[i]
			}
		}
	}
}

// cells is the mask of the latents: 1 where any pixel of a cell is to be painted, so that no thin stroke is lost.
func (c canvas) cells(mask imaging.Pixels) []float32 {
	out := make([]float32, c.latentW()*c.latentH())
	for i, m := range mask.Pix {
		if m != 0 {
			x, y := i%c.gridW/c.factor, i/c.gridW/c.factor
			out[y*c.latentW()+x] = 1
		}
	}
	return out
}
