package main

import (
	"hash/crc32"
	"math"
	"math/rand/v2"

	"github.com/vision19/vision/sdk/imaging"
)

// world is the side of the captions' world, in px: positions and radii of a scene are in them, whatever size it is rendered at.
const world = 128

// scene is one object on a plain ground, and its exact picture. The numbers are those of examples/models/train/world.py.
type scene struct {
	shape, colour, ground string
	size, position        string
	x, y, r               float64 // the object's middle and radius
	rgb, groundRGB        rgb     // 0 to 255, a little off the palette's
}

// randomness is the source of one case: the same for the same purpose and number.
func randomness(purpose string, number int) *rand.Rand {
	return rand.New(rand.NewPCG(uint64(crc32.ChecksumIEEE([]byte(purpose))), uint64(number)))
}

func uniform(r *rand.Rand, low, high float64) float64 { return low + r.Float64()*(high-low) }

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

var positions = []string{"top left", "top", "top right", "left", "centre", "right", "bottom left", "bottom", "bottom right"}

// radii are the sizes' ranges.
var radii = map[string][2]float64{"small": {14, 17}, "medium": {24, 27.5}, "large": {35, 40}}

// drawScene draws a scene with the world's shares of sizes and positions.
func drawScene(r *rand.Rand, shape string) scene {
	s := scene{shape: shape, ground: pick(r, palette...).name}
	s.groundRGB = jittered(r, s.ground)
	s.recolour(r)
	size, position := "medium", "centre"
	if r.Float64() >= 0.55 {
		size = pick(r, "small", "medium", "large")
	}
	if r.Float64() >= 0.5 {
		position = pick(r, positions...)
	}
	s.place(r, size, position)
	return s
}

// recolour gives the object a colour that neither it nor the ground has. The bundled models refuse a black star: no case asks for one.
func (s *scene) recolour(r *rand.Rand) {
	for old := s.colour; s.colour == old || s.colour == s.ground || s.shape == "star" && s.colour == "black"; {
		s.colour = pick(r, palette...).name
	}
	s.rgb = jittered(r, s.colour)
}

// jittered is a colour of the palette, each channel at most 6 off.
func jittered(r *rand.Rand, colour string) rgb {
	var out rgb
	for _, c := range palette {
		if c.name == colour {
			for i, v := range c.rgb {
				out[i] = max(0, min(255, v+uniform(r, -6, 6)))
			}
		}
	}
	return out
}

// place puts the object there, at least 3 px inside.
func (s *scene) place(r *rand.Rand, size, position string) {
	s.size, s.position = size, position
	s.r = uniform(r, radii[size][0], radii[size][1])
	spread := 3.0
	if position == "centre" {
		spread = 1.5
	}
	at := func(v float64) float64 {
		return max(s.r+3, min(world-3-s.r, v*world+uniform(r, -spread, spread)))
	}
	for i, p := range positions {
		if p == position {
			s.x, s.y = at([]float64{0.26, 0.5, 0.74}[i%3]), at([]float64{0.26, 0.5, 0.74}[i/3])
		}
	}
}

// distances is each pixel's distance to the object's edge, in px of a picture that is side px wide; it is negative inside.
func (s scene) distances(side int) []float64 {
	out := make([]float64, side*side)
	scale := float64(side) / world
	for i := range out {
		x, y := (float64(i%side)+0.5)/scale, (float64(i/side)+0.5)/scale
		out[i] = signedDistance(s.shape, (x-s.x)/s.r, (y-s.y)/s.r) * s.r * scale
	}
	return out
}

// covers says which pixels of a picture that is side px wide are the object's.
func (s scene) covers(side int) []bool {
	out := make([]bool, side*side)
	for i, d := range s.distances(side) {
		out[i] = d < 0
	}
	return out
}

// render paints the scene, RGB, side px wide and high, with anti-aliased edges.
func (s scene) render(side int) imaging.Pixels {
	out := imaging.Pixels{Width: side, Height: side, Channels: 3, Pix: make([]byte, 0, side*side*3)}
	for _, d := range s.distances(side) {
		alpha := max(0, min(1, 0.5-d))
		for c := range 3 {
			out.Pix = append(out.Pix, byte(s.groundRGB[c]+(s.rgb[c]-s.groundRGB[c])*alpha+0.5))
		}
	}
	return out
}

// outline draws the object's edge, white on black, RGB, as a line of that width in px.
func (s scene) outline(side int, width float64) imaging.Pixels {
	out := imaging.Pixels{Width: side, Height: side, Channels: 3, Pix: make([]byte, 0, side*side*3)}
	for _, d := range s.distances(side) {
		v := byte(255*max(0, min(1, 0.5+width/2-math.Abs(d))) + 0.5)
		out.Pix = append(out.Pix, v, v, v)
	}
	return out
}

// box is a mask of one channel, white where any object of this place and size may be and margin px around.
func (s scene) box(side int, margin float64) imaging.Pixels {
	out := imaging.Pixels{Width: side, Height: side, Channels: 1, Pix: make([]byte, side*side)}
	scale := float64(side) / world
	for i := range out.Pix {
		x, y := (float64(i%side)+0.5)/scale, (float64(i/side)+0.5)/scale
		if max(math.Abs(x-s.x), math.Abs(y-s.y)) < s.r*reach+margin {
			out.Pix[i] = 255
		}
	}
	return out
}
