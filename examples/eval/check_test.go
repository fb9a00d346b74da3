package main

import (
	"crypto/sha256"
	"encoding/hex"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vision19/vision/sdk/imaging"
)

func TestLook_sees_every_shape_in_every_colour(t *testing.T) {
	for _, shape := range shapes {
		for i, colour := range palette {
			ground := palette[(i+3)%len(palette)]
			for _, place := range []struct {
				x, y, r        float64
				size, position string
			}{{64, 64, 25, "medium", "centre"}, {30, 34, 16, "small", "top left"}, {64, 75, 38, "large", "bottom"}} {
				s := scene{shape: shape, x: place.x, y: place.y, r: place.r, rgb: colour.rgb, groundRGB: ground.rgb}
				got := look(s.render(world))
				if got.shape != shape || got.colour != colour.name || got.background != ground.name {
					t.Errorf("a %s %s on %s at %v is seen as %s %s on %s", colour.name, shape, ground.name, place, got.colour, got.shape, got.background)
				}
				if place.size == "medium" && (got.sizeName() != "medium" || got.positionName() != "centre") {
					t.Errorf("%s: size %.2f at %.2f, %.2f", shape, got.size, got.x, got.y)
				}
			}
		}
	}
}

func TestLook_reads_true_pictures_of_every_size_rightly(t *testing.T) {
	for side, n := range map[int]int{64: 104, 128: 104, 256: 16} {
		shape := 0
		for i := range n {
			s := drawScene(randomness("look", i), shapes[i%len(shapes)])
			got := look(s.render(side))
			if got.colour != s.colour || got.background != s.ground {
				t.Errorf("%d px: a %s %s on %s is seen as %s on %s", side, s.colour, s.shape, s.ground, got.colour, got.background)
			}
			if o := overlap(got.mask, s.covers(side)); o < 0.7 {
				t.Errorf("%d px: the mask of a %s %s overlaps by %.2f", side, s.size, s.shape, o)
			}
			if got.shape == s.shape {
				shape++
			}
		}
		if shape < n*98/100 {
			t.Errorf("%d px: %d shapes of %d", side, shape, n)
		}
	}
}

func TestLook_sees_nothing_without_an_object(t *testing.T) {
	if got := look(imaging.Flat(world, world, 255, 0, 0)); got.shape != "" || got.colour != "" || got.background != "red" {
		t.Errorf("%+v", got)
	}
	if got := look(imaging.Pixels{}); got.shape != "" || got.background != "" {
		t.Errorf("%+v", got)
	}
}

func TestPSNR_is_of_the_chosen_pixels(t *testing.T) {
	a, b := imaging.Flat(4, 2, 100, 100, 100), imaging.Flat(4, 2, 100, 100, 100)
	b.Pix[0] = 110 // one channel of the first pixel
	for name, c := range map[string]struct {
		where func(x, y int) bool
		want  float64
	}{
		"all":       {nil, 10 * math.Log10(255*255*24/100.0)},
		"the first": {func(x, y int) bool { return x == 0 && y == 0 }, 10 * math.Log10(255*255*3/100.0)},
		"the rest":  {func(x, _ int) bool { return x > 0 }, maxPSNR},
	} {
		if got := psnr(a, b, c.where); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s: %v dB, want %v", name, got, c.want)
		}
	}
}

func TestHeldout_captions_were_never_trained_on(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range heldout {
		if !heldOut(c.Prompt) || seen[c.Prompt] || c.Colour == "black" && c.Shape == "star" {
			t.Errorf("%q", c.Prompt)
		}
		seen[c.Prompt] = true
	}
	if len(heldout) != 256 {
		t.Errorf("%d captions", len(heldout))
	}
}

func TestTinyModels_are_what_their_checksums_say(t *testing.T) {
	folders, err := filepath.Glob("../models/tiny*")
	if err != nil || len(folders) == 0 {
		t.Fatal(folders, err)
	}
	total := int64(0)
	for _, folder := range folders {
		sums, err := os.ReadFile(filepath.Join(folder, "SHA256SUMS"))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(sums)) {
			want, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
			data, err := os.ReadFile(filepath.Join(folder, name))
			if err != nil {
				t.Fatal(err)
			}
			total += int64(len(data))
			if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != want {
				t.Errorf("%s/%s has another digest", folder, name)
			}
		}
	}
	if total < 1<<20 || total > 20e6 {
		t.Errorf("the models have %d bytes: at most 20 MB", total)
	}
}
