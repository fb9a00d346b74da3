package imaging

import (
	"math"
	"slices"
)

// What Outline takes for a line, as shares of the slope of the picture's steep edges: a line has an edge of the strong share somewhere, and goes
// on along edges of the weak share. The floors are slopes in 1/257 of a level over 2 px that the grain of photos stays below.
const (
	strongShare = 0.40
	weakShare   = 0.16
	strongFloor = 8 * 257
	weakFloor   = 3 * 257
)

// Outline draws a picture's edges as white lines on black, gray, of the same size: J. Canny, A computational approach to edge detection, 1986.
// Each channel is blurred (sigma about 1 px at a shorter side of 128 px, 2 px at 512 px) and its slope taken by Sobel's operator; at
// each pixel the channel with the steepest slope counts, so that colours of equal brightness part, and with alpha a cut-out's rim shows.
// Of each edge only the crest is kept, from strong crests on to the weak ones beside them, and specks are left out. Lines are 3 px wide at
// 128 px, 7 px at 512 px.
func Outline(p Pixels) Pixels {
	if p.Width < 1 || p.Height < 1 {
		return Pixels{}
	}
	if p.Channels == 4 {
		p = p.premultiply() // what cannot be seen has no edges
	}
	side := min(p.Width, p.Height)
	crests := newSlopes(p, side/128+1).crests()
	var edges []int32
	for _, v := range crests {
		if v >= weakFloor {
			edges = append(edges, v)
		}
	}
	lines := Flat(p.Width, p.Height, 0)
	if len(edges) > 0 {
		slices.Sort(edges)
		steep := float64(edges[len(edges)*9/10])
		follow(lines, crests, max(int32(strongShare*steep), strongFloor), max(int32(weakShare*steep), weakFloor), side/20)
	}
	return Dilate(lines, max(1, (side+64)/192))
}

// slopes is the slope at each pixel, to the right and down, of the channel that is steepest there. In units of 1/257 of a level over 2 px.
type slopes struct {
	width, height int
	right, down   []int32
	steepness     []int32
}

func newSlopes(p Pixels, reach int) slopes {
	w, h := p.Width, p.Height
	s := slopes{w, h, make([]int32, w*h), make([]int32, w*h), make([]int32, w*h)}
	for c := range p.Channels {
		smooth := newPlane(p, c).blur(reach).values
		for y := range h {
			above, here, below := smooth[max(y-1, 0)*w:][:w], smooth[y*w:][:w], smooth[min(y+1, h-1)*w:][:w]
			for x := range w {
				l, r := max(x-1, 0), min(x+1, w-1)
				right := (above[r] - above[l] + 2*(here[r]-here[l]) + below[r] - below[l]) / 4
				down := (below[l] - above[l] + 2*(below[x]-above[x]) + below[r] - above[r]) / 4
				steep := int32(math.Sqrt(float64(right)*float64(right) + float64(down)*float64(down)))
				if i := y*w + x; steep > s.steepness[i] {
					s.right[i], s.down[i], s.steepness[i] = right, down, steep
				}
			}
		}
	}
	return s
}

// crests keeps the steepness where no neighbour across the edge has more; elsewhere it is 0. Directions are rounded to 45 degrees.
func (s slopes) crests() []int32 {
	out := make([]int32, len(s.steepness))
	for y := range s.height {
		for x := range s.width {
			i := y*s.width + x
			dx, dy := 0, 0
			right, down := math.Abs(float64(s.right[i])), math.Abs(float64(s.down[i]))
			const tan22 = 0.41421356
			if down > tan22*right {
				dy = 1
			}
			if right > tan22*down {
				dx = 1
			}
			if dx == 1 && dy == 1 && (s.right[i] < 0) != (s.down[i] < 0) {
				dy = -1
			}
			// Of two equal neighbours one is kept.
			if v := s.steepness[i]; v > s.at(x-dx, y-dy) && v >= s.at(x+dx, y+dy) {
				out[i] = v
			}
		}
	}
	return out
}

func (s slopes) at(x, y int) int32 {
	if x < 0 || y < 0 || x >= s.width || y >= s.height {
		return 0
	}
	return s.steepness[y*s.width+x]
}

// follow draws the crests that are strong, and from there on the neighbours that are weak (hysteresis); lines of fewer px than least are
// specks and left out. It uses crests up.
func follow(lines Pixels, crests []int32, strong, weak int32, least int) {
	var line []int
	for start, v := range crests {
		if v < strong {
			continue
		}
		crests[start] = 0
		line = append(line[:0], start)
		for i := 0; i < len(line); i++ {
			x, y := line[i]%lines.Width, line[i]/lines.Width
			for ny := max(y-1, 0); ny <= min(y+1, lines.Height-1); ny++ {
				for nx := max(x-1, 0); nx <= min(x+1, lines.Width-1); nx++ {
					if n := ny*lines.Width + nx; crests[n] >= weak {
						crests[n] = 0
						line = append(line, n)
					}
				}
			}
		}
		if len(line) >= least {
			for _, i := range line {
				lines.Pix[i] = 255
			}
		}
	}
}
