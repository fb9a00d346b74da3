package main

import "math"

// shapes are those of the captions' world.
var shapes = []string{"circle", "square", "triangle", "star", "ring", "heart", "cross", "diamond"}

type point struct{ x, y float64 }

// reach is how far any shape of radius 1 goes from its middle along an axis.
const reach = 1.13

// ringHole is the inner radius of a ring whose outer radius is 1.
const ringHole = 0.48

// outlines are the shapes for radius 1, y down, as examples/models/train/world.py has them; circle and ring have none.
var outlines = map[string][]point{
	"square":   {{-0.88, -0.88}, {0.88, -0.88}, {0.88, 0.88}, {-0.88, 0.88}},
	"triangle": {{0, -0.95}, {1, 0.782}, {-1, 0.782}},
	"diamond":  {{0, -1.1}, {1.1, 0}, {0, 1.1}, {-1.1, 0}},
	"star":     star(),
	"cross":    cross(0.34),
	"heart":    heart(),
}

func star() []point {
	var out []point
	for i := range 10 {
		r, t := 1.1, float64(i)*math.Pi/5
		if i%2 == 1 {
			r = 0.45
		}
		out = append(out, point{r * math.Sin(t), 0.08 - r*math.Cos(t)})
	}
	return out
}

func cross(w float64) []point {
	return []point{{-w, -1}, {w, -1}, {w, -w}, {1, -w}, {1, w}, {w, w}, {w, 1}, {-w, 1}, {-w, w}, {-1, w}, {-1, -w}, {-w, -w}}
}

// heart is x = 16 sin^3 t, y = 13 cos t - 5 cos 2t - 2 cos 3t - cos 4t, sixteen times smaller.
func heart() []point {
	var out []point
	for i := range 72 {
		t := float64(i) / 72 * 2 * math.Pi
		y := 13*math.Cos(t) - 5*math.Cos(2*t) - 2*math.Cos(3*t) - math.Cos(4*t)
		out = append(out, point{math.Pow(math.Sin(t), 3), -y/16 - 0.12})
	}
	return out
}

// signedDistance is the distance of a point to the edge of a shape of radius 1; it is negative inside. Farther than 2 from the middle it is
// a lower bound, for speed.
func signedDistance(shape string, x, y float64) float64 {
	d := math.Sqrt(x*x + y*y)
	switch {
	case shape == "circle":
		return d - 1
	case shape == "ring":
		return math.Abs(d-(1+ringHole)/2) - (1-ringHole)/2
	case d > 2:
		return d - math.Sqrt2*reach
	}
	outline := outlines[shape]
	nearest := math.Inf(1)
	for i, a := range outline {
		nearest = min(nearest, toSegment(x, y, a, outline[(i+1)%len(outline)]))
	}
	if nearest = math.Sqrt(nearest); inside(outline, x, y) {
		return -nearest
	}
	return nearest
}

// toSegment is the square of the distance of a point to the line between a and b.
func toSegment(x, y float64, a, b point) float64 {
	dx, dy := b.x-a.x, b.y-a.y
	along := max(0, min(1, ((x-a.x)*dx+(y-a.y)*dy)/(dx*dx+dy*dy)))
	x, y = x-a.x-along*dx, y-a.y-along*dy
	return x*x + y*y
}

// inside is the even-odd rule.
func inside(outline []point, x, y float64) bool {
	in := false
	for i, a := range outline {
		b := outline[(i+1)%len(outline)]
		if (a.y > y) != (b.y > y) && x < (b.x-a.x)*(y-a.y)/(b.y-a.y)+a.x {
			in = !in
		}
	}
	return in
}

// cells is the side of a normalised mask.
const cells = 48

// templates are the shapes' normalised masks: the longer side of a shape's box fills the cells.
var templates = makeTemplates()

func makeTemplates() map[string][]bool {
	out := map[string][]bool{}
	for _, shape := range shapes {
		low, high := point{-1, -1}, point{1, 1}
		if outline := outlines[shape]; outline != nil {
			low, high = outline[0], outline[0]
			for _, p := range outline {
				low, high = point{min(low.x, p.x), min(low.y, p.y)}, point{max(high.x, p.x), max(high.y, p.y)}
			}
		}
		side := max(high.x-low.x, high.y-low.y)
		mask := make([]bool, cells*cells)
		for i := range mask {
			x := (low.x+high.x)/2 + ((float64(i%cells)+0.5)/cells-0.5)*side
			y := (low.y+high.y)/2 + ((float64(i/cells)+0.5)/cells-0.5)*side
			mask[i] = signedDistance(shape, x, y) < 0
		}
		out[shape] = mask
	}
	return out
}

// bestShape is the shape whose normalised mask overlaps most with this one.
func bestShape(mask []bool) string {
	best, most := "", -1.0
	for _, shape := range shapes {
		if o := overlap(mask, templates[shape]); o > most {
			best, most = shape, o
		}
	}
	return best
}

// overlap is the intersection over union of two masks of one size, 0 to 1.
func overlap(a, b []bool) float64 {
	both, either := 0, 0
	for i := range a {
		if a[i] && b[i] {
			both++
		}
		if a[i] || b[i] {
			either++
		}
	}
	return float64(both) / float64(max(either, 1))
}
