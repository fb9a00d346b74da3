package diffusion

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/imaging"
	"github.com/vision19/vision/sdk/onnx"
)

const tinyInpaint = "../../examples/models/tiny-inpaint"

// shared are pipelines that are loaded once for all tests.
var shared struct {
	sync.Mutex
	pipelines map[string]*Pipeline
}

func with(t testing.TB, dir string, needs ...string) *Pipeline {
	t.Helper()
	needLibrary(t)
	shared.Lock()
	defer shared.Unlock()
	key := dir + strings.Join(needs, " ")
	if p := shared.pipelines[key]; p != nil {
		return p
	}
	m, err := Inspect(dir, needs...)
	if err != nil {
		t.Fatal(err)
	}
	p, err := Load(context.Background(), m, Options{Session: onnx.Options{Threads: 1}}, func(float64, string) {})
	if err != nil {
		t.Fatal(err)
	}
	if shared.pipelines == nil {
		shared.pipelines = map[string]*Pipeline{}
	}
	shared.pipelines[key] = p
	return p
}

func imageTasks(t testing.TB) map[string]func(imaging.Pixels) (Painting, error) {
	r := request(3)
	r.Steps = 2
	plain, inpaint, control := with(t, tiny, NeedEncoder), with(t, tinyInpaint, NeedEncoder, GivesMask), with(t, tiny, NeedControlNet)
	white := func(p imaging.Pixels) imaging.Pixels { return imaging.Flat(p.Width, p.Height, 255) }
	return map[string]func(imaging.Pixels) (Painting, error){
		"image-to-image": func(p imaging.Pixels) (Painting, error) { return plain.ImageToImage(t.Context(), r, p, 0.5, silent{}) },
		"inpaint": func(p imaging.Pixels) (Painting, error) {
			return inpaint.Inpaint(t.Context(), r, p, white(p), 8, silent{})
		},
		"inpaint without an inpainting UNet": func(p imaging.Pixels) (Painting, error) {
			return plain.Inpaint(t.Context(), r, p, white(p), 8, silent{})
		},
		"scribble": func(p imaging.Pixels) (Painting, error) { return control.Scribble(t.Context(), r, p, 1, silent{}) },
	}
}

func TestImageTasks_take_any_size_and_form(t *testing.T) {
	for name, task := range imageTasks(t) {
		for _, p := range []imaging.Pixels{
			imaging.Flat(1, 1, 9), imaging.Flat(8, 8, 9, 8, 7), imaging.Flat(100, 76, 9, 8, 7, 100), imaging.Flat(1, 300, 9, 8, 7), imaging.Flat(300, 2, 9, 8, 7), imaging.Flat(128, 128, 77),
		} {
			out, err := task(p)
			if err != nil || out.Width != p.Width || out.Height != p.Height || out.Channels != 3 {
				t.Errorf("%s of %d x %d x %d: %d x %d x %d, %v", name, p.Width, p.Height, p.Channels, out.Width, out.Height, out.Channels, err)
				continue
			}
			if _, err := with(t, tiny, NeedEncoder).answer(t.Context(), out); err != nil {
				t.Errorf("%s of %d x %d: %v", name, p.Width, p.Height, err)
			}
		}
	}
}

