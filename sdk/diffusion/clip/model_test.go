package clip

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vision19/vision/sdk/onnx"
)

var plainForm = form{ids: int64Type, float: float32Type, batch: -1}

// twoFiles is a model folder with a file a tower.
func twoFiles(t testing.TB) string {
	t.Helper()
	dir := folder(t)
	write(t, dir, "text_model.onnx", model(plainForm.text()))
	write(t, dir, "vision_model.onnx", model(plainForm.vision()))
	return dir
}

func TestInspect_tells_what_the_model_is(t *testing.T) {
	m, err := Inspect(twoFiles(t))
	if err != nil {
		t.Fatal(err)
	}
	// The test's graphs hold a float32 and two int64.
	if w, h := m.Preprocessor.Size(); m.Dimensions != testLength || w != 2 || h != 2 || m.Weights != 2*20 || m.Memory() < 256<<20 {
		t.Errorf("%+v", m)
	}
}

func TestInspect_prefers_the_towers_own_files(t *testing.T) {
	dir := twoFiles(t)
	write(t, dir, "model.onnx", []byte("of both"))
	if m, err := Inspect(dir); err != nil || m.text == m.vision {
		t.Errorf("%s, %s, %v", m.text, m.vision, err)
	}
}

func TestInspect_finds_the_tokenizer_in_its_own_folder(t *testing.T) {
	dir := twoFiles(t)
	for _, name := range []string{"vocab.json", "merges.txt", "tokenizer_config.json"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, dir, "tokenizer/"+name, data)
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if e := load(t, dir); e.tokenizer.Length() != testLength {
		t.Errorf("%d tokens", e.tokenizer.Length())
	}
}

func TestInspect_lists_all_missing_files_at_once(t *testing.T) {
	_, err := Inspect(t.TempDir())
	if err == nil {
		t.Fatal("an empty folder is a model")
	}
	for _, name := range []string{"config.json", "preprocessor_config.json", "vocab.json", "merges.txt", "text_model.onnx and vision_model.onnx, or model.onnx"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%v does not name %s", err, name)
		}
	}
}

func TestInspect_says_what_is_wrong(t *testing.T) {
	nodes, inputs, outputs := plainForm.vision()
	renamed := []value{{"image_features", float32Type, outputs[0].shape}}
	nodes[0].out = []string{"image_features"}
	noEmbeds := model(nodes[:1], inputs, renamed)
	large := form{ids: int64Type, float: float32Type, batch: 1000}
	for name, c := range map[string]struct {
		file string
		data []byte
		want []string
	}{
		"another architecture":     {"config.json", []byte(`{"model_type": "siglip", "architectures": ["SiglipModel"]}`), []string{"siglip", "CLIPModel"}},
		"no JSON":                  {"config.json", []byte(`{`), []string{"config.json"}},
		"too large a config":       {"config.json", make([]byte, 2<<20), []string{"config.json", "at most"}},
		"a wrong type":             {"config.json", []byte(`{"model_type": "clip", "projection_dim": "many"}`), []string{"config.json", "projection_dim"}},
		"dimensions out of range":  {"config.json", []byte(`{"model_type": "clip", "projection_dim": 0}`), []string{"projection_dim"}},
		"other dimensions":         {"config.json", []byte(`{"model_type": "clip", "projection_dim": 7}`), []string{"text_embeds has 12", "image_embeds has 12", "projection_dim is 7"}},
		"a wrong preprocessing":    {"preprocessor_config.json", []byte(`{"resample": 9}`), []string{"preprocessor_config.json", "resample is 9"}},
		"another picture size":     {"preprocessor_config.json", []byte(`{"crop_size": 3}`), []string{"vision_model.onnx", "pixel_values", "3 3", "2 2"}},
		"no graph":                 {"vision_model.onnx", []byte("a text"), []string{"vision_model.onnx"}},
		"a graph of another tower": {"vision_model.onnx", model(plainForm.text()), []string{"pixel_values", "input_ids", "image_embeds", "text_embeds"}},
		"no projection":            {"vision_model.onnx", noEmbeds, []string{"image_embeds", "image_features", "projection"}},
		"a large fixed batch":      {"vision_model.onnx", model(large.vision()), []string{"1000", "16 at a time"}},
	} {
		dir := twoFiles(t)
		write(t, dir, c.file, c.data)
		_, err := Inspect(dir)
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", name, err, want)
			}
		}
	}
	if _, err := Inspect(filepath.Join(t.TempDir(), "nowhere")); err == nil || !strings.Contains(err.Error(), "no folder") {
		t.Error(err)
	}
}

func TestLoad_refuses_a_tokenizer_of_another_length(t *testing.T) {
	needLibrary(t)
	dir := twoFiles(t)
	nodes, inputs, outputs := plainForm.text()
	inputs[0].shape = []int64{-1, testLength}
	write(t, dir, "text_model.onnx", model(nodes, inputs, outputs))
	write(t, dir, "tokenizer_config.json", fmt.Appendf(nil, `{"model_max_length": %d}`, testLength+1))
	m, err := Inspect(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Load(t.Context(), m, onnx.Options{}, func(float64, string) {}); err == nil || !strings.Contains(err.Error(), "model_max_length") {
		t.Error(err)
	}
}

func TestLoad_reports_its_progress(t *testing.T) {
	needLibrary(t)
	m, err := Inspect(twoFiles(t))
	if err != nil {
		t.Fatal(err)
	}
	last := -1.0
	e, err := Load(t.Context(), m, onnx.Options{}, func(fraction float64, stage string) {
		if fraction <= last || fraction > 1 || stage == "" {
			t.Errorf("%g after %g: %q", fraction, last, stage)
		}
		last = fraction
	})
	if err != nil {
		t.Fatal(err)
	}
	if last != 1 {
		t.Errorf("the last progress is %g", last)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if _, err := e.Texts(t.Context(), []string{"a"}); err == nil {
		t.Error("a closed model answers")
	}
}
