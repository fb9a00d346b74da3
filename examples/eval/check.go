package main

import (
	"image"
	"math"
	"slices"

	"github.com/vision19/vision/sdk/imaging"
)

// rgb is a colour, 0 to 255.
type rgb [3]float64

func (a rgb) distance(b rgb) float64 {
	return math.Sqrt((a[0]-b[0])*(a[0]-b[0]) + (a[1]-b[1])*(a[1]-b[1]) + (a[2]-b[2])*(a[2]-b[2]))
}

// named is a colour with its word.
type named struct {
	name string
	rgb  rgb
}

// palette are the colours of the captions' world: CSS values, but for pink.
var palette = []named{
	{"red", rgb{255, 0, 0}}, {"orange", rgb{255, 165, 0}}, {"yellow", rgb{255, 255, 0}}, {"green", rgb{0, 128, 0}},
	{"cyan", rgb{0, 255, 255}}, {"blue", rgb{0, 0, 255}}, {"purple", rgb{128, 0, 128}}, {"pink", rgb{245, 130, 190}},
	{"white", rgb{255, 255, 255}}, {"black", rgb{0, 0, 0}}, {"gray", rgb{128, 128, 128}},
}

// name is the nearest colour of the palette.
func (a rgb) name() string {
	best := palette[0]
	for _, c := range palette {
		if a.distance(c.rgb) < a.distance(best.rgb) {
			best = c
		}
	}
	return best.name
}

// apart is how far a pixel's colour must be from the ground's to be the object's.
const apart = 45

// seen is what the checker sees in a picture: one object on a plain ground. Of an empty picture all is "".
type seen struct {
	background, colour, shape string
	mask                      []bool  // the object's pixels
	size                      float64 // the longer side of the object's bounding box, as a part of the picture's
	x, y                      float64 // its middle, 0 to 1
}

// look reads a picture without knowing what was asked.
func look(picture imaging.Pixels) seen {
	if picture.Width == 0 {
		return seen{}
	}
	p := newPixels(picture)
	ground := p.median(p.frame(4))
	mask := p.largest(func(i int) bool { return p.rgb[i].distance(ground) > apart })
	out := seen{background: ground.name(), mask: mask}
	box := p.bounds(mask)
	if box.Empty() {
		return out
	}
	out.colour = p.median(p.core(mask)).name()
	out.size = float64(max(box.Dx(), box.Dy())) / float64(p.w)
	out.x, out.y = float64(box.Min.X+box.Max.X)/2/float64(p.w), float64(box.Min.Y+box.Max.Y)/2/float64(p.h)
	out.shape = bestShape(p.normalised(mask, box))
	return out
}

// pixels is a picture as colours in a row.
type pixels struct {
	w, h int
	rgb  []rgb
}

func newPixels(picture imaging.Pixels) pixels {
	p := picture.RGB()
	out := pixels{w: p.Width, h: p.Height, rgb: make([]rgb, p.Width*p.Height)}
	for i := range out.rgb {
		out.rgb[i] = rgb{float64(p.Pix[i*3]), float64(p.Pix[i*3+1]), float64(p.Pix[i*3+2])}
	}
	return out
}

// frame are the pixels at most n from the picture's edge.
func (p pixels) frame(n int) []int {
	var out []int
	for i := range p.rgb {
		x, y := i%p.w, i/p.w
		if x < n || y < n || x >= p.w-n || y >= p.h-n {
			out = append(out, i)
		}
	}
	return out
}

func (p pixels) median(at []int) rgb {
	var out rgb
	for c := range out {
		values := make([]float64, len(at))
		for k, i := range at {
			values[k] = p.rgb[i][c]
		}
		slices.Sort(values)
		out[c] = values[len(values)/2]
	}
	return out
}

