package upscale

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vision19/vision/sdk/diffusion/internal/fixture"
	"github.com/vision19/vision/sdk/imaging"
	"github.com/vision19/vision/sdk/onnx"
)

func TestMain(m *testing.M) { fixture.Main(m) }

const tiny = "../../../examples/models/tiny-upscale"

func load(t testing.TB, path string) *Upscaler {
	t.Helper()
	if _, err := onnx.Find(); err != nil {
		t.Skip("skipped, run make first:", err)
	}
	m, err := Inspect(path)
	if err != nil {
		t.Fatal(err)
	}
	u, err := Load(t.Context(), m, onnx.Options{Threads: 1}, func(float64, string) {})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = u.Close() })
	return u
}

func enlarge(t testing.TB, u *Upscaler, p imaging.Pixels, scale, tile int) imaging.Pixels {
	t.Helper()
	out, err := u.Enlarge(t.Context(), p, scale, tile, func(int, int) {})
	if err != nil {
		t.Fatal(err)
	}
	if out.Width != scale*p.Width || out.Height != scale*p.Height {
		t.Fatalf("%d x %d px become %d x %d", p.Width, p.Height, out.Width, out.Height)
	}
	return out
}

func TestRealESRGAN_enlarges_as_in_PyTorch(t *testing.T) {
	for _, family := range []string{"realesrgan-x2", "realesrgan-x4"} {
		var ref struct {
			Tolerance float64
			Scale     int
			Image     fixture.Picture
			Output    string
		}
		fixture.Load(t, family, &ref)
		u := load(t, fixture.Folder(t, family))
		got, err := u.networks[ref.Scale].run(t.Context(), ref.Image.Pixels())
		if err != nil {
			t.Fatal(err)
		}
		want := fixture.U16(t, family, ref.Output)
		if len(got) != len(want) {
			t.Fatalf("%s: %d numbers, want %d", family, len(got), len(want))
		}
		for i, v := range got {
			if v = min(max(v, 0), 1); !(math.Abs(float64(v-want[i])) <= ref.Tolerance) {
				t.Fatalf("%s: number %d is %g, want %g", family, i, v, want[i])
			}
		}
	}
}

// picture is smooth, with an edge.
func picture(w, h, channels int) imaging.Pixels {
	p := imaging.Pixels{Width: w, Height: h, Channels: channels}
	for y := range h {
		for x := range w {
			v := []byte{byte(x * 255 / w), byte(y * 255 / h), byte(255 * ((x/11 + y/7) % 2)), byte(x * 5)}
			p.Pix = append(p.Pix, v[:channels]...)
		}
	}
	return p
}

func TestEnlarge_in_tiles_shows_no_seam(t *testing.T) {
	u := load(t, tiny)
	// Other sizes are padded, which changes what lies at the very edge of the picture.
	for _, size := range [][2]int{{152, 92}, {64, 200}, {100, 36}} {
		p := picture(size[0], size[1], 3)
		for _, scale := range []int{2, 4} {
			whole, tiled := enlarge(t, u, p, scale, 1024), enlarge(t, u, p, scale, 64)
			for i, v := range whole.Pix {
				if d := int(v) - int(tiled.Pix[i]); d < -1 || d > 1 {
					t.Fatalf("%v times %d: sample %d is %d in tiles and %d in one piece", size, scale, i, tiled.Pix[i], v)
				}
			}
		}
	}
}

func TestEnlarge_takes_any_size_and_keeps_alpha(t *testing.T) {
	u := load(t, tiny)
	for _, size := range [][2]int{{1, 1}, {3, 5}, {30, 20}} {
		for _, channels := range []int{1, 3, 4} {
			p := picture(size[0], size[1], channels)
			out := enlarge(t, u, p, 2, 64)
			if want := max(channels, 3); out.Channels != want {
				t.Errorf("%d channels become %d", channels, out.Channels)
			}
		}
	}
	glass := imaging.Flat(8, 8, 200, 100, 0, 77)
	for i, v := range enlarge(t, u, glass, 4, 64).Pix {
		if i%4 == 3 && v != 77 {
			t.Fatalf("alpha becomes %d", v)
		}
	}
}

func TestEnlarge_makes_up_for_a_network_that_is_not_there(t *testing.T) {
	for _, name := range []string{"x2.onnx", "x4.onnx"} {
		u := load(t, filepath.Join(tiny, name))
		for _, scale := range []int{2, 4} {
			enlarge(t, u, picture(20, 12, 3), scale, 64)
		}
	}
}

func TestEnlarge_ends_between_tiles(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	steps := 0
	_, err := load(t, tiny).Enlarge(ctx, picture(300, 300, 3), 2, 64, func(int, int) { steps++; cancel() })
	if !errors.Is(err, context.Canceled) || steps != 1 {
		t.Errorf("after %d tiles: %v", steps, err)
	}
}

func TestInspect_says_what_is_wrong(t *testing.T) {
	network, err := os.ReadFile(filepath.Join(tiny, "x2.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		files map[string][]byte
		open  string
		want  string
	}{
		"nothing there":     {nil, "nowhere", "is not there"},
		"no network":        {map[string][]byte{"model.onnx": network, "README.md": nil}, "", "has no network"},
		"two of one scale":  {map[string][]byte{"x2.onnx": network, "RealESRGAN_x2plus.onnx": network}, "", "both of scale 2"},
		"no scale in name":  {map[string][]byte{"sharp.onnx": network}, "sharp.onnx", "does not say the scale"},
		"half a file":       {map[string][]byte{"x4.onnx": network[:len(network)/2]}, "", "x4.onnx"},
		"text for a model":  {map[string][]byte{"x4.onnx": []byte("hello")}, "", "x4.onnx"},
		"folder of a scale": {map[string][]byte{"x2/model.onnx": bytes.Repeat([]byte{1}, 9)}, "", "x2/model.onnx"},
	} {
		dir := t.TempDir()
		for file, data := range c.files {
			path := filepath.Join(dir, file)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := Inspect(filepath.Join(dir, c.open)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestLoad_refuses_a_network_of_another_scale(t *testing.T) {
	if _, err := onnx.Find(); err != nil {
		t.Skip("skipped, run make first:", err)
	}
	network, err := os.ReadFile(filepath.Join(tiny, "x2.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "x4.onnx")
	if err := os.WriteFile(path, network, 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := Inspect(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Load(t.Context(), m, onnx.Options{Threads: 1}, func(float64, string) {}); err == nil || !strings.Contains(err.Error(), "x4") {
		t.Errorf("%v", err)
	}
}
