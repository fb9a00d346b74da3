package main

import (
	"image"
	"math"
	"slices"
)

// palette are the colours of the captions' world: CSS values, but for pink.
var palette = []struct {
	name string
	rgb  [3]float64
}{
	{"red", [3]float64{255, 0, 0}}, {"orange", [3]float64{255, 165, 0}}, {"yellow", [3]float64{255, 255, 0}}, {"green", [3]float64{0, 128, 0}},
	{"cyan", [3]float64{0, 255, 255}}, {"blue", [3]float64{0, 0, 255}}, {"purple", [3]float64{128, 0, 128}}, {"pink", [3]float64{245, 130, 190}},
	{"white", [3]float64{255, 255, 255}}, {"black", [3]float64{0, 0, 0}}, {"gray", [3]float64{128, 128, 128}},
}

func distance(a, b [3]float64) float64 {
	return math.Sqrt((a[0]-b[0])*(a[0]-b[0]) + (a[1]-b[1])*(a[1]-b[1]) + (a[2]-b[2])*(a[2]-b[2]))
}

func nearest(rgb [3]float64) string {
	best := 0
	for i, c := range palette {
		if distance(rgb, c.rgb) < distance(rgb, palette[best].rgb) {
			best = i
		}
	}
	return palette[best].name
}

// seen is what the checker sees in a picture: one object on a plain ground.
type seen struct {
	background, colour, shape string
	size                      float64 // the longer side of the object's bounding box, as a part of the picture's
	x, y                      float64 // its middle, 0 to 1
}

// look reads a picture without knowing what was asked.
func look(img image.Image) seen {
	p := newPixels(img)
	ground := p.median(p.frame(4))
	mask := p.largest(func(i int) bool { return distance(p.rgb[i], ground) > 45 })
	out := seen{background: nearest(ground)}
	if len(mask) == 0 {
		return out
	}
	out.colour = nearest(p.median(p.core(mask)))
	box := p.bounds(mask)
	out.size = float64(max(box.Dx(), box.Dy())) / float64(p.w)
	out.x, out.y = float64(box.Min.X+box.Max.X)/2/float64(p.w), float64(box.Min.Y+box.Max.Y)/2/float64(p.h)
	out.shape = bestShape(p.normalised(mask, box))
	return out
}

// pixels is a picture as colours in a row.
type pixels struct {
	w, h int
	rgb  [][3]float64
}

func newPixels(img image.Image) pixels {
	b := img.Bounds()
	p := pixels{w: b.Dx(), h: b.Dy()}
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			r, g, bl, _ := img.At(x, y).RGBA()
			p.rgb = append(p.rgb, [3]float64{float64(r >> 8), float64(g >> 8), float64(bl >> 8)})
		}
	}
	return p
}

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

func (p pixels) median(at []int) [3]float64 {
	var out [3]float64
	for c := range 3 {
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
func (p pixels) largest(is func(int) bool) map[int]bool {
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
				if !visited[n] && is(n) {
					visited[n] = true
					group = append(group, n)
				}
			}
		}
		if len(group) > len(best) {
			best = group
		}
	}
	out := make(map[int]bool, len(best))
	for _, i := range best {
		out[i] = true
	}
	return out
}

func (p pixels) neighbours(i int) []int {
	out := make([]int, 0, 4)
	x, y := i%p.w, i/p.w
	for _, d := range [][2]int{{-1, 0}, {1, 0}, {0, -1}, {0, 1}} {
		if nx, ny := x+d[0], y+d[1]; nx >= 0 && ny >= 0 && nx < p.w && ny < p.h {
			out = append(out, ny*p.w+nx)
		}
	}
	return out
}

// core is the mask without its edge, where colours mix; the whole mask when nothing is left.
func (p pixels) core(mask map[int]bool) []int {
	for range 2 {
		inner := map[int]bool{}
		for i := range mask {
			all := true
			for _, n := range p.neighbours(i) {
				all = all && mask[n]
			}
			if all {
				inner[i] = true
			}
		}
		if len(inner) == 0 {
			break
		}
		mask = inner
	}
	var out []int
	for i := range mask {
		out = append(out, i)
	}
	return out
}

func (p pixels) bounds(mask map[int]bool) image.Rectangle {
	box := image.Rectangle{}
	for i := range mask {
		box = box.Union(image.Rect(i%p.w, i/p.w, i%p.w+1, i/p.w+1))
	}
	return box
}

// cells is the side of a normalised mask.
const cells = 48

// normalised scales the mask so that the longer side of its box fills the cells, and centres it.
func (p pixels) normalised(mask map[int]bool, box image.Rectangle) []bool {
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
