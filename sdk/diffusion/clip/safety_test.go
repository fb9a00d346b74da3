package clip

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/vision19/vision/sdk/imaging"
	"github.com/vision19/vision/sdk/onnx"
)

// safetyFolder is a diffusers folder with nothing but a safety checker.
func safetyFolder(t testing.TB, graph []byte) string {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, "safety_checker/model.onnx", graph)
	write(t, dir, "feature_extractor/preprocessor_config.json", []byte(asIs))
	return dir
}

func loadSafety(t testing.TB, dir string) *Safety {
	t.Helper()
	needLibrary(t)
	m, err := InspectSafety(dir)
	if err != nil {
		t.Fatal(err)
	}
	s, err := LoadSafety(t.Context(), m, onnx.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestCheck_reads_every_form_of_the_verdict(t *testing.T) {
	safe, unsafe := imaging.Flat(2, 2, 1, 2, 3), imaging.Flat(2, 2, 1, 200, 3)
	for name, graph := range map[string][]byte{
		"bool":         safetyGraph(boolType, -1, true),
		"float":        safetyGraph(float32Type, -1, true),
		"int64":        safetyGraph(int64Type, -1, true),
		"fixed size":   safetyGraph(boolType, 8, true),
		"no embedding": safetyGraph(boolType, -1, false),
	} {
		t.Run(name, func(t *testing.T) {
			s := loadSafety(t, safetyFolder(t, graph))
			for _, want := range []bool{false, true, false} {
				picture := map[bool]imaging.Pixels{false: safe, true: unsafe}[want]
				v, err := s.Check(t.Context(), picture)
				if err != nil || v.Unsafe != want {
					t.Errorf("%v, %v, want %v", v.Unsafe, err, want)
				}
				if name == "no embedding" {
					if v.Embedding != nil {
						t.Errorf("the embedding %v comes from nowhere", v.Embedding)
					}
					continue
				}
				green := float64(picture.Pix[1]) + 1
				if err := near(v.Embedding, []float64{2, 2, 2, 2, green, green, green, green, 4, 4, 4, 4}, 1e-6); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestCheck_of_what_is_no_picture_is_an_error(t *testing.T) {
	s := loadSafety(t, safetyFolder(t, safetyGraph(boolType, -1, true)))
	if _, err := s.Check(t.Context(), imaging.Pixels{}); err == nil {
		t.Error("no picture is safe")
	}
}

func TestCheck_ends_with_its_context(t *testing.T) {
	s := loadSafety(t, safetyFolder(t, safetyGraph(boolType, -1, true)))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Check(ctx, imaging.Flat(2, 2, 1, 2, 3)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestVerdict_is_unsafe_when_in_doubt(t *testing.T) {
	nan := float32(math.NaN())
	for name, c := range map[string]struct {
		flags  onnx.Tensor
		batch  int
		unsafe bool
		fails  bool
	}{
		"a flag a picture":     {flags: onnx.NewInts([]int64{0, 1}, 2), batch: 2},
		"the first picture's":  {flags: onnx.NewInts([]int64{1, 0}, 2), batch: 2, unsafe: true},
		"a flag a concept":     {flags: onnx.NewInts([]int64{0, 0, 1}, 1, 3), batch: 1, unsafe: true},
		"not a number":         {flags: onnx.NewFloats([]float32{nan}, 1), batch: 1, unsafe: true},
		"no flag":              {flags: onnx.NewInts(nil, 0), batch: 1, fails: true},
		"two flags of three":   {flags: onnx.NewInts([]int64{0, 0}, 2), batch: 3, fails: true},
		"a flag that is a sum": {flags: onnx.NewFloats([]float32{0.25}, 1), batch: 1, unsafe: true},
	} {
		v, err := new(Safety).verdict(map[string]onnx.Tensor{"has_nsfw_concepts": c.flags}, c.batch)
		if (err != nil) != c.fails || v.Unsafe != c.unsafe {
			t.Errorf("%s: %+v, %v", name, v, err)
		}
	}
}

func TestInspectSafety_says_what_is_missing_or_wrong(t *testing.T) {
	_, err := InspectSafety(t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "safety_checker/model.onnx, feature_extractor/preprocessor_config.json") {
		t.Error(err)
	}
	dir := safetyFolder(t, model(plainForm.vision()))
	_, err = InspectSafety(dir)
	for _, want := range []string{"clip_input", "images", "has_nsfw_concepts", "out_images", "pixel_values"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
	if _, err = InspectSafety(safetyFolder(t, safetyGraph(boolType, 1<<20, false))); err == nil || !strings.Contains(err.Error(), "2048 a side") {
		t.Error(err)
	}
}