// largest is the largest 4-connected set of pixels for which is holds.
func (p pixels) largest(is func(int) bool) []bool {
	visited := make([]bool, len(p.rgb))
	var best []int
	for start := range p.rgb {
		if visited[start] || !is(start) {
			continue
		}
		visited[start] = true
		group := []int{start}
		for k := 0; k < len(group); k++ {
			for _, n := range p.neighbours(group[k]) {
				if n >= 0 && !visited[n] && is(n) {
					visited[n] = true
					group = append(group, n)
				}
			}
		}
		if len(group) > len(best) {
			best = group
		}
	}
	out := make([]bool, len(p.rgb))
	for _, i := range best {
		out[i] = true
	}
	return out
}

// neighbours are the pixels left, right, above and below; a negative one is beyond the edge.
func (p pixels) neighbours(i int) [4]int {
	out := [4]int{i - 1, i + 1, i - p.w, i + p.w}
	if i%p.w == 0 {
		out[0] = -1
	}
	if i%p.w == p.w-1 {
		out[1] = -1
	}
	if i+p.w >= len(p.rgb) {
		out[3] = -1
	}
	return out
}

// core is the mask without its edge, where colours mix; the whole mask when nothing is left.
func (p pixels) core(mask []bool) []int {
	var out []int
	for range 3 {
		var at []int
		inner := make([]bool, len(mask))
		for i, m := range mask {
			if !m {
				continue
			}
			at = append(at, i)
			inner[i] = true
			for _, n := range p.neighbours(i) {
				inner[i] = inner[i] && n >= 0 && mask[n]
			}
		}
		if len(at) == 0 {
			break
		}
		out, mask = at, inner
	}
	return out
}

func (p pixels) bounds(mask []bool) image.Rectangle {
	box := image.Rectangle{}
	for i, m := range mask {
		if m {
			box = box.Union(image.Rect(i%p.w, i/p.w, i%p.w+1, i/p.w+1))
		}
	}
	return box
}

// normalised scales the mask so that the longer side of its box fills the cells, and centres it.
func (p pixels) normalised(mask []bool, box image.Rectangle) []bool {
	side := float64(max(box.Dx(), box.Dy()))
	x0, y0 := float64(box.Min.X+box.Max.X)/2-side/2, float64(box.Min.Y+box.Max.Y)/2-side/2
	out := make([]bool, cells*cells)
	for i := range out {
		x := int(math.Floor(x0 + (float64(i%cells)+0.5)/cells*side))
		y := int(math.Floor(y0 + (float64(i/cells)+0.5)/cells*side))
		out[i] = x >= 0 && y >= 0 && x < p.w && y < p.h && mask[y*p.w+x]
	}
	return out
}

// sizeName cuts between the sizes of the captions' world: 22 to 27, 37 to 43 and 55 to 63 % of the side.
func (s seen) sizeName() string {
	switch {
	case s.size == 0:
		return ""
	case s.size < 0.32:
		return "small"
	case s.size < 0.50:
		return "medium"
	}
	return "large"
}

// positionName cuts the picture in nine; a large object cannot go far from the middle.
func (s seen) positionName() string {
	third := func(v float64, low, high string) string {
		switch {
		case v < 0.42:
			return low
		case v > 0.58:
			return high
		}
		return ""
	}
	column, line := third(s.x, "left", "right"), third(s.y, "top", "bottom")
	switch {
	case s.size == 0:
		return ""
	case column == "" && line == "":
		return "centre"
	case column == "":
		return line
	case line == "":
		return column
	}
	return line + " " + column
}

// maxPSNR stands for pictures without a difference, in dB.
const maxPSNR = 99

// psnr is the peak signal-to-noise ratio of two RGB pictures of one size, 20 log10(255 / root mean square difference), in dB, over the pixels
// for which where holds; where may be nil for all.
func psnr(a, b imaging.Pixels, where func(x, y int) bool) float64 {
	p, q := newPixels(a), newPixels(b)
	sum, n := 0.0, 0
	for i := range p.rgb {
		if where == nil || where(i%p.w, i/p.w) {
			d := p.rgb[i].distance(q.rgb[i])
			sum, n = sum+d*d, n+3
		}
	}
	if sum == 0 {
		return maxPSNR
	}
	return min(maxPSNR, 10*math.Log10(255*255*float64(n)/sum))
}
