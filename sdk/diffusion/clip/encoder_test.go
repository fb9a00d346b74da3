package clip

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/vision19/vision/sdk/diffusion/internal/fixture"
	"github.com/vision19/vision/sdk/diffusion/tokenizer"
	"github.com/vision19/vision/sdk/imaging"
	"github.com/vision19/vision/sdk/onnx"
)

func TestMain(m *testing.M) { fixture.Main(m) }

func needLibrary(t testing.TB) {
	t.Helper()
	if _, err := onnx.Find(); err != nil {
		t.Skip("skipped, run make first:", err)
	}
}

// write makes a file of a model folder.
func write(t testing.TB, dir, name string, data []byte) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// asIs is a preprocessing that leaves a picture of 2 x 2 px as it is, but for one more in each number, so that black has a direction too.
const asIs = `{"do_resize": false, "crop_size": 2, "do_rescale": false, "image_mean": [-1, -1, -1], "image_std": [1, 1, 1]}`

// folder makes a model folder without graphs.
func folder(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"vocab.json", "merges.txt"} {
		data, err := os.ReadFile(filepath.Join("../tokenizer/testdata/clip", name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, dir, name, data)
	}
	write(t, dir, "tokenizer_config.json", fmt.Appendf(nil, `{"model_max_length": %d}`, testLength))
	write(t, dir, "preprocessor_config.json", []byte(asIs))
	write(t, dir, "config.json", fmt.Appendf(nil, `{"model_type": "clip", "projection_dim": %d, "vision_config": {"patch_size": %d}}`, testLength, testPatch))
	return dir
}

