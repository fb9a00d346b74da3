package imaging

import (
	"bytes"
	"testing"
)

// spots is a mask with gray levels, white and black.
func spots(w, h int) Pixels {
	p := Flat(w, h, 0)
	for i := range p.Pix {
		if x, y := i%w, i/w; (x*7+y*13)%31 == 0 {
			p.Pix[i] = byte(100 + x%156)
		}
	}
	return p
}

// highest looks at the whole disc around a pixel, the slow way; the outside of the picture is ignored.
func highest(p Pixels, x, y, radius int) byte {
	v := p.Pix[y*p.Width+x]
	for dy := -radius; dy <= radius; dy++ {
		for dx := -radius; dx <= radius; dx++ {
			if nx, ny := x+dx, y+dy; dx*dx+dy*dy <= radius*radius && nx >= 0 && ny >= 0 && nx < p.Width && ny < p.Height {
				v = max(v, p.Pix[ny*p.Width+nx])
			}
		}
	}
	return v
}

func TestDilate_takes_the_highest_of_a_disc(t *testing.T) {
	for _, size := range [][2]int{{40, 30}, {1, 1}, {1, 9}, {9, 1}, {3, 2}} {
		p := spots(size[0], size[1])
		for _, radius := range []int{0, 1, 2, 3, 5, 8, 60} {
			grown := Dilate(p, radius)
			for i := range p.Pix {
				x, y := i%p.Width, i/p.Width
				if got, want := grown.Pix[i], highest(p, x, y, radius); got != want {
					t.Fatalf("%v, radius %d: dilated to %d at %d, %d, want %d", size, radius, got, x, y, want)
				}
			}
		}
	}
}

func TestThreshold_splits_at_128(t *testing.T) {
	got := Threshold(Pixels{Width: 4, Height: 1, Channels: 1, Pix: []byte{0, 127, 128, 255}})
	if !bytes.Equal(got.Pix, []byte{0, 0, 255, 255}) {
		t.Errorf("%v", got.Pix)
	}
	if got := Threshold(Flat(1, 1, 255, 255, 255, 0)); !bytes.Equal(got.Pix, []byte{255}) {
		t.Errorf("white of any alpha: %v", got.Pix)
	}
}