func TestImageTasks_refuse_what_padding_makes_too_large(t *testing.T) {
	for name, task := range imageTasks(t) {
		_, err := task(imaging.Flat(16000, 4, 9, 8, 7))
		if e := sdk.AsError(err); !errors.Is(err, sdk.ErrInvalidInput) || e.Param != "image" || !strings.Contains(e.Message, "16000 x 32") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestImageToImage_runs_the_steps_that_the_strength_leaves(t *testing.T) {
	p := with(t, tiny, NeedEncoder)
	for _, c := range []struct {
		steps, want int
		keep        float64
	}{{10, 5, 0.5}, {10, 1, 0.9}, {50, 10, 0.8}, {5, 1, 0.8}, {4, 4, 0}, {10, 0, 1}, {1, 1, 0.5}, {12, 6, 0.5}} {
		w := &watcher{cancel: func() {}}
		r := request(1)
		r.Steps = c.steps
		if _, err := p.ImageToImage(t.Context(), r, imaging.Flat(64, 64, 9, 8, 7), c.keep, w); err != nil {
			t.Fatal(err)
		}
		if len(w.steps) != c.want {
			t.Errorf("%d steps, image_strength %g: %d were run, want %d", c.steps, c.keep, len(w.steps), c.want)
		}
	}
}

func TestInpaint_changes_only_what_the_mask_shows(t *testing.T) {
	image := imaging.Flat(100, 80, 0, 0, 255)
	mask := imaging.Flat(100, 80, 0)
	for i := range mask.Pix {
		if x, y := i%100, i/100; x > 30 && x < 70 && y > 20 && y < 60 {
			mask.Pix[i] = 255
		}
	}
	for _, p := range []*Pipeline{with(t, tinyInpaint, NeedEncoder, GivesMask), with(t, tiny, NeedEncoder)} {
		out, err := p.Inpaint(t.Context(), request(5), image, mask, 8, silent{})
		if err != nil {
			t.Fatal(err)
		}
		changed := 0
		for i, m := range mask.Pix {
			same := bytes.Equal(out.Pix[3*i:3*i+3], image.Pix[3*i:3*i+3])
			if m == 0 && !same {
				t.Fatalf("%s: pixel %d is not masked and is %v", p.model.Class, i, out.Pix[3*i:3*i+3])
			}
			if !same {
				changed++
			}
		}
		if changed < 200 {
			t.Errorf("%s: only %d pixels are painted", p.model.Class, changed)
		}
	}
}

func TestInpaint_of_nothing_says_so(t *testing.T) {
	image := imaging.Flat(64, 64, 1, 2, 3)
	out, err := with(t, tiny, NeedEncoder).Inpaint(t.Context(), request(1), image, imaging.Flat(64, 64, 127), 8, silent{})
	if err != nil || !bytes.Equal(out.Pix, image.Pix) || len(out.Warnings) != 1 {
		t.Errorf("%v, %v", out.Warnings, err)
	}
}

func TestInpaint_takes_a_transparent_part_of_a_mask_as_not_marked(t *testing.T) {
	image, mask := imaging.Flat(64, 64, 0, 0, 255), imaging.Flat(64, 64, 255, 255, 255, 0)
	out, err := with(t, tiny, NeedEncoder).Inpaint(t.Context(), request(1), image, mask, 8, silent{})
	if err != nil || !bytes.Equal(out.Pix, image.Pix) {
		t.Errorf("a mask that is white where it is transparent paints: %v", err)
	}
}

func TestWarnings_stay_short(t *testing.T) {
	r := request(1)
	r.Prompt = strings.Repeat("x", 9000) + " " + strings.Repeat("unicorn pegasus chimera ", 40)
	for _, w := range pipeline(t).warnings(r) {
		if len(w) > 600 {
			t.Errorf("%d bytes: %.60s", len(w), w)
		}
	}
}

func TestUncrop_keeps_the_image_and_grows_it(t *testing.T) {
	image := imaging.Flat(60, 50, 10, 200, 30, 255)
	p := with(t, tinyInpaint, NeedEncoder, GivesMask)
	out, err := p.Uncrop(t.Context(), request(2), image, Margins{Left: 11, Right: 20, Bottom: 7}, 8, silent{})
	if err != nil || out.Width != 91 || out.Height != 57 {
		t.Fatalf("%d x %d, %v", out.Width, out.Height, err)
	}
	if inner := out.Crop(11, 0, 60, 50); !bytes.Equal(inner.Pix, image.RGB().Pix) {
		t.Error("the image's own pixels have changed")
	}
	_, err = p.Uncrop(t.Context(), request(2), image, Margins{Left: 512, Right: 512, Top: 512}, 8, silent{})
	if e := sdk.AsError(err); !errors.Is(err, sdk.ErrInvalidInput) || e.Param != "left" || !strings.Contains(e.Message, "1084 x 562") {
		t.Errorf("%v", err)
	}
}

func TestScribble_tells_of_what_is_no_sketch(t *testing.T) {
	p := with(t, tiny, NeedControlNet)
	r := request(1)
	r.Steps = 1
	for want, hint := range map[string]imaging.Pixels{"no white lines": imaging.Flat(64, 64, 0), "mostly white": imaging.Flat(64, 64, 255)} {
		out, err := p.Scribble(t.Context(), r, hint, 1, silent{})
		if err != nil || !strings.Contains(strings.Join(out.Warnings, "\n"), want) {
			t.Errorf("%v, %v, want %q", out.Warnings, err, want)
		}
	}
}

// star asks for what the bundled safety checker refuses.
func star(seed uint32) Request {
	r := request(seed)
	r.Prompt, r.Steps = "a large black star on a white background", 12
	return r
}

func TestAnswer_of_a_refused_picture_has_only_what_comparing_needs(t *testing.T) {
	p := pipeline(t)
	painting, err := p.TextToImage(t.Context(), star(1), 128, 128, silent{})
	if err != nil {
		t.Fatal(err)
	}
	result, err := p.answer(t.Context(), painting)
	if err != nil || !result.Unsafe || len(result.Images) > 0 || result.Features == nil {
		t.Fatalf("%+v, %v", result, err)
	}
	for name, digits := range map[string]int{"phash": 16, "ahash": 16, "dhash": 16, "colorhash": 11} {
		if len(result.Features.Hashes[name]) != digits {
			t.Errorf("%s is %q", name, result.Features.Hashes[name])
		}
	}
	if len(result.Features.Embedding) == 0 {
		t.Error("there is no embedding")
	}
}

func TestPreviews_show_nothing_that_the_safety_check_refuses(t *testing.T) {
	p := pipeline(t)
	w := &watcher{cancel: func() {}}
	if _, err := p.TextToImage(t.Context(), star(1), 128, 128, w); err != nil {
		t.Fatal(err)
	}
	if len(w.previews) >= previews {
		t.Errorf("%d previews: none is held back", len(w.previews))
	}
	for _, image := range w.previews {
		picture, err := imaging.Read(image.Data, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if verdict, err := p.safety.Check(t.Context(), picture); err != nil || verdict.Unsafe {
			t.Errorf("a refused preview was sent, %v", err)
		}
	}
}

// changed is a copy of the tiny folder, of links, in which change may remove and write files.
func changed(t testing.TB, change func(dir string)) string {
	t.Helper()
	dir := t.TempDir()
	err := filepath.Walk(tiny, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		rel, err := filepath.Rel(tiny, path)
		if err != nil {
			return err
		}
		abs, err := filepath.Abs(path)
		if err != nil {
			return err
		}
		to := filepath.Join(dir, rel)
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return err
		}
		return os.Symlink(abs, to)
	})
	if err != nil {
		t.Fatal(err)
	}
	change(dir)
	return dir
}

func replaceFile(t testing.TB, path, text string) {
	t.Helper()
	if err := errors.Join(os.Remove(path), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
}

func TestInspect_finds_faults_without_loading(t *testing.T) {
	for name, c := range map[string]struct {
		file, text, want string
	}{
		"no ONNX file":            {"unet/model.onnx", "hello", "unet/model.onnx"},
		"git-lfs pointer":         {"unet/model.onnx", "version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 5\n", "git lfs pull"},
		"no preprocessing":        {"feature_extractor/preprocessor_config.json", "{", "preprocessor_config.json"},
		"tokens of another model": {"text_encoder/config.json", `{"vocab_size": 700}`, "vocab_size of 700"},
		"too long a prompt":       {"tokenizer/tokenizer_config.json", `{"model_max_length": 77}`, "model_max_length is 77"},
		"size no multiple of 8":   {"generation_config.json", `{"default_size": 100}`, "multiples of 8"},
		"steps out of range":      {"generation_config.json", `{"num_inference_steps": 0}`, "num_inference_steps is 0"},
		"VAE of no blocks":        {"vae_decoder/config.json", `{"block_out_channels": []}`, "block_out_channels is 0"},
		"scaling of nothing":      {"vae_decoder/config.json", `{"scaling_factor": 0}`, "scaling_factor is 0"},
		"layers of two kinds":     {"unet/config.json", `{"layers_per_block": [1, 2]}`, "one number for all"},
		"embedding of two":        {"unet/config.json", `{"time_cond_proj_dim": 2}`, "time_cond_proj_dim is 2"},
		"channels of other kind":  {"unet/config.json", `{"in_channels": 9}`, "config.json says 9"},
	} {
		dir := changed(t, func(dir string) { replaceFile(t, filepath.Join(dir, c.file), c.text) })
		if _, err := Inspect(dir); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestInspect_notes_a_safety_checker_that_is_not_there(t *testing.T) {
	dir := changed(t, func(dir string) {
		if err := os.RemoveAll(filepath.Join(dir, "safety_checker")); err != nil {
			t.Fatal(err)
		}
	})
	m, err := Inspect(dir)
	if err != nil {
		t.Fatal(err)
	}
	if notes := strings.Join(m.Notes(), "\n"); !m.Unchecked() || !strings.Contains(notes, "NOT checked") {
		t.Errorf("%s", notes)
	}
	if m, err := Inspect(tiny); err != nil || m.Unchecked() {
		t.Errorf("the bundled model: %v", err)
	}
}

func TestInspect_of_a_model_for_inpainting_is_for_masks_only(t *testing.T) {
	if _, err := Inspect(tinyInpaint, NeedEncoder); err == nil || !strings.Contains(err.Error(), "9 channels") {
		t.Errorf("%v", err)
	}
	if _, err := Inspect(tinyInpaint, NeedEncoder, GivesMask); err != nil {
		t.Error(err)
	}
}