func load(t testing.TB, dir string) *Encoder {
	t.Helper()
	needLibrary(t)
	m, err := Inspect(dir)
	if err != nil {
		t.Fatal(err)
	}
	e, err := Load(t.Context(), m, onnx.Options{Threads: 1}, func(float64, string) {})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// exports are the forms that a model folder may have.
var exports = map[string]struct {
	form
	both   bool
	folder string
}{
	"two files":                {form: form{ids: int64Type, float: float32Type, batch: -1}},
	"two files with a mask":    {form: form{ids: int64Type, float: float32Type, batch: -1, mask: true}},
	"two files in onnx":        {form: form{ids: int64Type, float: float32Type, batch: -1}, folder: "onnx"},
	"two files of int32":       {form: form{ids: int32Type, float: float32Type, batch: -1, mask: true}},
	"two files of float16":     {form: form{ids: int64Type, float: float16Type, batch: -1, mask: true}},
	"two files, one at a time": {form: form{ids: int64Type, float: float32Type, batch: 1}},
	"one file":                 {form: form{ids: int64Type, float: float32Type, batch: -1, mask: true}, both: true},
	"one file in onnx":         {form: form{ids: int64Type, float: float32Type, batch: -1}, both: true, folder: "onnx"},
	"one file of float16":      {form: form{ids: int64Type, float: float16Type, batch: -1, mask: true}, both: true},
	"one file, five at a time": {form: form{ids: int64Type, float: float32Type, batch: 5, mask: true}, both: true},
	"float16, three at a time": {form: form{ids: int64Type, float: float16Type, batch: 3}},
}

// each loads every form of a model.
func each(t *testing.T, test func(t *testing.T, e *Encoder, tolerance float64)) {
	for name, x := range exports {
		t.Run(name, func(t *testing.T) {
			dir := folder(t)
			if x.both {
				write(t, dir, filepath.Join(x.folder, "model.onnx"), model(x.form.both()))
			} else {
				write(t, dir, filepath.Join(x.folder, "text_model.onnx"), model(x.text()))
				write(t, dir, filepath.Join(x.folder, "vision_model.onnx"), model(x.vision()))
			}
			tolerance := 1e-6
			if x.float == float16Type {
				tolerance = 1e-3
			}
			test(t, load(t, dir), tolerance)
		})
	}
}

// near compares two vectors, of which the second has any length.
func near(got []float32, want []float64, tolerance float64) error {
	length := 0.0
	for _, x := range want {
		length += x * x
	}
	length = math.Sqrt(length)
	if len(got) != len(want) {
		return fmt.Errorf("%d numbers, want %d", len(got), len(want))
	}
	for i, x := range want {
		if !(math.Abs(float64(got[i])-x/length) <= tolerance) {
			return fmt.Errorf("at %d: %g, want %g", i, got[i], x/length)
		}
	}
	return nil
}

func TestImages_are_unit_vectors_in_order(t *testing.T) {
	each(t, func(t *testing.T, e *Encoder, tolerance float64) {
		for _, n := range []int{0, 1, maxBatch, 2*maxBatch + 5} {
			var pictures []imaging.Pixels
			for i := range n {
				p := imaging.Flat(2, 2, byte(i), 7, 9)
				p.Pix[3] = byte(3 * i) // red of the second pixel
				pictures = append(pictures, p)
			}
			got, err := e.Images(t.Context(), pictures)
			if err != nil || len(got) != n {
				t.Fatalf("%d vectors of %d pictures, %v", len(got), n, err)
			}
			for i, v := range got {
				x := float64(i)
				if err := near(v, []float64{x + 1, 3*x + 1, x + 1, x + 1, 8, 8, 8, 8, 10, 10, 10, 10}, tolerance); err != nil {
					t.Errorf("picture %d of %d: %v", i, n, err)
				}
			}
		}
	})
}

func TestTexts_are_unit_vectors_in_order(t *testing.T) {
	tokens, err := tokenizer.Load(folder(t))
	if err != nil {
		t.Fatal(err)
	}
	each(t, func(t *testing.T, e *Encoder, tolerance float64) {
		_, masked := e.text.Input("attention_mask")
		for _, n := range []int{0, 1, 2*maxBatch + 5} {
			var texts []string
			for i := range n {
				texts = append(texts, strings.Repeat("a ", i%5)+"the")
			}
			got, err := e.Texts(t.Context(), texts)
			if warnings := e.Warnings(texts); err != nil || len(got) != n || len(warnings) > 0 {
				t.Fatalf("%d vectors of %d texts, %q, %v", len(got), n, warnings, err)
			}
			for i, v := range got {
				ids, _ := tokens.Encode(texts[i])
				want, over := make([]float64, len(ids)), false
				for k, id := range ids {
					if !over {
						want[k] = float64(id)
					}
					over = masked && (over || id == tokens.End())
				}
				if err := near(v, want, tolerance); err != nil {
					t.Errorf("%q: %v", texts[i], err)
				}
			}
		}
	})
}

// simple is a model of two files.
func simple(t testing.TB) *Encoder {
	t.Helper()
	dir := folder(t)
	f := form{ids: int64Type, float: float32Type, batch: -1}
	write(t, dir, "text_model.onnx", model(f.text()))
	write(t, dir, "vision_model.onnx", model(f.vision()))
	return load(t, dir)
}

func TestWarnings_tell_what_is_not_read(t *testing.T) {
	e := simple(t)
	if one := e.Warnings([]string{"a zyxwvq"}); len(one) != 1 || !strings.Contains(one[0], "zyxwvq") {
		t.Errorf("%q", one)
	}
	two := e.Warnings([]string{"a the", strings.Repeat("a the ", 20)})
	if len(two) != 1 || !strings.Contains(two[0], "text 2 is longer") || !strings.Contains(two[0], "12 tokens") {
		t.Errorf("%q", two)
	}
}

func TestPrepared_is_what_Images_gives(t *testing.T) {
	each(t, func(t *testing.T, e *Encoder, _ float64) {
		if want, fixed := fixedBatch(e.vision, "pixel_values"); fixed && e.AtOnce() != want || !fixed && e.AtOnce() != maxBatch {
			t.Errorf("%d at once", e.AtOnce())
		}
		var pictures []imaging.Pixels
		var prepared [][]float32
		for i := range maxBatch + 1 {
			p := imaging.Flat(2, 2, byte(i), 7, 9)
			one, err := e.model.Preprocessor.Apply(p)
			if err != nil {
				t.Fatal(err)
			}
			pictures, prepared = append(pictures, p), append(prepared, one)
		}
		want, err := e.Images(t.Context(), pictures)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := e.Prepared(t.Context(), prepared); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("other vectors, %v", err)
		}
	})
}

func TestImages_without_a_direction_are_an_error(t *testing.T) {
	e := simple(t)
	e.model.Preprocessor.Mean = [3]float32{9, 9, 9}
	if _, err := e.Images(t.Context(), []imaging.Pixels{imaging.Flat(2, 2, 9, 9, 9)}); err == nil || !strings.Contains(err.Error(), "no direction") {
		t.Error(err)
	}
}

func TestImages_names_the_picture_that_is_none(t *testing.T) {
	e := simple(t)
	if _, err := e.Images(t.Context(), []imaging.Pixels{imaging.Flat(2, 2, 9, 9, 9), {}}); err == nil || !strings.Contains(err.Error(), "picture 2 of 2") {
		t.Error(err)
	}
}

func TestEncoder_ends_with_its_context(t *testing.T) {
	e := simple(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := e.Images(ctx, []imaging.Pixels{imaging.Flat(2, 2, 1, 1, 1)}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := e.Texts(ctx, []string{"a the"}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
