package upscale

import (
	"context"
	"errors"

	"github.com/vision19/vision/sdk/imaging"
	"github.com/vision19/vision/sdk/onnx"
)

// Upscaler is a loaded model. Its methods may be called from any goroutine.
type Upscaler struct{ networks map[int]network }

// Load loads the networks and runs each once, which warms it up and proves its scale.
func Load(ctx context.Context, m Model, o onnx.Options, progress func(fraction float64, stage string)) (*Upscaler, error) {
	u := &Upscaler{networks: map[int]network{}}
	scales := m.scales()
	for i, scale := range scales {
		f := m.files[scale]
		progress(float64(i)/float64(len(scales)), "loading "+f.path)
		s, err := onnx.Load(f.path, o)
		if err != nil {
			return nil, errors.Join(err, u.Close())
		}
		n := network{f, s}
		u.networks[scale] = n
		if _, err := n.run(ctx, imaging.Flat(32, 32, 128, 128, 128)); err != nil {
			return nil, errors.Join(err, u.Close())
		}
	}
	progress(1, "ready")
	return u, nil
}

// Enlarge makes a picture scale times as large, 2 or 4, in tiles of at most tile px a side; step is told of each. A network that is not
// there is made up for: four times is twice two times, and two times is half of four times. Alpha is enlarged bicubically.
func (u *Upscaler) Enlarge(ctx context.Context, p imaging.Pixels, scale, tile int, step func(done, total int)) (imaging.Pixels, error) {
	large, err := u.colours(ctx, p.RGB(), scale, tile, step)
	if err != nil || p.Channels != 4 {
		return large, err
	}
	return withAlpha(large, p), nil
}

func (u *Upscaler) colours(ctx context.Context, p imaging.Pixels, scale, tile int, step func(done, total int)) (imaging.Pixels, error) {
	if n, ok := u.networks[scale]; ok {
		return n.enlarge(ctx, p, tile, step)
	}
	if n, ok := u.networks[2]; ok {
		double, err := n.enlarge(ctx, p, tile, func(int, int) {})
		if err != nil {
			return double, err
		}
		return n.enlarge(ctx, double, tile, step)
	}
	quadruple, err := u.networks[4].enlarge(ctx, p, tile, step)
	return quadruple.Resize(scale*p.Width, scale*p.Height, imaging.Lanczos), err
}

// withAlpha gives the enlarged picture the original's alpha, enlarged.
func withAlpha(large, original imaging.Pixels) imaging.Pixels {
	alpha := imaging.Pixels{Width: original.Width, Height: original.Height, Channels: 1, Pix: make([]byte, original.Width*original.Height)}
	for i := range alpha.Pix {
		alpha.Pix[i] = original.Pix[4*i+3]
	}
	alpha = alpha.Resize(large.Width, large.Height, imaging.Bicubic)
	out := imaging.Pixels{Width: large.Width, Height: large.Height, Channels: 4, Pix: make([]byte, 0, 4*large.Width*large.Height)}
	for i, a := range alpha.Pix {
		out.Pix = append(out.Pix, large.Pix[3*i], large.Pix[3*i+1], large.Pix[3*i+2], a)
	}
	return out
}

// Close frees the model.
func (u *Upscaler) Close() error {
	var errs []error
	for _, n := range u.networks {
		errs = append(errs, n.session.Close())
	}
	return errors.Join(errs...)
}
