package synth

import (
	"fmt"
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

// steps are tried in turn until a change shows; the smallest does wherever a picture is not made smaller.
var steps = []int{1, 1, 1, 2, 4, 8, 16, 32, 64, 127}

// perturb changes one or two pixels by one step of one channel. An encoder first makes a large picture smaller, where so little may round to
// nothing: where it is to be seen at a glance, the step grows until it is.
func perturb(image sdk.Image, maxPixels int, seen bool, rng *rand.Rand) (sdk.Image, error) {
	p, err := imaging.Read(image.Data, maxPixels)
	if err != nil {
		return image, err
	}
	out := p
	before := small(p)
	for _, step := range steps {
		out = nudge(p, step, rng)
		if !seen || !slices.Equal(small(out).Pix, before.Pix) {
			break
		}
	}
	return encode(out)
}

// small is a picture as an encoder sees it that takes very small ones.
func small(p imaging.Pixels) imaging.Pixels {
	if short := min(p.Width, p.Height); short > glance {
		return p.RGB().Resize(max(1, p.Width*glance/short), max(1, p.Height*glance/short), imaging.Bicubic)
	}
	return p.RGB()
}

// nudge is a picture in which one or two samples have moved by a step. Alpha stays, and what is hidden by it: that would change nothing.
func nudge(p imaging.Pixels, step int, rng *rand.Rand) imaging.Pixels {
	out := p
	out.Pix = slices.Clone(p.Pix)
	for n, tries := 1+rng.IntN(2), 0; n > 0 && tries < 100; tries++ {
		pixel := rng.IntN(p.Width * p.Height)
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
