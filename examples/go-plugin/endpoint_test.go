package main

import (
	"context"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/imaging"
	"github.com/vision19/vision/sdk/schema"
	"github.com/vision19/vision/sdk/sdktest"
)

func TestEndpoint_keeps_the_contract(t *testing.T) {
	sdktest.Test(t, sdktest.InProcess(func() sdk.Endpoint { return &endpoint{} }), sdktest.Options{})
}

func TestPlugin_keeps_the_contract(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "palette")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	sdktest.Test(t, sdktest.Binary(binary), sdktest.Options{})
}

// silent takes progress and wants nothing.
type silent struct{}

func (silent) Step(int, int)      {}
func (silent) WantsPreview() bool { return false }
func (silent) Preview(sdk.Image)  {}

// redrawn is the answer for a picture, decoded.
func redrawn(t *testing.T, p imaging.Pixels, colours, seed int64) imaging.Pixels {
	t.Helper()
	data, err := p.PNG()
	if err != nil {
		t.Fatal(err)
	}
	e := &endpoint{samples: 50_000}
	result, err := e.Infer(context.Background(), sdk.Request{
		Images: map[string][]sdk.Image{"image": {{MediaType: sdk.PNG, Width: p.Width, Height: p.Height, Data: data}}},
		Values: schema.Values{"colours": colours, "steps": int64(12), "seed": seed},
	}, silent{})
	if err != nil {
		t.Fatal(err)
	}
	out, err := imaging.Read(result.Images[0].Data, sdk.DefaultMaxPixels)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func distinct(p imaging.Pixels) map[[3]byte]int {
	out := map[[3]byte]int{}
	rgb := p.RGB()
	for at := 0; at < len(rgb.Pix); at += 3 {
		out[[3]byte(rgb.Pix[at:at+3])]++
	}
	return out
}

func TestPalette_has_at_most_the_colours_that_were_asked_for(t *testing.T) {
	gradient := imaging.Pixels{Width: 64, Height: 64, Channels: 3}
	for y := range 64 {
		for x := range 64 {
			gradient.Pix = append(gradient.Pix, byte(4*x), byte(4*y), byte(2*x+2*y))
		}
	}
	for _, colours := range []int64{2, 6, 32} {
		if n := len(distinct(redrawn(t, gradient, colours, 1))); n < 2 || n > int(colours) {
			t.Errorf("%d colours, asked for %d", n, colours)
		}
	}
}

func TestPalette_finds_the_colours_of_a_picture_that_has_few(t *testing.T) {
	stripes := imaging.Pixels{Width: 30, Height: 8, Channels: 3}
	colours := [][]byte{{200, 30, 30}, {30, 200, 30}, {30, 30, 200}}
	for range stripes.Height {
		for x := range stripes.Width {
			stripes.Pix = append(stripes.Pix, colours[x/10]...)
		}
	}
	for _, asked := range []int64{3, 8} {
		for seed := range int64(5) {
			got := distinct(redrawn(t, stripes, asked, seed))
			for _, c := range colours {
				if got[[3]byte(c)] != 80 {
					t.Errorf("%d colours, seed %d: %v", asked, seed, got)
				}
			}
		}
	}
}

func TestPalette_keeps_transparency(t *testing.T) {
	in := imaging.Flat(4, 4, 10, 20, 30, 0)
	in.Pix[3] = 200
	out := redrawn(t, in, 2, 0)
	if out.Channels != 4 || out.Pix[3] != 200 || out.Pix[7] != 0 {
		t.Errorf("%d channels, alpha %v", out.Channels, out.Pix)
	}
}
