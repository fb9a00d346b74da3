package diffusion

import (
	"context"
	"slices"

	"github.com/vision19/vision/sdk/imaging"
)

// inpaintKandinsky paints where the grid's mask is not 0, as diffusers' KandinskyV22InpaintPipeline: the whole image is encoded, the mask is
// taken off the latents, and its channel comes last and is 1 for what is kept.
func (w *walk) inpaintKandinsky(ctx context.Context, sample []float32, mask imaging.Pixels) ([]float32, canvas, error) {
	c := w.canvas
	known, err := w.p.encode(ctx, sample, c, w.random)
	if err != nil {
		return nil, c, err
	}
	painted := c.grownCells(mask)
	kept, masked := make([]float32, len(painted)), slices.Clone(known)
	for i, paint := range painted {
		kept[i] = 1 - paint
	}
	for i := range masked {
		masked[i] *= kept[i%len(kept)]
	}
	w.denoiser.beside = slices.Concat(masked, kept)
	noise := w.noise()
	w.keepOutside(known, noise, painted)
	out, err := w.paint(ctx, w.scaled(noise))
	return out, c, err
}

// grownCells is 1 for the cells whose first pixel is to be painted, and for six of the eight around each of them (prepare_mask of
// diffusers), which covers what the mask touches. Cells that a thinner stroke touches are added.
func (c canvas) grownCells(mask imaging.Pixels) []float32 {
	width, height := c.latentW(), c.latentH()
	out := c.cells(mask)
	for y := range height {
		for x := range width {
			if mask.Pix[y*c.factor*c.gridW+x*c.factor] == 0 {
				continue
			}
			for _, d := range [][2]int{{0, 0}, {-1, 0}, {0, -1}, {-1, -1}, {1, 0}, {0, 1}, {1, 1}} {
				if y, x := y+d[0], x+d[1]; y >= 0 && y < height && x >= 0 && x < width {
					out[y*width+x] = 1
				}
			}
		}
	}
	return out
}
