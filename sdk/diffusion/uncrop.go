package diffusion

import (
	"context"
	"fmt"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/imaging"
)

// Margins are how far a picture grows on each side, in px, 0 and more.
type Margins struct{ Left, Right, Top, Bottom int }

// Uncrop paints a picture on beyond its edges (outpainting). The image's own pixels stay as they are, bit by bit; the painted ones meet
// them as Inpaint's do.
func (p *Pipeline) Uncrop(ctx context.Context, r Request, image imaging.Pixels, m Margins, feather int, progress sdk.Progress) (Painting, error) {
	width, height := image.Width+m.Left+m.Right, image.Height+m.Top+m.Bottom
	if limit := p.model.Defaults.Pixels(); width*height > limit || max(width, height) > imaging.MaxSide {
		return Painting{}, sdk.InvalidInput(m.largest(), fmt.Sprintf("makes it %d x %d px with the other margins: this model paints at most %d px in all, %d a side", width, height, limit, imaging.MaxSide))
	}
	image = image.RGB()
	outside := m.mask(image, 0)
	canvas := image.PadReflect(m.Left, m.Top, m.Right, m.Bottom)
	// The model paints one latent further, into the known picture: it must see the seam from both sides.
	sample, c, err := p.inpaint(ctx, r, canvas, m.mask(image, p.model.Factor), progress)
	if err != nil {
		return Painting{}, err
	}
	return Painting{Pixels: seam(canvas, c.pixels(sample), outside, feather), Warnings: p.warnings(r)}, nil
}

// largest names the largest margin.
func (m Margins) largest() string {
	name, most := "left", m.Left
	for _, side := range []struct {
		name string
		px   int
	}{{"right", m.Right}, {"top", m.Top}, {"bottom", m.Bottom}} {
		if side.px > most {
			name, most = side.name, side.px
		}
	}
	return name
}

// mask is 255 outside the image, and within it as far as inset px from the sides that grow; the image's middle stays known.
func (m Margins) mask(image imaging.Pixels, inset int) imaging.Pixels {
	out := imaging.Flat(image.Width+m.Left+m.Right, image.Height+m.Top+m.Bottom, 255)
	from := func(margin, side int) int {
		if margin == 0 {
			return 0
		}
		return min(inset, (side-1)/3)
	}
	left, top := m.Left+from(m.Left, image.Width), m.Top+from(m.Top, image.Height)
	right, bottom := m.Left+image.Width-from(m.Right, image.Width), m.Top+image.Height-from(m.Bottom, image.Height)
	for y := top; y < bottom; y++ {
		for x := left; x < right; x++ {
			out.Pix[y*out.Width+x] = 0
		}
	}
	return out
}
