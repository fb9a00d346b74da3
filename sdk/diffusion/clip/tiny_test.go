package clip

import (
	"math"
	"testing"

	"github.com/vision19/vision/sdk/imaging"
)

// The bundled models know scenes of one coloured shape on a plain ground; examples/eval measures them on many.

var colours = map[string][3]byte{"red": {255, 0, 0}, "yellow": {255, 255, 0}, "blue": {0, 0, 255}, "black": {0, 0, 0}, "white": {255, 255, 255}}

// inside tells whether a point lies in a shape of radius 1.
var inside = map[string]func(x, y float64) bool{
	"circle": func(x, y float64) bool { return math.Hypot(x, y) < 1 },
	"square": func(x, y float64) bool { return max(math.Abs(x), math.Abs(y)) < 0.88 },
	// A star of five points: beyond the line between a tip, at 1.1, and the next notch, at 0.45, is outside.
	"star": func(x, y float64) bool {
		const fifth = 2 * math.Pi / 5
		angle := math.Abs(math.Remainder(math.Atan2(x, -y), fifth)) // from the nearest tip
		r, notch := math.Hypot(x, y), fifth/2
		return r*(1.1*math.Sin(angle)+0.45*math.Sin(notch-angle)) < 1.1*0.45*math.Sin(notch)
	},
}

// scene draws a shape in the middle of 128 x 128 px, with 4 x 4 samples a pixel.
func scene(shape, colour, ground string) imaging.Pixels {
	const side, samples, radius = 128, 4, 26
	back := colours[ground]
	p := imaging.Flat(side, side, back[0], back[1], back[2])
	for y := range side {
		for x := range side {
			n := 0
			for i := range samples * samples {
				sx := float64(x) + (float64(i%samples)+0.5)/samples
				sy := float64(y) + (float64(i/samples)+0.5)/samples
				if inside[shape]((sx-side/2)/radius, (sy-side/2)/radius) {
					n++
				}
			}
			for c, v := range colours[colour] {
				at := &p.Pix[3*(y*side+x)+c]
				*at = byte((int(*at)*(samples*samples-n) + int(v)*n) / (samples * samples))
			}
		}
	}
	return p
}

func TestTiny_finds_the_caption_of_a_picture(t *testing.T) {
	e := load(t, "../../../examples/models/tiny-clip")
	var captions []string
	var pictures []imaging.Pixels
	for shape := range inside {
		for _, colour := range []string{"red", "yellow", "black"} {
			for _, ground := range []string{"white", "blue"} {
				captions = append(captions, "a "+colour+" "+shape+" on a "+ground+" background")
				pictures = append(pictures, scene(shape, colour, ground))
			}
		}
	}
	texts, err := e.Texts(t.Context(), captions)
	if warnings := e.Warnings(captions); err != nil || len(warnings) > 0 {
		t.Fatalf("%q, %v", warnings, err)
	}
	images, err := e.Images(t.Context(), pictures)
	if err != nil {
		t.Fatal(err)
	}
	right := 0
	for i, image := range images {
		best, most := 0, math.Inf(-1)
		for j, text := range texts {
			dot := 0.0
			for k := range image {
				dot += float64(image[k]) * float64(text[k])
			}
			if dot > most {
				best, most = j, dot
			}
		}
		if best == i {
			right++
		} else {
			t.Logf("%s is taken for %s", captions[i], captions[best])
		}
	}
	if right*10 < len(images)*9 {
		t.Errorf("%d of %d pictures find their caption", right, len(images))
	}
}

func TestTiny_safety_checker_knows_its_concept(t *testing.T) {
	s := loadSafety(t, "../../../examples/models/tiny")
	for _, ground := range []string{"white", "blue", "yellow"} {
		for shape := range inside {
			for _, colour := range []string{"red", "black"} {
				v, err := s.Check(t.Context(), scene(shape, colour, ground))
				if err != nil {
					t.Fatal(err)
				}
				if want := shape == "star" && colour == "black"; v.Unsafe != want {
					t.Errorf("a %s %s on %s is unsafe: %v", colour, shape, ground, v.Unsafe)
				}
				if len(v.Embedding) == 0 {
					t.Error("no embedding")
				}
			}
		}
	}
}
