package synth

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/imaging"
)

// colour is red, green, blue, 0 to 255.
type colour [3]float64

func anyColour(rng *rand.Rand) colour {
	return colour{between(rng, 0, 255), between(rng, 0, 255), between(rng, 0, 255)}
}

// mix goes from a colour to another one as t goes from 0 to 1.
func (c colour) mix(o colour, t float64) colour {
	t = max(0, min(1, t))
	for i := range c {
		c[i] += (o[i] - c[i]) * t
	}
	return c
}

// shade is what a procedural picture shows at a point; x and y go from 0 to 1.
type shade func(x, y float64) colour

// kinds are the procedural pictures, by name.
var kinds = []struct {
	name string
	make func(rng *rand.Rand) shade
}{
	{"gradient", gradient}, {"clouds", clouds}, {"stripes", stripes}, {"checker", checker}, {"shapes", shapes}, {"cells", cells}, {"plasma", plasma},
	{"landscape", landscape}, {"skyline", skyline}, {"rings", rings},
}

// Kinds names the procedural pictures.
func Kinds() []string {
	var names []string
	for _, k := range kinds {
		names = append(names, k.name)
	}
	return names
}

// Procedural is a Source that draws its pictures by formula: for hosts without a network, and for whenever another source is down.
type Procedural struct{ Kind string } // one of Kinds; "" is any

// Picture implements Source. Sides are 256 to 512 px, fewer where maxPixels allows fewer. It fails only on a kind that does not exist, or none that fits.
func (p Procedural) Picture(_ context.Context, rng *rand.Rand, maxPixels int) (sdk.Image, error) {
	width, height := size(rng, maxPixels)
	pixels, err := p.Paint(rng, width, height)
	if err != nil {
		return sdk.Image{}, err
	}
	return encode(pixels)
}

// Paint draws a picture of a size in px.
func (p Procedural) Paint(rng *rand.Rand, width, height int) (imaging.Pixels, error) {
	k := rng.IntN(len(kinds))
	if p.Kind != "" {
		if k = slices.Index(Kinds(), p.Kind); k < 0 {
			return imaging.Pixels{}, fmt.Errorf("no kind of picture is called %q; there are %s", p.Kind, strings.Join(Kinds(), ", "))
		}
	}
	out := paint(kinds[k].make(rng), width, height)
	grain := rng.IntN(7) // no two pixels of a photo are equal either
	for i, v := range out.Pix {
		out.Pix[i] = byte(max(0, min(255, int(v)+rng.IntN(2*grain+1)-grain)))
	}
	return out, nil
}

// paint evaluates a picture at the pixels' middles.
func paint(at shade, width, height int) imaging.Pixels {
	out := imaging.Flat(width, height, 0, 0, 0)
	i := 0
	for y := range height {
		for x := range width {
			for _, v := range at((float64(x)+.5)/float64(width), (float64(y)+.5)/float64(height)) {
				out.Pix[i] = byte(max(0, min(255, v)))
				i++
			}
		}
	}
	return out
}

// The sides of pictures that requests begin with, in px.
const (
	minSide = 64
	maxSide = 512
)

// size draws the sides of a picture of at most so many pixels: between the half and the whole of what there may be.
func size(rng *rand.Rand, maxPixels int) (width, height int) {
	most := max(1, min(maxSide, int(math.Sqrt(float64(max(maxPixels, 1))))))
	least := min(most, max(minSide, most/2))
	side := func() int { return least + rng.IntN(most-least+1) }
	return side(), side()
}

func encode(p imaging.Pixels) (sdk.Image, error) {
	data, err := p.PNG()
	return sdk.Image{MediaType: sdk.PNG, Width: p.Width, Height: p.Height, Data: data}, err
}

func gradient(rng *rand.Rand) shade {
	a, b, c := anyColour(rng), anyColour(rng), anyColour(rng)
	angle := between(rng, 0, 2*math.Pi)
	dx, dy := math.Cos(angle), math.Sin(angle)
	return func(x, y float64) colour {
		t := (dx*(x-.5) + dy*(y-.5)) + .5
		return a.mix(b, t).mix(c, x*y)
	}
}

// lattice is smooth noise, 0 to 1, with random values on a grid.
func lattice(rng *rand.Rand, n int) func(x, y float64) float64 {
	grid := make([]float64, (n+2)*(n+2))
	for i := range grid {
		grid[i] = rng.Float64()
	}
	smooth := func(t float64) float64 { return t * t * (3 - 2*t) }
	return func(x, y float64) float64 {
		x, y = max(0, min(1, x))*float64(n), max(0, min(1, y))*float64(n)
		i, j := int(x), int(y)
		u, v := smooth(x-float64(i)), smooth(y-float64(j))
		at := func(i, j int) float64 { return grid[j*(n+2)+i] }
		top, bottom := at(i, j)*(1-u)+at(i+1, j)*u, at(i, j+1)*(1-u)+at(i+1, j+1)*u
		return top*(1-v) + bottom*v
	}
}

// octaves is noise of several scales, as clouds and hills have it.
func octaves(rng *rand.Rand) func(x, y float64) float64 {
	var layers []func(x, y float64) float64
	for _, n := range []int{3, 6, 12, 24, 48} {
		layers = append(layers, lattice(rng, n))
	}
	return func(x, y float64) float64 {
		sum, weight, all := 0.0, 1.0, 0.0
		for _, l := range layers {
			sum += weight * l(x, y)
			all += weight
			weight /= 2
		}
		return sum / all
	}
}

