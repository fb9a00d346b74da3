package validator

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/jpeg"
	"math/rand/v2"
	"testing"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/imaging"
	"github.com/vision19/vision/synth"
)

func newRand() *rand.Rand { return rand.New(rand.NewPCG(19, 1)) }

// pngOf gives pictures of a size that differ by their colour.
func pngOf(t testing.TB, width, height int, colour byte) sdk.Image {
	t.Helper()
	data, err := imaging.Flat(width, height, colour, 100, 200).PNG()
	if err != nil {
		t.Fatal(err)
	}
	return sdk.Image{MediaType: "image/png", Width: width, Height: height, Data: data}
}

func jpegOf(t testing.TB, width, height int) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := jpeg.Encode(&out, image.NewGray(image.Rect(0, 0, width, height)), nil); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

type fixed struct {
	picture sdk.Image
	err     error
}

func (f fixed) Picture(context.Context, *rand.Rand, int) (sdk.Image, error) { return f.picture, f.err }

func TestSources_ask_in_turn_and_join_the_errors(t *testing.T) {
	first, second := sdk.Image{Width: 1}, sdk.Image{Width: 2}
	down := errors.New("down")
	for name, c := range map[string]struct {
		sources Sources
		width   int
		errs    []error
	}{
		"the first that has one": {Sources{fixed{first, nil}, fixed{second, nil}}, 1, nil},
		"the next after errors":  {Sources{fixed{sdk.Image{}, ErrEmpty}, fixed{second, nil}}, 2, nil},
		"all fail":               {Sources{fixed{sdk.Image{}, ErrEmpty}, fixed{sdk.Image{}, down}}, 0, []error{ErrEmpty, down}},
		"none":                   {Sources{}, 0, []error{ErrEmpty}},
	} {
		var source synth.Source = c.sources
		got, err := source.Picture(t.Context(), newRand(), 1<<20)
		if got.Width != c.width || (err != nil) != (len(c.errs) > 0) {
			t.Errorf("%s: got width %d, %v", name, got.Width, err)
		}
		for _, want := range c.errs {
			if !errors.Is(err, want) {
				t.Errorf("%s: got %v, want it to be %v", name, err, want)
			}
		}
	}
}
