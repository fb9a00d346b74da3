package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"hash/crc32"
	"image"
	"image/color"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// paintShape paints a shape of the world exactly.
func paintShape(shape string, colour, ground [3]float64, x, y, r float64) image.Image {
	img := image.NewNRGBA(image.Rect(0, 0, 128, 128))
	for i := range 128 * 128 {
		px, py := float64(i%128)+0.5, float64(i/128)+0.5
		c := ground
		if covers(shape, (px-x)/r, (py-y)/r) {
			c = colour
		}
		img.SetNRGBA(i%128, i/128, color.NRGBA{uint8(c[0]), uint8(c[1]), uint8(c[2]), 255})
	}
	return img
}

func covers(shape string, x, y float64) bool {
	switch d := x*x + y*y; shape {
	case "circle":
		return d < 1
	case "ring":
		return d < 1 && d > 0.48*0.48
	}
	return inside(outlines[shape], x, y)
}

func TestLook_sees_every_shape_in_every_colour(t *testing.T) {
	for shape := range templates {
		for i, colour := range palette {
			ground := palette[(i+3)%len(palette)]
			for _, place := range []struct {
				x, y, r        float64
				size, position string
			}{{64, 64, 25, "medium", "centre"}, {30, 34, 16, "small", "top left"}, {64, 75, 38, "large", "bottom"}} {
				got := look(paintShape(shape, colour.rgb, ground.rgb, place.x, place.y, place.r))
				if got.shape != shape || got.colour != colour.name || got.background != ground.name {
					t.Errorf("a %s %s on %s at %v is seen as %+v", colour.name, shape, ground.name, place, got)
				}
				if place.size == "medium" && (sizeName(got.size) != "medium" || positionName(got.x, got.y) != "centre") {
					t.Errorf("%s: size %.2f at %.2f, %.2f", shape, got.size, got.x, got.y)
				}
			}
		}
	}
}

func TestLook_sees_nothing_on_an_empty_ground(t *testing.T) {
	if got := look(paintShape("circle", palette[0].rgb, palette[0].rgb, 64, 64, 20)); got.shape != "" || got.background != "red" {
		t.Errorf("%+v", got)
	}
}

func TestHeldout_captions_were_never_trained_on(t *testing.T) {
	var captions []caption
	if err := json.Unmarshal(heldout, &captions); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, c := range captions {
		if crc32.ChecksumIEEE([]byte(c.Prompt))%16 != 0 || seen[c.Prompt] {
			t.Errorf("%q", c.Prompt)
		}
		seen[c.Prompt] = true
	}
	if len(captions) != 256 {
		t.Errorf("%d captions", len(captions))
	}
}

func TestTinyModel_is_what_its_checksums_say(t *testing.T) {
	const dir = "../models/tiny"
	sums, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	total := int64(0)
	for line := range strings.Lines(string(sums)) {
		want, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		total += int64(len(data))
		if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != want {
			t.Errorf("%s has another digest", name)
		}
	}
	if total < 1<<20 || total > 12e6 {
		t.Errorf("the model has %d bytes: at most 12 MB", total)
	}
}
