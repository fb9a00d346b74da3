package diffusion

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/diffusion/scheduler"
)

const tiny = "../../examples/models/tiny"

func pipeline(t testing.TB) *Pipeline { return with(t, tiny) }

func request(seed uint32) Request {
	return Request{Prompt: "a red circle on a blue background", Steps: 6, Guidance: 4, Seed: seed, Scheduler: "ddim"}
}

func paint(t testing.TB, r Request) Painting {
	t.Helper()
	return paintSize(t, r, 128, 128)
}

func paintSize(t testing.TB, r Request, width, height int) Painting {
	t.Helper()
	p, err := pipeline(t).TextToImage(t.Context(), r, width, height, silent{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// at is the colour of a pixel, as red, green and blue are high or low.
func at(p Painting, x, y int) string {
	names := ""
	for _, v := range p.Pix[3*(y*p.Width+x):][:3] {
		names += map[bool]string{true: "1", false: "0"}[v > 127]
	}
	return names
}

func TestTextToImage_paints_what_is_asked(t *testing.T) {
	for _, name := range []string{"ddim", "euler", "dpmpp_2m"} {
		r := request(7)
		r.Scheduler, r.Steps = name, 12
		p := paint(t, r)
		if middle, corner := at(p, 64, 64), at(p, 4, 4); middle != "100" || corner != "001" {
			t.Errorf("%s: the middle is %s, the corner %s", name, middle, corner)
		}
	}
}

func TestTextToImage_same_seed_same_bytes(t *testing.T) {
	a, b, c := paint(t, request(7)), paint(t, request(7)), paint(t, request(8))
	if !bytes.Equal(a.Pix, b.Pix) {
		t.Error("the same seed gives other bytes")
	}
	if bytes.Equal(a.Pix, c.Pix) {
		t.Error("another seed gives the same bytes")
	}
	r := request(7)
	cuda := *pipeline(t)
	cuda.options.CUDANoise = true
	d, err := cuda.TextToImage(t.Context(), r, 128, 128, silent{})
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(a.Pix, d.Pix) {
		t.Error("the CUDA generator's noise is the CPU generator's")
	}
}

func TestTextToImage_every_scheduler_ends_in_a_picture(t *testing.T) {
	for _, name := range scheduler.Names() {
		for _, guidance := range []float64{0, 1, 4} {
			r := request(3)
			r.Scheduler, r.Guidance, r.Steps = name, guidance, 3
			if p := paint(t, r); len(p.Pix) != 3*128*128 {
				t.Errorf("%s: %d bytes", name, len(p.Pix))
			}
		}
	}
}

func TestTextToImage_sizes_that_are_no_multiple_are_cropped(t *testing.T) {
	r := request(3)
	r.Steps = 1
	p := paintSize(t, r, 100, 68)
	image, err := pngImage(p.Pixels)
	if err != nil || image.Width != 100 || image.Height != 68 || len(p.Pix) != 3*100*68 {
		t.Errorf("%d x %d, %d bytes, %v", image.Width, image.Height, len(p.Pix), err)
	}
}

func TestTextToImage_warns_of_what_it_does_not_read(t *testing.T) {
	r := request(3)
	r.Steps, r.Prompt = 1, "a red unicorn "+strings.Repeat("on a blue background ", 20)
	got := strings.Join(paint(t, r).Warnings, "\n")
	if !strings.Contains(got, "unicorn") || !strings.Contains(got, "32 tokens") {
		t.Errorf("%q", got)
	}
}

// watcher cancels at a step, and takes previews.
type watcher struct {
	cancel   context.CancelFunc
	stop     int
	steps    []int
	previews []sdk.Image
}

// Step implements sdk.Progress.
func (w *watcher) Step(done, _ int) {
	w.steps = append(w.steps, done)
	if done == w.stop {
		w.cancel()
	}
}

// WantsPreview implements sdk.Progress.
func (w *watcher) WantsPreview() bool { return true }

// Preview implements sdk.Progress.
func (w *watcher) Preview(i sdk.Image) { w.previews = append(w.previews, i) }

func TestTextToImage_ends_within_a_step_of_its_context(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w := &watcher{cancel: cancel, stop: 3}
	r := request(1)
	r.Steps = 50
	if _, err := pipeline(t).TextToImage(ctx, r, 128, 128, w); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if len(w.steps) > 4 {
		t.Errorf("went on to step %d", len(w.steps))
	}
}

func TestTextToImage_reports_every_step_and_previews(t *testing.T) {
	w := &watcher{cancel: func() {}}
	if _, err := pipeline(t).TextToImage(t.Context(), request(1), 128, 128, w); err != nil {
		t.Fatal(err)
	}
	if len(w.steps) != 6 || w.steps[5] != 6 || len(w.previews) == 0 || w.previews[0].Width != 128 {
		t.Errorf("steps %v, %d previews", w.steps, len(w.previews))
	}
}

func TestHalf_precision_changes_little(t *testing.T) {
	p := *pipeline(t)
	p.options.Half = true
	half, err := p.TextToImage(t.Context(), request(7), 128, 128, silent{})
	if err != nil {
		t.Fatal(err)
	}
	full, sum := paint(t, request(7)), 0
	for i, v := range half.Pix {
		sum += max(int(v), int(full.Pix[i])) - min(int(v), int(full.Pix[i]))
	}
	if mean := float64(sum) / float64(len(half.Pix)); mean == 0 || mean > 4 {
		t.Errorf("a pixel differs by %g on the average", mean)
	}
}

func TestInspect_says_what_a_folder_lacks(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"no folder":         {nil, "is no folder"},
		"no index":          {map[string]string{"unet/model.onnx": ""}, "model_index.json"},
		"no JSON":           {map[string]string{"model_index.json": "{"}, "model_index.json: "},
		"unknown family":    {map[string]string{"model_index.json": `{"_class_name":"FluxPipeline"}`}, "StableDiffusionPipeline"},
		"parts are missing": {map[string]string{"model_index.json": `{"_class_name":"StableDiffusionPipeline"}`, "unet/model.onnx": ""}, "tokenizer/vocab.json, tokenizer/merges.txt"},
		"wrong scheduler":   {whole(`{"_class_name":"DDIMScheduler","beta_schedule":"wavy"}`, `{}`), "beta_schedule"},
		"wrong channels":    {whole(`{"_class_name":"DDIMScheduler"}`, `{"in_channels":7}`), "in_channels is 7"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "model")
			for file, text := range c.files {
				path := filepath.Join(dir, file)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := Inspect(dir); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// whole is a folder with every part, but for what the parts hold.
func whole(schedulerConfig, unetConfig string) map[string]string {
	return map[string]string{
		"model_index.json": `{"_class_name":"StableDiffusionPipeline"}`, "unet/config.json": unetConfig, "scheduler/scheduler_config.json": schedulerConfig,
		"tokenizer/vocab.json": "", "tokenizer/merges.txt": "", "text_encoder/model.onnx": "", "unet/model.onnx": "", "vae_decoder/model.onnx": "",
	}
}

func TestInspect_reads_the_bundled_model(t *testing.T) {
	m, err := Inspect(tiny)
	if err != nil {
		t.Fatal(err)
	}
	if m.Factor != 8 || m.SampleSize != 16 || m.Defaults.Steps != 12 || m.Defaults.MaxSize != 256 || m.SchedulerName() != "ddim" || m.Weights < 1<<20 {
		t.Errorf("%+v", m)
	}
}
