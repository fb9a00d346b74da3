package diffusion

import (
	"context"

	"github.com/vision19/vision/sdk"
)

// TextToImage paints a prompt, width x height px.
func (p *Pipeline) TextToImage(ctx context.Context, r Request, width, height int, progress sdk.Progress) (Painting, error) {
	sample, c, err := p.textToImage(ctx, r, width, height, progress)
	if err != nil {
		return Painting{}, err
	}
	return Painting{Pixels: c.pixels(sample), Warnings: p.warnings(r)}, nil
}

func (p *Pipeline) textToImage(ctx context.Context, r Request, width, height int, progress sdk.Progress) ([]float32, canvas, error) {
	w, err := p.start(ctx, r, width, height, progress)
	if err != nil {
		return nil, canvas{}, err
	}
	sample, err := w.paint(ctx, w.scaled(w.noise()))
	return sample, w.canvas, err
}
