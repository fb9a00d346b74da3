package compare

import (
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/imaging"
	"github.com/vision19/vision/sdk/schema"
)

func read(t testing.TB, name string, embedding []float32) *Picture {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	p, err := ReadPicture(data, embedding)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func picture(t testing.TB, p imaging.Pixels) *Picture {
	t.Helper()
	out, err := NewPicture(p, nil)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// vector is the features by name.
func vector(t testing.TB, a, b *Picture) map[string]float64 {
	t.Helper()
	f, err := Features(a, b, 1)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for i, name := range Names() {
		out[name] = f[i]
	}
	return out
}

// Golden values by testdata/peer.py: Pillow, NumPy, SciPy, PyWavelets.
func TestFeatures_equal_those_of_Python(t *testing.T) {
	data, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden []struct {
		A, B     string
		Features []float64
	}
	if err := json.Unmarshal(data, &golden); err != nil {
		t.Fatal(err)
	}
	if len(golden) < 15 {
		t.Fatalf("only %d golden pairs", len(golden))
	}
	for _, g := range golden {
		got, err := Features(read(t, g.A, nil), read(t, g.B, nil), 1)
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range g.Features {
			if math.Abs(got[i]-want) > 1e-9*max(1, math.Abs(want)) {
				t.Errorf("%s and %s: %s is %.12g, Python has %.12g", g.A, g.B, features[i], got[i], want)
			}
		}
	}
}

func TestFeatures_of_a_single_pixel_by_hand(t *testing.T) {
	a := imaging.Flat(16, 16, 100, 100, 100)
	b := imaging.Flat(16, 16, 100, 100, 100)
	b.Pix[3*(16*3+5)+1] = 116 // one green sample, 16 higher
	f := vector(t, picture(t, a), picture(t, b))
	for name, want := range map[string]float64{
		"mae": 16.0 / 768, "rmse": math.Sqrt(256.0 / 768), "p99": 0, "max": 16, "block_max": 16.0 / 64, "grid_max": 1, "shift": 16.0 / 256,
		"block_rms": math.Sqrt(.25 * .25 / 12), "ncc": 1, "gradient": 1,
	} {
		if math.Abs(f[name]-want) > 1e-12 {
			t.Errorf("%s is %g, want %g", name, f[name], want)
		}
	}
}

func TestFeatures_of_equal_pictures_are_zero(t *testing.T) {
	for name, p := range map[string]imaging.Pixels{
		"one pixel": imaging.Flat(1, 1, 9, 9, 9), "narrow": noise(1, 3, 50, 3), "flat": imaging.Flat(40, 30, 7), "gray": noise(2, 33, 21, 1), "transparent": noise(3, 20, 20, 4), "colour": noise(4, 64, 48, 3),
	} {
		for feature, v := range vector(t, picture(t, p), picture(t, p)) {
			if feature != "clip" && feature != "painted" && math.Abs(v) > 1e-12 {
				t.Errorf("%s: %s is %g", name, feature, v)
			}
		}
	}
}

func noise(seed uint64, w, h, channels int) imaging.Pixels {
	rng := rand.New(rand.NewPCG(seed, 1))
	p := imaging.Pixels{Width: w, Height: h, Channels: channels, Pix: make([]byte, w*h*channels)}
	for i := range p.Pix {
		p.Pix[i] = byte(rng.Uint32())
	}
	return p
}

func TestFeatures_are_symmetric_and_in_their_ranges(t *testing.T) {
	ranges := map[string]float64{
		"phash": 64, "ahash": 64, "dhash": 64, "colorhash": 42, "whash": 64, "phash256": 256, "mae": 255, "rmse": 255, "p99": 255, "max": 255,
		"block_max": 255, "block_rms": 255, "grid_max": 255, "ncc": 2, "gradient": 2, "ssim": 2, "ssim_worst": 2, "sharpness": 20, "shift": 255, "painted": 1, "clip": 2,
	}
	rng := rand.New(rand.NewPCG(5, 5))
	for n := range 60 {
		w, h := 1+rng.IntN(40), 1+rng.IntN(40)
		a, b := noise(uint64(2*n), w, h, 1+2*rng.IntN(2)), noise(uint64(2*n+1), w, h, 3+rng.IntN(2))
		x, err := NewPicture(a, []float32{1, 0})
		if err != nil {
			t.Fatal(err)
		}
		y, err := NewPicture(b, []float32{rng.Float32(), -rng.Float32()})
		if err != nil {
			t.Fatal(err)
		}
		there, back := vector(t, x, y), vector(t, y, x)
		for name, v := range there {
			if back[name] != v || math.IsNaN(v) || v < 0 || v > ranges[name] {
				t.Fatalf("%d x %d, pair %d: %s is %g, back %g; at most %g", w, h, n, name, v, back[name], ranges[name])
			}
		}
	}
}

func TestFeatures_see_what_lies_behind_transparency(t *testing.T) {
	a, b := noise(1, 20, 20, 4), noise(1, 20, 20, 4)
	for i := 3; i < len(b.Pix); i += 4 {
		b.Pix[i] = 255 - a.Pix[i]
	}
	if f := vector(t, picture(t, a), picture(t, b)); f["mae"] < 10 || f["block_max"] < 5 {
		t.Errorf("another alpha: %v", f)
	}
}

func TestFeatures_of_a_claim_are_hashes_and_the_embedding(t *testing.T) {
	shown := read(t, "00003-reference.png", []float32{1, 0})
	other := read(t, "00003-other-prompt.png", []float32{0, 1})
	f := vector(t, shown, Claim(other.Hashes(), other.Embedding()))
	full := vector(t, shown, other)
	for name, v := range f {
		switch name {
		case "phash", "ahash", "dhash", "colorhash", "painted", "clip":
			if v != full[name] || v == 0 {
				t.Errorf("%s is %g, of the picture %g", name, v, full[name])
			}
		default:
			if !math.IsNaN(v) {
				t.Errorf("%s is %g: it takes pixels", name, v)
			}
		}
	}
}

func TestFeatures_refuse_pictures_of_different_sizes(t *testing.T) {
	if _, err := Features(picture(t, noise(1, 8, 9, 3)), picture(t, noise(1, 9, 8, 3)), 1); !errors.Is(err, ErrSize) {
		t.Error(err)
	}
	if _, err := NewPicture(imaging.Pixels{}, nil); err == nil {
		t.Error("an empty picture is compared")
	}
}

func TestPainted_is_what_the_mask_marks(t *testing.T) {
	mask := imaging.Flat(10, 10, 0)
	for i := range 15 {
		mask.Pix[i] = 255
	}
	png, err := mask.PNG()
	if err != nil {
		t.Fatal(err)
	}
	given := func(name string, data []byte) sdk.Request {
		return sdk.Request{Images: map[string][]sdk.Image{name: {{Data: data}}}}
	}
	masked := sdk.Description{Inputs: []sdk.Input{{Name: "image", Kind: sdk.ImageInput}, {Name: "hole", Kind: sdk.MaskInput}}}
	for name, c := range map[string]struct {
		d    sdk.Description
		r    sdk.Request
		want float64
	}{
		"a mask": {masked, given("hole", png), 0.15}, "no mask given": {masked, given("image", png), 1}, "no mask asked for": {sdk.Description{}, given("hole", png), 1},
	} {
		if got, err := Painted(c.d, c.r); err != nil || got != c.want {
			t.Errorf("%s: %g, %v, want %g", name, got, err, c.want)
		}
	}
	if _, err := Painted(masked, given("hole", []byte("no picture"))); err == nil || !strings.Contains(err.Error(), "hole") {
		t.Errorf("what is no mask: %v", err)
	}
	if dark, light := Marked(imaging.Flat(4, 4, 127)), Marked(imaging.Flat(4, 4, 128)); dark != 0 || light != 1 {
		t.Errorf("gray: %g and %g", dark, light)
	}
	p := picture(t, noise(1, 8, 8, 3))
	for _, share := range []float64{-0.1, 1.1, math.NaN()} {
		if _, err := Features(p, p, share); !errors.Is(err, ErrPainted) {
			t.Errorf("a share of %g: %v", share, err)
		}
	}
}

func TestCosine_is_zero_for_what_is_no_direction(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, c := range []struct {
		a, b []float32
		want float64
	}{
		{[]float32{3, 4}, []float32{6, 8}, 1}, {[]float32{1, 0}, []float32{0, 5}, 0}, {[]float32{1}, []float32{-2}, -1}, {[]float32{1}, []float32{1, 0}, 0},
		{[]float32{0, 0}, []float32{1, 0}, 0}, {nil, nil, 0}, {[]float32{nan, 1}, []float32{1, 1}, 0}, {[]float32{inf, 1}, []float32{inf, 1}, 0},
		{[]float32{3e38, 3e38}, []float32{3e38, 3e38}, 1},
	} {
		if got := Cosine(c.a, c.b); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%v and %v: %g, want %g", c.a, c.b, got, c.want)
		}
	}
}

func TestEmbeddings_are_as_close_as_their_farthest_vectors(t *testing.T) {
	x, y, z := []float32{1, 0}, []float32{0.6, 0.8}, []float32{0, 1}
	for _, c := range []struct {
		a, b [][]float32
		want float64
	}{
		{[][]float32{x, y}, [][]float32{x, y}, 1}, {[][]float32{x, y}, [][]float32{x, z}, 0.8}, {[][]float32{x, y}, [][]float32{y, x}, 0.6},
		{nil, nil, 0}, {[][]float32{x}, [][]float32{x, x}, 0}, {[][]float32{x}, nil, 0},
	} {
		if got := Embeddings(c.a, c.b); math.Abs(got-c.want) > 1e-7 {
			t.Errorf("%v and %v: %g, want %g", c.a, c.b, got, c.want)
		}
	}
}

func TestKindOf_follows_from_the_description_alone(t *testing.T) {
	seed := schema.Schema{{Name: "noise", Type: schema.Int, Random: true}}
	for _, c := range []struct {
		d    sdk.Description
		want Kind
	}{
		{sdk.Description{Output: sdk.Output{Kind: sdk.ImageOutput}, Parameters: seed}, Image},
		{sdk.Description{Output: sdk.Output{Kind: sdk.ImageOutput}}, Strict},
		{sdk.Description{Output: sdk.Output{Kind: sdk.EmbeddingOutput}, Parameters: seed}, Embedding},
	} {
		if got := KindOf(c.d); got != c.want {
			t.Errorf("%v, want %v", got, c.want)
		}
	}
}
