package sdktest

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/imaging"
	"github.com/vision19/vision/sdk/schema"
)

// draft is a request as a caller would give it, before it is checked.
type draft struct {
	what    string // what is particular about it
	request sdk.Request
	raw     map[string]any
	param   string // what is wrong, when something is
}

// check makes the request that a plugin gets, as the host does: checked, defaults filled in, what is random drawn.
func (f draft) check(d sdk.Description, rng *rand.Rand) (sdk.Request, error) {
	r, err := d.CheckRequest(f.request, f.raw)
	if err != nil {
		return r, err
	}
	for _, p := range d.Parameters {
		if _, given := r.Values[p.Name]; p.Random && !given {
			r.Values[p.Name] = p.Draw(rng)
		}
	}
	return r, nil
}

// with is the draft with another value of one parameter.
func (f draft) with(what, name string, value any) draft {
	f.what, f.raw = what, maps.Clone(f.raw)
	f.raw[name] = value
	return f
}

// withTexts is the draft with other texts of one input.
func (f draft) withTexts(what, name string, texts ...string) draft {
	f.what, f.request.Texts = what, maps.Clone(f.request.Texts)
	f.request.Texts[name] = texts
	return f
}

// withImages is the draft with other images, of the same size, of all its image inputs.
func (f draft) withImages(what string, images func(mask bool) sdk.Image, d sdk.Description) draft {
	f.what, f.request.Images = what, maps.Clone(f.request.Images)
	for name, old := range f.request.Images {
		in, _ := d.Input(name)
		f.request.Images[name] = slices.Repeat([]sdk.Image{images(in.Kind == sdk.MaskInput)}, len(old))
	}
	return f
}

// generator makes requests from a description.
type generator struct{ d sdk.Description }

// prompt is what text inputs get that need one.
const prompt = "a red circle on a white ground"

// plain gives what must be given and nothing else; images have side x side px, or fewer where the inputs allow fewer.
func (g generator) plain(side int) draft {
	f := draft{what: "defaults", request: sdk.Request{Texts: map[string][]string{}, Images: map[string][]sdk.Image{}}, raw: map[string]any{}}
	for _, in := range g.d.Inputs {
		if in.Required {
			g.give(f, in, 1, side)
		}
	}
	if len(g.d.OneOf) > 0 && !slices.ContainsFunc(g.d.OneOf, func(name string) bool { return len(f.request.Texts[name])+len(f.request.Images[name]) > 0 }) {
		in, _ := g.d.Input(g.d.OneOf[0])
		g.give(f, in, 1, side)
	}
	for _, p := range g.d.Parameters {
		if p.Required {
			f.raw[p.Name] = p.Draw(rand.New(rand.NewPCG(1, 1)))
		}
	}
	return f
}

// give fills one input.
func (g generator) give(f draft, in sdk.Input, count, side int) {
	if in.Kind == sdk.TextInput {
		text := prompt
		if len(text) > in.TextLimit() {
			text = text[:in.TextLimit()]
		}
		f.request.Texts[in.Name] = slices.Repeat([]string{text}, count)
		return
	}
	side = min(side, g.side())
	f.request.Images[in.Name] = slices.Repeat([]sdk.Image{picture(side, side, 3, in.Kind == sdk.MaskInput)}, count)
}

// side is the largest side of a square that every image input takes. All images of a request have one size, so that inputs which must agree do.
func (g generator) side() int {
	side := imaging.MaxSide
	for _, in := range g.d.Inputs {
		if in.Kind != sdk.TextInput {
			side = min(side, int(math.Sqrt(float64(in.PixelLimit()))))
		}
	}
	return side
}

// minima gives every number its lowest value, or the lowest that synthetic requests have.
func (g generator) minima(sampled bool) draft {
	f := g.plain(smallSide)
	f.what = "the lowest values"
	for _, p := range g.d.Parameters {
		low := p.Min
		if sampled && p.Sampling != nil && p.Sampling.Min != nil {
			f.what, low = "the lowest sampled values", p.Sampling.Min
		}
		if low != nil && !p.Random && len(p.Allowed) == 0 {
			f.raw[p.Name] = onStep(p, *low, math.Ceil)
		}
	}
	return f
}

