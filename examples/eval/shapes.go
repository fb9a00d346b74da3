package main

import "math"

type point struct{ x, y float64 }

// outlines are the shapes of the captions' world, y down; circle and ring have none.
var outlines = map[string][]point{
	"square":   {{-1, -1}, {1, -1}, {1, 1}, {-1, 1}},
	"triangle": {{0, -0.95}, {1, 0.782}, {-1, 0.782}},
	"diamond":  {{0, -1}, {1, 0}, {0, 1}, {-1, 0}},
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
		out = append(out, point{r * math.Sin(t), -r * math.Cos(t)})
	}
	return out
}

func cross(w float64) []point {
	return []point{{-w, -1}, {w, -1}, {w, -w}, {1, -w}, {1, w}, {w, w}, {w, 1}, {-w, 1}, {-w, w}, {-1, w}, {-1, -w}, {-w, -w}}
}

// heart is x = 16 sin^3 t, y = 13 cos t - 5 cos 2t - 2 cos 3t - cos 4t.
func heart() []point {
	var out []point
	for i := range 72 {
		t := float64(i) / 72 * 2 * math.Pi
		y := 13*math.Cos(t) - 5*math.Cos(2*t) - 2*math.Cos(3*t) - math.Cos(4*t)
		out = append(out, point{math.Pow(math.Sin(t), 3), -y / 16})
	}
	return out
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

// templates are the shapes' normalised masks.
var templates = makeTemplates()

func makeTemplates() map[string][]bool {
	out := map[string][]bool{}
	add := func(name string, low, high point, in func(x, y float64) bool) {
		side := max(high.x-low.x, high.y-low.y)
		mask := make([]bool, cells*cells)
		for i := range mask {
			x := (low.x+high.x)/2 + ((float64(i%cells)+0.5)/cells-0.5)*side
			y := (low.y+high.y)/2 + ((float64(i/cells)+0.5)/cells-0.5)*side
			mask[i] = in(x, y)
		}
		out[name] = mask
	}
	add("circle", point{-1, -1}, point{1, 1}, func(x, y float64) bool { return math.Hypot(x, y) < 1 })
	add("ring", point{-1, -1}, point{1, 1}, func(x, y float64) bool { r := math.Hypot(x, y); return r < 1 && r > 0.48 })
	for name, outline := range outlines {
		low, high := outline[0], outline[0]
		for _, p := range outline {
			low, high = point{min(low.x, p.x), min(low.y, p.y)}, point{max(high.x, p.x), max(high.y, p.y)}
		}
		add(name, low, high, func(x, y float64) bool { return inside(outline, x, y) })
	}
	return out
}

// bestShape is the shape whose mask overlaps most: intersection over union.
func bestShape(mask []bool) string {
	best, most := "", -1.0
	for name, template := range templates {
		both, either := 0, 0
		for i, m := range mask {
			if m && template[i] {
				both++
			}
			if m || template[i] {
				either++
			}
		}
		if iou := float64(both) / float64(either); iou > most {
			best, most = name, iou
		}
	}
	return best
}
