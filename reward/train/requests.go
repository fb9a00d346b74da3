package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"

	"github.com/vision19/vision/sdk/imaging"
)

// request is one request as an honest miner gets it.
type request struct {
	Endpoint   string                    `json:"endpoint"`
	Number     int                       `json:"number"`
	Parameters map[string]any            `json:"parameters"`
	Images     map[string]imaging.Pixels `json:"-"` // inputs by name
}

// share is how many of the requests go to an endpoint: half paint from nothing, the rest begin with a picture.
var shares = []struct {
	endpoint string
	tenths   float64
}{{"text-to-image", 5}, {"image-to-image", 1.7}, {"inpaint", 1.3}, {"scribble", 1}, {"uncrop", 1}}

// split numbers the requests of each endpoint.
func split(n int) (out []request) {
	for _, s := range shares {
		for i := range int(math.Round(float64(n) * s.tenths / 10)) {
			out = append(out, request{Endpoint: s.endpoint, Number: i})
		}
	}
	return out
}

// randomness is the source of one request.
func randomness(o options, r request, purpose string) *rand.Rand {
	h := uint64(14695981039346656037) // FNV-1a
	for _, b := range []byte(r.Endpoint + "/" + purpose) {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return rand.New(rand.NewPCG(o.seed^h, uint64(r.Number)))
}

func pick[T any](rng *rand.Rand, from ...T) T { return from[rng.IntN(len(from))] }

// The words of the world that the bundled models have learned, and words that they have not.
var (
	colours   = []string{"red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink", "white", "black", "gray"}
	shapes    = []string{"circle", "square", "triangle", "star", "ring", "heart", "cross", "diamond"}
	positions = []string{"", "", "", " at the top left", " at the top", " at the bottom right", " on the left", " on the right", " at the bottom"}
	sizes     = []string{"", "", "small ", "large "}
	scenes    = []string{"a quiet harbour at dawn", "an old tree in the fog", "two cats asleep on a sofa", "a street market in the rain",
		"a mountain lake with a wooden boat", "a portrait of a clockmaker", "red bicycles along a canal", "a bowl of oranges on a table"}
)

// prompt draws a text; no bundled model paints a black star, so that none is asked for.
func prompt(rng *rand.Rand) string {
	object := func() string {
		for {
			s := pick(rng, sizes...) + pick(rng, colours...) + " " + pick(rng, shapes...)
			if !strings.HasSuffix(s, "black star") {
				return s
			}
		}
	}
	ground := pick(rng, colours...)
	switch rng.IntN(10) {
	case 0:
		return pick(rng, scenes...) + pick(rng, "", ", in "+ground, ", "+ground+" and "+pick(rng, colours...))
	case 1, 2:
		return fmt.Sprintf("a %s %s a %s on a %s background", object(), pick(rng, "above", "below", "left of", "right of"), object(), ground)
	case 3:
		return fmt.Sprintf("a %s%s on a gradient from %s to %s", object(), pick(rng, positions...), ground, pick(rng, colours...))
	}
	return fmt.Sprintf("a %s%s on a %s background", object(), pick(rng, positions...), ground)
}

// side draws one side of a picture, in px.
func side(rng *rand.Rand) int { return pick(rng, 64, 64, 72, 80, 96, 128) }

// fill draws a request. Pictures to begin with come from painted, an earlier result of text-to-image.
func (r request) fill(o options, painted func(number int) (imaging.Pixels, error)) (request, error) {
	rng := randomness(o, r, "request")
	r.Parameters = map[string]any{
		"prompt": prompt(rng), "seed": int64(rng.Uint32()), "steps": int64(6 + rng.IntN(9)), "guidance_scale": math.Round(20+50*rng.Float64()) / 10,
	}
	if rng.IntN(4) == 0 {
		r.Parameters["negative_prompt"] = pick(rng, colours...) + " " + pick(rng, shapes...)
	}
	r.Images = map[string]imaging.Pixels{}
	if r.Endpoint == "text-to-image" {
		r.Parameters["width"], r.Parameters["height"] = int64(side(rng)), int64(side(rng))
		return r, nil
	}
	image, err := painted(rng.IntN(1 << 30))
	if err != nil {
		return r, err
	}
	switch r.Endpoint {
	case "image-to-image":
		r.Parameters["image_strength"] = math.Round(rng.Float64()*60) / 100
	case "inpaint": // not on a plain ground: painted over in its own colour, every answer would look the same
		image = scenery(rng, image.Width, image.Height)
		r.Images["mask"] = mask(rng, image.Width, image.Height)
	case "scribble":
		image = imaging.Outline(image)
		r.Parameters["control_strength"] = pick(rng, 0.8, 1.0, 1.2)
	case "uncrop":
		for _, name := range []string{"left", "right", "top", "bottom"} {
			r.Parameters[name] = int64(8 * rng.IntN(5))
		}
		r.Parameters[pick(rng, "left", "right", "top", "bottom")] = int64(16 + 8*rng.IntN(5))
	}
	r.Images["image"] = image
	return r, nil
}

// scenery is a gradient with stripes and grain, as little like what is painted into it as a photo.
func scenery(rng *rand.Rand, width, height int) imaging.Pixels {
	p := imaging.Flat(width, height, 0, 0, 0)
	var from, to, stripe [3]float64
	for c := range 3 {
		from[c], to[c], stripe[c] = 255*rng.Float64(), 255*rng.Float64(), 60*rng.Float64()
	}
	u, v, period := rng.Float64(), rng.Float64(), 6+20*rng.Float64()
	for i := range p.Pix {
		x, y, c := float64(i/3%width), float64(i/3/width), i%3
		t := (u*x/float64(width) + v*y/float64(height)) / 2
		p.Pix[i] = byte(max(0, min(255, from[c]+(to[c]-from[c])*t+stripe[c]*math.Sin((u*x-v*y)/period)+16*(rng.Float64()-.5))))
	}
	return p
}

// mask is white where a disc or a box lies.
func mask(rng *rand.Rand, width, height int) imaging.Pixels {
	m := imaging.Flat(width, height, 0)
	round := rng.IntN(2) == 0
	w, h := width/4+rng.IntN(width/3), height/4+rng.IntN(height/3)
	x0, y0 := rng.IntN(width-w), rng.IntN(height-h)
	for y := range h {
		for x := range w {
			dx, dy := (float64(x)+.5)/float64(w)*2-1, (float64(y)+.5)/float64(h)*2-1
			if !round || dx*dx+dy*dy < 1 {
				m.Pix[(y0+y)*width+x0+x] = 255
			}
		}
	}
	return m
}
