package diffusion

import (
	"flag"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/vision19/vision/sdk/diffusion/internal/fixture"
	"github.com/vision19/vision/sdk/diffusion/scheduler"
	"github.com/vision19/vision/sdk/onnx"
)

func TestMain(m *testing.M) { fixture.Main(m) }

// needs is what a case's task needs beyond text-to-image.
var needs = map[string][]string{"image-to-image": {NeedEncoder}, "inpaint": {NeedEncoder, GivesMask}, "controlnet": {NeedControlNet}}

// TestFamilies_paint_what_a_plain_PyTorch_pipeline_paints runs every family's small model of the published structure (see
// examples/models/train/families) and compares the final image, in [0, 1], with the reference's.
func TestFamilies_paint_what_a_plain_PyTorch_pipeline_paints(t *testing.T) {
	if _, err := onnx.Find(); err != nil {
		t.Skip("skipped, run make first:", err)
	}
	entries, err := os.ReadDir(fixture.Families(t))
	if err != nil {
		t.Fatal(err)
	}
	proved := map[string]bool{}
	for _, e := range entries {
		if _, err := os.Stat(fixture.Families(t) + "/" + e.Name() + "/model_index.json"); err != nil {
			continue
		}
		t.Run(e.Name(), func(t *testing.T) {
			ref := fixture.LoadReference(t, e.Name())
			tasks := map[string]*Pipeline{}
			for _, c := range ref.Cases {
				p := tasks[c.Task]
				if p == nil {
					m, err := Inspect(fixture.Folder(t, e.Name()), needs[c.Task]...)
					if err != nil {
						t.Fatal(err)
					}
					proved[m.Family] = true
					if p, err = Load(t.Context(), m, Options{Session: onnx.Options{Threads: 1}}, func(float64, string) {}); err != nil {
						t.Fatal(err)
					}
					defer p.Close()
					tasks[c.Task] = p
				}
				t.Run(c.Name, func(t *testing.T) { compare(t, p, e.Name(), c, ref.Tolerance) })
			}
		})
	}
	if strings.Contains(flag.Lookup("test.run").Value.String(), "/") {
		return // only some were asked for
	}
	for _, f := range families {
		if !proved[f.name] {
			t.Errorf("%s is offered, and no fixture proves it", f.name)
		}
	}
}

// compare paints a case with each of its seeds.
func compare(t *testing.T, p *Pipeline, family string, c fixture.Case, tolerance float64) {
	config := c.Scheduler.Config
	parsed, err := scheduler.Parse(config)
	if err != nil {
		t.Fatal(err)
	}
	p.model.Scheduler = parsed
	p.model.prior.steps, p.model.prior.guidance = c.PriorSteps, c.PriorGuidance
	want := c.Images(t, family)
	for i, seed := range c.Seeds {
		r := Request{Prompt: c.Prompt, Steps: c.Steps, Guidance: c.Guidance, Seed: uint32(seed), Scheduler: c.Scheduler.Name}
		if c.Negative != nil {
			r.Negative = *c.Negative
		}
		sample, canvas := paintCase(t, p, r, c)
		worst := 0.0
		for k, x := range sample {
			got := float64(min(max(x/2+0.5, 0), 1))
			worst = max(worst, math.Abs(got-float64(want[i][k])))
		}
		if canvas.gridW != c.Width || canvas.gridH != c.Height || len(want[i]) != len(sample) {
			t.Fatalf("%d x %d px, want %d x %d", canvas.gridW, canvas.gridH, c.Width, c.Height)
		}
		if !(worst <= tolerance) {
			t.Errorf("seed %d: differs by %.5f, allowed is %g", seed, worst, tolerance)
		}
		t.Logf("seed %d: %.6f", seed, worst)
	}
}

func paintCase(t *testing.T, p *Pipeline, r Request, c fixture.Case) (sample []float32, size canvas) {
	t.Helper()
	var err error
	switch c.Task {
	case "text-to-image":
		sample, size, err = p.textToImage(t.Context(), r, c.Width, c.Height, silent{})
	case "image-to-image":
		sample, size, err = p.imageToImage(t.Context(), r, c.Image.Pixels(), *c.Strength, silent{})
	case "inpaint":
		sample, size, err = p.inpaint(t.Context(), r, c.Image.Pixels(), c.Mask.Pixels(c.Width, c.Height), silent{})
	case "controlnet":
		sample, size, err = p.scribble(t.Context(), r, c.Control.Outlines(), c.ConditioningScale, silent{})
	default:
		t.Fatalf("the task %q is not known", c.Task)
	}
	if err != nil {
		t.Fatal(err)
	}
	return sample, size
}

func TestInspect_names_what_is_proved(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/model_index.json", []byte(`{"_class_name": "FluxPipeline"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Inspect(dir)
	if err == nil {
		t.Fatal("a model of an unknown kind is accepted")
	}
	for _, want := range []string{"FluxPipeline", "Stable Diffusion 1.x", "Stable Diffusion XL", "Kandinsky 2.2", "Latent Consistency"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q lacks %s", err, want)
		}
	}
}
