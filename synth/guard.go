package synth

import (
	"fmt"
	geometry "image"
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/imaging"
)

// Guard makes a user's request one that no miner can have an answer to already. Random parameters, the seed, are drawn anew, whatever the user asked
// for. Where there are none, or the answer is an embedding, one or two pixels of each picture are changed by the smallest step, without loss: the
// original re-encoded as JPEG, which changed everything. A request without pictures and without a random parameter stays as it is. Pictures come out
// as PNG, upright, with their alpha; what is no picture is sdk.ErrInvalidInput. The request that it is given is left as it was.
func Guard(d sdk.Description, r sdk.Request, seeds Seeds, rng *rand.Rand) (sdk.Request, error) {
	r.Values, r.Images = maps.Clone(r.Values), maps.Clone(r.Images)
	seeded := false
	for _, p := range d.Parameters {
		if p.Random {
			seeded = true
			if r.Values == nil {
				r.Values = map[string]any{}
			}
			r.Values[p.Name] = seeds.draw(p, rng)
		}
	}
	if seeded && d.Output.Kind != sdk.EmbeddingOutput {
		return r, nil
	}
	for _, in := range d.Inputs {
		if in.Kind != sdk.ImageInput {
			continue
		}
		images := slices.Clone(r.Images[in.Name])
		for i, image := range images {
			changed, err := perturb(image, in.PixelLimit(), d.Output.Kind == sdk.EmbeddingOutput, rng)
			if err != nil {
				return r, sdk.InvalidInput(in.Name, fmt.Sprintf("is %v", err))
			}
			images[i] = changed
		}
		if len(images) > 0 {
			r.Images[in.Name] = images
		}
	}
	return r, nil
}

// glance is the side, in px, at which a picture is looked at to see whether a change shows: no image encoder takes fewer. One whose own side is larger
// sees more of it.
const glance = 64

// shows is how many samples must differ at a glance. A single one may be a rounding that a picture's other size does not have.
const shows = 3

// steps are tried in turn until a change shows; the smallest does wherever a picture is not made smaller.
var steps = []int{1, 1, 1, 2, 4, 8, 16, 32, 64, 127}

// perturb changes one or two pixels by one step of one channel. An encoder first makes a large picture smaller, where so little may round to
// nothing: where it is to be seen at a glance, the step grows until it is.
func perturb(image sdk.Image, maxPixels int, seen bool, rng *rand.Rand) (sdk.Image, error) {
	p, err := imaging.Read(image.Data, maxPixels)
	if err != nil {
		return image, err
	}
	if !seen {
		return encode(nudge(p, 1, geometry.Rect(0, 0, p.Width, p.Height), rng))
	}
	if min(p.Width, p.Height) <= glance {
		return encode(nudge(p, 1, middle(p), rng))
	}
	out, before := p, glanced(p)
	for _, step := range steps {
		if out = nudge(p, step, middle(p), rng); differ(glanced(out), before) >= shows {
			break
		}
	}
	return encode(out)
}

// middle is the square that encoders look at: they crop what is beyond the shorter side.
func middle(p imaging.Pixels) geometry.Rectangle {
	side := min(p.Width, p.Height)
	return geometry.Rect(0, 0, side, side).Add(geometry.Pt((p.Width-side)/2, (p.Height-side)/2))
}

// glanced is a picture as a CLIP image encoder for very small ones sees it: the shorter side scaled, the middle cropped.
func glanced(p imaging.Pixels) imaging.Pixels {
	p = p.RGB()
	if short := min(p.Width, p.Height); short > glance {
		p = p.Resize(max(glance, p.Width*glance/short), max(glance, p.Height*glance/short), imaging.Bicubic)
	}
	m := middle(p)
	return p.Crop(m.Min.X, m.Min.Y, m.Dx(), m.Dy())
}

// differ counts the samples that differ.
func differ(a, b imaging.Pixels) (n int) {
	for i, v := range a.Pix {
		if v != b.Pix[i] {
			n++
		}
	}
	return n
}

// nudge is a picture in which one or two samples of an area have moved by a step. Alpha stays, and what is hidden by it: that would change nothing.
func nudge(p imaging.Pixels, step int, area geometry.Rectangle, rng *rand.Rand) imaging.Pixels {
	out := p
	out.Pix = slices.Clone(p.Pix)
	for n, tries := 1+rng.IntN(2), 0; n > 0 && tries < 100; tries++ {
		pixel := (area.Min.Y+rng.IntN(area.Dy()))*p.Width + area.Min.X + rng.IntN(area.Dx())
		if p.Channels == 4 && p.Pix[4*pixel+3] == 0 && tries < 90 {
			continue
		}
		i := pixel*p.Channels + rng.IntN(min(p.Channels, 3))
		if out.Pix[i] != p.Pix[i] { // moved already, maybe back
			continue
		}
		if v := int(p.Pix[i]); v+step <= 255 && (v-step < 0 || rng.IntN(2) == 0) {
			out.Pix[i] = byte(v + step)
		} else {
			out.Pix[i] = byte(v - step)
		}
		n--
	}
	return out
}
