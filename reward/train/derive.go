package main

import (
	"math/rand/v2"

	"github.com/vision19/vision/sdk/imaging"
)

// What cheats make of finished pictures.

// cropped loses a margin and is enlarged again.
func cropped(rng *rand.Rand, p imaging.Pixels) imaging.Pixels {
	m := 1 + rng.IntN(max(1, min(p.Width, p.Height)/16))
	return p.Crop(m, m, p.Width-2*m, p.Height-2*m).Resize(p.Width, p.Height, imaging.Lanczos)
}

// edited has a patch of one colour on it, which is not the colour that is there.
func edited(rng *rand.Rand, p imaging.Pixels) imaging.Pixels {
	out := imaging.Pixels{Width: p.Width, Height: p.Height, Channels: p.Channels, Pix: append([]byte(nil), p.Pix...)}
	w, h := p.Width/5+rng.IntN(p.Width/4), p.Height/5+rng.IntN(p.Height/4)
	x0, y0 := rng.IntN(p.Width-w), rng.IntN(p.Height-h)
	for c := range p.Channels {
		v := p.Pix[((y0+h/2)*p.Width+x0+w/2)*p.Channels+c] + byte(64+rng.IntN(128))
		for y := range h {
			for x := range w {
				out.Pix[((y0+y)*p.Width+x0+x)*p.Channels+c] = v
			}
		}
	}
	return out
}

// blended is a picture through which another one shines.
func blended(a, b imaging.Pixels, share float64) imaging.Pixels {
	if b.Width != a.Width || b.Height != a.Height {
		b = b.Resize(a.Width, a.Height, imaging.Bicubic)
	}
	out := imaging.Pixels{Width: a.Width, Height: a.Height, Channels: a.Channels, Pix: make([]byte, len(a.Pix))}
	for i := range out.Pix {
		out.Pix[i] = byte((1-share)*float64(a.Pix[i]) + share*float64(b.Pix[i]) + .5)
	}
	return out
}
