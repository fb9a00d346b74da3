package synth

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/imaging"
	"github.com/vision19/vision/sdk/schema"
)

// Generator makes requests up. Its fields do not change while it is used; it is then safe for concurrent use.
type Generator struct {
	Corpus   *Corpus // of prompts; nil is Bundled
	Pictures Source  // of pictures; nil is procedural
	Seeds    Seeds   // of random parameters; the zero Seeds are all
	// Failed is told of a picture that did not come; a procedural one took its place.
	Failed func(error)
}

// Seeds are what a validator may draw. Each has a range of its own, so that a request that a miner relays as its own shows.
type Seeds struct{ First, Last uint32 }

// maxAsked bounds how many of one input a request holds: an embedding of dozens says no more than that of a few.
const maxAsked = 4

// draws is how often a request is drawn anew that the description does not allow.
const draws = 20

// ErrDescription is a description of which no valid request could be made.
var ErrDescription = errors.New("no request can be made up for this description")

// Request draws a request that a plugin with this description takes: parameters from the domain that it declares for synthetic requests, prompts from
// the corpus, pictures from the source. The same state of rng, and the same pictures, give the same request. It fails with ErrDescription, or with
// ctx's error.
func (g Generator) Request(ctx context.Context, d sdk.Description, rng *rand.Rand) (sdk.Request, error) {
	var last error
	for range draws {
		raw := map[string]any{}
		for _, p := range d.Parameters {
			if v := g.value(p, rng); v != nil {
				raw[p.Name] = v
			}
		}
		request, err := g.inputs(ctx, d, rng)
		if err != nil {
			return sdk.Request{}, err
		}
		if request, last = d.CheckRequest(request, raw); last == nil {
			return request, nil
		}
	}
	return sdk.Request{}, fmt.Errorf("%w: %w", ErrDescription, last)
}

// value draws a parameter's value.
func (g Generator) value(p schema.Parameter, rng *rand.Rand) any {
	if p.Random {
		return g.Seeds.draw(p, rng)
	}
	return p.Draw(rng)
}

// draw takes a seed of the range, as far as the parameter takes it.
func (s Seeds) draw(p schema.Parameter, rng *rand.Rand) any {
	low, high := p.Min, p.Max
	if s != (Seeds{}) {
		low, high = schema.Bound(float64(s.First)), schema.Bound(float64(s.Last))
		if p.Min != nil {
			low = schema.Bound(max(*low, *p.Min))
		}
		if p.Max != nil {
			high = schema.Bound(min(*high, *p.Max))
		}
	}
	p.Sampling = &schema.Sampling{Min: low, Max: high}
	return p.Draw(rng)
}

// inputs draws what a request is given: all that is required, one of those of which one must be there, and of the rest every other.
func (g Generator) inputs(ctx context.Context, d sdk.Description, rng *rand.Rand) (sdk.Request, error) {
	r := sdk.Request{Texts: map[string][]string{}, Images: map[string][]sdk.Image{}}
	chosen := ""
	if len(d.OneOf) > 0 {
		chosen = d.OneOf[rng.IntN(len(d.OneOf))]
	}
	for _, in := range d.Inputs {
		if !in.Required && in.Name != chosen && rng.IntN(2) == 0 {
			continue
		}
		count := 1 + rng.IntN(min(in.Count(), maxAsked))
		for range count {
			if in.Kind == sdk.TextInput {
				r.Texts[in.Name] = append(r.Texts[in.Name], g.corpus().Prompt(rng, in.TextLimit()))
				continue
			}
			image, err := g.image(ctx, in, r, rng)
			if err != nil {
				return r, err
			}
			r.Images[in.Name] = append(r.Images[in.Name], image)
		}
	}
	return r, nil
}

func (g Generator) corpus() *Corpus {
	if g.Corpus != nil {
		return g.Corpus
	}
	return Bundled()
}

