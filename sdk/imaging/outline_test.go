package imaging

import (
	"math"
	"math/rand/v2"
	"testing"
)

// disc is a disc of one colour on another, with an anti-aliased edge.
func disc(side int, radius float64, inside, outside [3]byte) Pixels {
	p := Pixels{Width: side, Height: side, Channels: 3}
	for y := range side {
		for x := range side {
			d := math.Hypot(float64(x)-float64(side-1)/2, float64(y)-float64(side-1)/2) - radius
			share := min(max(0.5-d, 0), 1)
			for c := range 3 {
				p.Pix = append(p.Pix, byte(float64(inside[c])*share+float64(outside[c])*(1-share)+0.5))
			}
		}
	}
	return p
}

// grain adds noise of up to n levels either way.
func grain(p Pixels, n int) Pixels {
	r := rand.New(rand.NewPCG(3, 4))
	out := Pixels{Width: p.Width, Height: p.Height, Channels: p.Channels}
	for _, v := range p.Pix {
		out.Pix = append(out.Pix, byte(min(max(int(v)+r.IntN(2*n+1)-n, 0), 255)))
	}
	return out
}

// reached is what a walk from the upper left corner over black pixels, up, down and sideways, comes to.
func reached(lines Pixels) []bool {
	seen := make([]bool, len(lines.Pix))
	seen[0] = true
	for front := []int{0}; len(front) > 0; {
		i := front[0]
		front = front[1:]
		x, y := i%lines.Width, i/lines.Width
		for _, n := range [][2]int{{x - 1, y}, {x + 1, y}, {x, y - 1}, {x, y + 1}} {
			if n[0] < 0 || n[1] < 0 || n[0] >= lines.Width || n[1] >= lines.Height {
				continue
			}
			if k := n[1]*lines.Width + n[0]; lines.Pix[k] == 0 && !seen[k] {
				seen[k] = true
				front = append(front, k)
			}
		}
	}
	return seen
}

func TestOutline_closes_around_a_shape(t *testing.T) {
	type colour = [3]byte
	for _, c := range []struct {
		name            string
		inside, outside colour
	}{
		{"red on white", colour{255, 0, 0}, colour{255, 255, 255}},
		{"yellow on orange", colour{255, 255, 0}, colour{255, 165, 0}},
		{"pink on gray", colour{245, 130, 190}, colour{128, 128, 128}},
		{"equal luma", colour{200, 50, 50}, colour{50, 126, 54}},
		{"faint", colour{120, 120, 120}, colour{150, 150, 150}},
	} {
		for _, side := range []int{64, 128, 300} {
			for _, radius := range []float64{float64(side) / 9, float64(side) / 3} {
				flat := disc(side, radius, c.inside, c.outside)
				for name, p := range map[string]Pixels{"flat": flat, "grainy": grain(flat, 6)} {
					lines := Outline(p)
					if lines.Width != side || lines.Height != side || lines.Channels != 1 {
						t.Fatalf("%d x %d x %d", lines.Width, lines.Height, lines.Channels)
					}
					if middle := side/2*side + side/2; lines.Pix[middle] != 0 || reached(lines)[middle] {
						t.Errorf("%s, %s, %d px, radius %.0f: the line is not closed", c.name, name, side, radius)
					}
					for i, v := range lines.Pix {
						off := math.Abs(math.Hypot(float64(i%side)-float64(side-1)/2, float64(i/side)-float64(side-1)/2) - radius)
						if (v != 0 && v != 255) || (v == 255 && off > 2+float64(side)/100) {
							t.Fatalf("%s, %s, %d px, radius %.0f: %d at %.1f px from the edge", c.name, name, side, radius, v, off)
						}
					}
				}
			}
		}
	}
}

func TestOutline_of_what_has_no_edges_is_black(t *testing.T) {
	ramp := formula(1, 128, 128, 3)
	hidden := disc(128, 30, [3]byte{255, 0, 0}, [3]byte{0, 255, 0})
	clear := Pixels{Width: 128, Height: 128, Channels: 4}
	for i := 0; i < len(hidden.Pix); i += 3 {
		clear.Pix = append(append(clear.Pix, hidden.Pix[i:i+3]...), 0)
	}
	for name, p := range map[string]Pixels{
		"flat": Flat(128, 96, 10, 200, 90), "ramp": ramp, "fully transparent": clear,
		"grain at 64 px": grain(Flat(64, 64, 128, 128, 128), 6), "grain at 128 px": grain(Flat(128, 128, 128, 128, 128), 8),
		"grain at 300 px": grain(Flat(512, 300, 128, 128, 128), 8),
		"1 px":            Flat(1, 1, 9), "a row": Flat(50, 1, 9, 9, 9),
	} {
		lines := Outline(p)
		if lines.Width != p.Width || lines.Height != p.Height {
			t.Errorf("%s: %d x %d px", name, lines.Width, lines.Height)
		}
		for i, v := range lines.Pix {
			if v != 0 {
				t.Errorf("%s: a line at %d, %d", name, i%p.Width, i/p.Width)
				break
			}
		}
	}
}

func TestOutline_shows_a_cut_out(t *testing.T) {
	p := Flat(64, 64, 0, 0, 0, 0) // black on transparent black
	for y := 20; y < 44; y++ {
		for x := 20; x < 44; x++ {
			p.Pix[4*(y*64+x)+3] = 255
		}
	}
	if lines := Outline(p); reached(lines)[32*64+32] {
		t.Error("the square's rim has no closed line")
	}
}

func BenchmarkOutline_512(b *testing.B) {
	p := grain(disc(512, 150, [3]byte{255, 0, 0}, [3]byte{20, 30, 200}), 6)
	for b.Loop() {
		Outline(p)
	}
}