// maxima gives every number its highest value, and every input as many as it takes, within reason.
func (g generator) maxima(side int) draft {
	f := g.plain(side)
	f.what = "the highest values"
	for _, in := range g.d.Inputs {
		g.give(f, in, min(in.Count(), manyInputs), side)
	}
	for _, p := range g.d.Parameters {
		if p.Max != nil && !p.Random && len(p.Allowed) == 0 {
			f.raw[p.Name] = onStep(p, *p.Max, math.Floor)
		}
	}
	return f
}

// The sides of the pictures that are sent, in px: one that costs little, and one that models really get.
const (
	smallSide = 64
	largeSide = 512
)

// manyInputs bounds how many of one input are sent.
const manyInputs = 64

// sample draws a request from the domain of synthetic requests; the same seed gives the same.
func (g generator) sample(seed uint64) draft {
	rng := rand.New(rand.NewPCG(seed, 1))
	side := []int{smallSide, 48, 96, 128}[rng.IntN(4)]
	f := g.plain(side)
	f.what = "sampled"
	for _, in := range g.d.Inputs {
		if rng.IntN(2) == 0 {
			g.give(f, in, 1+rng.IntN(min(in.Count(), 4)), side)
		}
		for i := range f.request.Texts[in.Name] {
			f.request.Texts[in.Name][i] = clip(texts[rng.IntN(len(texts))], in.TextLimit())
		}
	}
	for _, p := range g.d.Parameters {
		if value := p.Draw(rng); value != nil {
			f.raw[p.Name] = value
		}
	}
	return f
}

// texts are prompts of several scripts.
var texts = []string{prompt, "Ein blaues Dreieck über grünem Grund", "赤い丸、白い背景", "كلب أزرق", "🟥 on ⬜, (highly:1.3) detailed", "x", strings.Repeat("very ", 90) + "red"}

func clip(text string, limit int) string {
	runes := []rune(text)
	return string(runes[:min(len(runes), limit)])
}

// onStep rounds a bound to a multiple that the parameter takes.
func onStep(p schema.Parameter, x float64, round func(float64) float64) any {
	if p.MultipleOf != 0 {
		x = p.MultipleOf * round(x/p.MultipleOf)
	}
	return number(p, x)
}

func number(p schema.Parameter, x float64) any {
	if p.Type == schema.Int {
		return int64(x)
	}
	return x
}

// picture draws something to see as a PNG: shades and a disc. As a mask its left half is white.
func picture(width, height, channels int, mask bool) sdk.Image {
	pix := make([]byte, 0, width*height*channels)
	for y := range height {
		for x := range width {
			c := [4]byte{byte(255 * x / width), byte(255 * y / height), 128, 255}
			if dx, dy := 2*x-width, 2*y-height; 4*(dx*dx+dy*dy) < width*height {
				c = [4]byte{220, 30, 30, 200}
			}
			if mask {
				c = [4]byte{0, 0, 0, 255}
				if 2*x < width {
					c = [4]byte{255, 255, 255, 255}
				}
			}
			pix = append(pix, c[:channels]...)
		}
	}
	data, err := imaging.EncodePNG(pix, width, height, channels)
	if err != nil {
		panic(err) // the callers' sizes are constants, or bounded by imaging.MaxSide
	}
	return sdk.Image{MediaType: sdk.PNG, Width: width, Height: height, Data: data}
}

// photo is a JPEG of one colour.
func photo(width, height int) sdk.Image {
	m := image.NewUniform(color.RGBA{R: 90, G: 120, B: 200, A: 255})
	var out bytes.Buffer
	_ = jpeg.Encode(&out, bounded{m, image.Rect(0, 0, width, height)}, nil) // a Buffer does not fail
	return sdk.Image{MediaType: sdk.JPEG, Width: width, Height: height, Data: out.Bytes()}
}

// bounded gives an endless image an end.
type bounded struct {
	image.Image
	rect image.Rectangle
}

func (b bounded) Bounds() image.Rectangle { return b.rect }