// image makes a picture of an input's kind, of the size that another input has, or of its own.
func (g Generator) image(ctx context.Context, in sdk.Input, r sdk.Request, rng *rand.Rand) (sdk.Image, error) {
	var width, height int
	if other := r.Images[in.SameSizeAs]; len(other) > 0 {
		width, height = other[0].Width, other[0].Height
	}
	if in.Kind == sdk.MaskInput {
		if width == 0 {
			width, height = size(rng, in.PixelLimit())
		}
		return encode(Mask(rng, width, height))
	}
	picture, err := g.picture(ctx, rng, in.PixelLimit())
	if err != nil {
		return sdk.Image{}, err
	}
	fits := width == 0 || picture.Width == width && picture.Height == height
	if in.Content != sdk.Lines && fits {
		return picture, nil
	}
	pixels, err := imaging.Read(picture.Data, in.PixelLimit())
	if err != nil {
		return sdk.Image{}, err
	}
	if !fits {
		pixels = pixels.Resize(width, height, imaging.Lanczos)
	}
	if in.Content == sdk.Lines {
		pixels = outline(rng, pixels)
	}
	return encode(pixels)
}

// The share of a sketch that its lines take: with fewer there is nothing to see, with more no line.
const (
	minLines = 0.005
	maxLines = 0.40
)

// outline draws the lines of a picture, or of simple shapes in place of one that has none, or nothing else.
func outline(rng *rand.Rand, p imaging.Pixels) imaging.Pixels {
	lines := imaging.Outline(p)
	for range draws {
		if c := cover(imaging.Threshold(lines)); c >= minLines && c <= maxLines {
			break
		}
		lines = imaging.Outline(paint(shapes(rng), p.Width, p.Height))
	}
	return lines
}

// picture takes one from the source. One that does not come, or that is not what it says, is replaced; one that is too large is made smaller.
func (g Generator) picture(ctx context.Context, rng *rand.Rand, maxPixels int) (sdk.Image, error) {
	// Drawn in any case, so that a source that fails does not change the rest of the request.
	spare := rand.New(rand.NewPCG(rng.Uint64(), rng.Uint64()))
	if g.Pictures != nil {
		image, err := g.Pictures.Picture(ctx, rand.New(rand.NewPCG(rng.Uint64(), rng.Uint64())), maxPixels)
		if err == nil {
			if image, err = fit(image, maxPixels); err == nil {
				return image, nil
			}
		}
		if ctx.Err() != nil {
			return sdk.Image{}, ctx.Err()
		}
		if g.Failed != nil {
			g.Failed(err)
		}
	}
	return Procedural{}.Picture(ctx, spare, maxPixels)
}

// largest bounds what is decoded of a source's picture, in px.
const largest = 4096 * 4096

// mediaTypes are those of pictures that an endpoint takes.
var mediaTypes = []string{sdk.PNG, sdk.JPEG, sdk.WebP}

// fit checks a picture, and makes one smaller that has too many pixels.
func fit(image sdk.Image, maxPixels int) (sdk.Image, error) {
	h, err := imaging.Inspect(image.Data)
	if err != nil {
		return image, err
	}
	if !slices.Contains(mediaTypes, h.MediaType) {
		return image, fmt.Errorf("a picture of type %s", h.MediaType)
	}
	pixels, err := imaging.Read(image.Data, largest)
	if err != nil {
		return image, err
	}
	if h.Width*h.Height <= maxPixels {
		return sdk.Image{MediaType: h.MediaType, Width: h.Width, Height: h.Height, Data: image.Data}, nil
	}
	width, height := shrunk(h.Width, h.Height, maxPixels)
	return encode(pixels.Resize(width, height, imaging.Lanczos))
}

// shrunk is the largest size of the same shape with at most so many pixels.
func shrunk(width, height, maxPixels int) (w, h int) {
	w, h = width, height
	for w*h > maxPixels && w*h > 1 {
		if w > 1 {
			w = max(1, min(w-1, w*15/16))
		}
		h = max(1, w*height/width)
		if w == 1 {
			h = min(h, maxPixels)
		}
	}
	return w, h
}