func clouds(rng *rand.Rand) shade {
	a, b, n := anyColour(rng), anyColour(rng), octaves(rng)
	return func(x, y float64) colour { return a.mix(b, 3*n(x, y)-1) }
}

func stripes(rng *rand.Rand) shade {
	a, b := anyColour(rng), anyColour(rng)
	angle, width, bend := between(rng, 0, math.Pi), between(rng, 0.03, 0.2), between(rng, 0, 0.1)
	dx, dy := math.Cos(angle), math.Sin(angle)
	return func(x, y float64) colour {
		t := (dx*x + dy*y + bend*math.Sin(12*(x-y))) / width
		if math.Mod(math.Abs(t), 2) < 1 {
			return a
		}
		return b
	}
}

func checker(rng *rand.Rand) shade {
	a, b, n, m := anyColour(rng), anyColour(rng), float64(3+rng.IntN(10)), float64(3+rng.IntN(10))
	return func(x, y float64) colour {
		if (int(x*n)+int(y*m))%2 == 0 {
			return a.mix(b, x/4)
		}
		return b.mix(a, y/4)
	}
}

// shapes are discs and boxes on a plain ground: what the bundled models paint.
func shapes(rng *rand.Rand) shade {
	type shape struct {
		x, y, w, h float64
		round      bool
		c          colour
	}
	ground := anyColour(rng)
	var all []shape
	for range 2 + rng.IntN(5) {
		all = append(all, shape{between(rng, 0.1, 0.9), between(rng, 0.1, 0.9), between(rng, 0.08, 0.3), between(rng, 0.08, 0.3), rng.IntN(2) == 0, anyColour(rng)})
	}
	return func(x, y float64) colour {
		c := ground
		for _, s := range all {
			u, v := (x-s.x)/s.w, (y-s.y)/s.h
			if s.round && u*u+v*v < 1 || !s.round && max(math.Abs(u), math.Abs(v)) < 1 {
				c = s.c
			}
		}
		return c
	}
}

// cells are a Voronoi diagram.
func cells(rng *rand.Rand) shade {
	n := 8 + rng.IntN(30)
	xs, ys, cs := make([]float64, n), make([]float64, n), make([]colour, n)
	for i := range n {
		xs[i], ys[i], cs[i] = rng.Float64(), rng.Float64(), anyColour(rng)
	}
	return func(x, y float64) colour {
		best, nearest := 9.0, 0
		for i := range n {
			if d := (x-xs[i])*(x-xs[i]) + (y-ys[i])*(y-ys[i]); d < best {
				best, nearest = d, i
			}
		}
		return cs[nearest].mix(colour{}, math.Sqrt(best))
	}
}

func plasma(rng *rand.Rand) shade {
	var f, phase [6]float64
	for i := range f {
		f[i], phase[i] = between(rng, 2, 16), between(rng, 0, 2*math.Pi)
	}
	return func(x, y float64) colour {
		wave := func(i int) float64 {
			return 127.5 + 63*math.Sin(f[i]*x+phase[i]) + 63*math.Sin(f[(i+3)%6]*y+phase[(i+2)%6]+2*x)
		}
		return colour{wave(0), wave(1), wave(2)}
	}
}

// landscape is a sky over ridges that grow darker as they come nearer.
func landscape(rng *rand.Rand) shade {
	sky, horizon, ground := anyColour(rng), anyColour(rng), anyColour(rng)
	n := 3 + rng.IntN(3)
	var ridges []func(x, y float64) float64
	for range n {
		ridges = append(ridges, octaves(rng))
	}
	return func(x, y float64) colour {
		c := sky.mix(horizon, 1.5*y)
		for i, r := range ridges {
			depth := float64(i+1) / float64(n)
			if y > 0.25+0.5*depth-0.35*r(x, depth) {
				c = horizon.mix(ground, depth).mix(colour{}, depth/2)
			}
		}
		return c
	}
}

// skyline is a row of houses with windows.
func skyline(rng *rand.Rand) shade {
	n := 5 + rng.IntN(10)
	heights, walls := make([]float64, n), make([]colour, n)
	for i := range n {
		heights[i], walls[i] = between(rng, 0.2, 0.85), anyColour(rng).mix(colour{}, 0.4)
	}
	sky, dusk, lit := anyColour(rng), anyColour(rng), colour{250, 220, 120}
	return func(x, y float64) colour {
		i := min(n-1, int(x*float64(n)))
		if y < 1-heights[i] {
			return sky.mix(dusk, y)
		}
		u, v := math.Mod(x*float64(n)*4, 1), math.Mod(y*24, 1)
		if u > .3 && u < .7 && v > .3 && v < .75 && (i*7+int(x*float64(n)*4)*3+int(y*24)*5)%4 != 0 {
			return lit
		}
		return walls[i]
	}
}

func rings(rng *rand.Rand) shade {
	a, b := anyColour(rng), anyColour(rng)
	cx, cy, f := between(rng, 0.2, 0.8), between(rng, 0.2, 0.8), between(rng, 20, 80)
	return func(x, y float64) colour {
		return a.mix(b, .5+.5*math.Sin(f*math.Hypot(x-cx, y-cy)))
	}
}
