package diffusion

import (
	"context"
	"errors"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/diffusion/internal/fixture"
	"github.com/vision19/vision/sdk/imaging"
	"github.com/vision19/vision/sdk/onnx"
)

var (
	kandinskyOnce sync.Once
	kandinskyLoad *Pipeline
	kandinskyErr  error
	onRun         func(graph string) // is told of every run of a graph of it
)

// kandinsky is the family's small model, loaded once: a copy, whose settings a test may change.
func kandinsky(t *testing.T) *Pipeline {
	t.Helper()
	if _, err := onnx.Find(); err != nil {
		t.Skip("skipped, run make first:", err)
	}
	kandinskyOnce.Do(func() {
		var m Model
		if m, kandinskyErr = Inspect(fixture.Folder(t, "kandinsky22")); kandinskyErr != nil {
			return
		}
		options := onnx.Options{Threads: 1, Observe: func(path string, _ map[string]onnx.Tensor) {
			if onRun != nil {
				onRun(filepath.Base(filepath.Dir(path)))
			}
		}}
		kandinskyLoad, kandinskyErr = Load(context.Background(), m, Options{Session: options}, func(float64, string) {})
	})
	if kandinskyErr != nil {
		t.Fatal(kandinskyErr)
	}
	t.Cleanup(func() { onRun = nil })
	p := *kandinskyLoad
	p.prior = &prior{}
	p.model.Graphs = maps.Clone(p.model.Graphs)
	p.model.prior.steps = 2
	return &p
}

func apart(a, b []float32) float64 {
	worst := 0.0
	for i := range b {
		worst = max(worst, math.Abs(float64(a[i]-b[i])))
	}
	return worst
}

func TestPrior_gives_the_same_in_any_batch(t *testing.T) {
	p := kandinsky(t)
	r := Request{Prompt: "a red circle", Negative: "a blue star"} // 3 predictions a step
	x := func() []float32 {
		wanted, unwanted, err := p.imagine(t.Context(), r, p.normals(1))
		if err != nil {
			t.Fatal(err)
		}
		return slices.Concat(wanted, unwanted)
	}
	want := x()
	g := p.model.Graphs["prior_prior"]
	g.Inputs = slices.Clone(g.Inputs)
	for i, info := range g.Inputs {
		g.Inputs[i].Shape = slices.Clone(info.Shape)
	}
	p.model.Graphs["prior_prior"] = g
	i := slices.IndexFunc(g.Inputs, func(i onnx.Info) bool { return i.Name == "hidden_states" })
	for _, batch := range []int64{1, 2, 4} {
		g.Inputs[i].Shape[0] = batch // the graph itself takes any
		if d := apart(x(), want); !(d <= 1e-4) {
			t.Errorf("a batch of %d differs by %g", batch, d)
		}
	}
}

func TestPrior_runs_what_is_needed_and_no_more(t *testing.T) {
	runs := map[string]int{}
	p := kandinsky(t)
	onRun = func(graph string) { runs[graph]++ }
	for _, c := range []struct {
		what              string
		r                 Request
		prior             float64 // guidance
		texts, black, run int
	}{
		{"no guidance", Request{Prompt: "a", Guidance: 1}, 1, 1, 0, 2},
		{"no guidance of the decoder", Request{Prompt: "a", Guidance: 1}, 4, 2, 0, 2},
		{"a negative prompt", Request{Prompt: "a", Negative: "b", Guidance: 4}, 4, 2, 0, 2},
		{"no negative prompt", Request{Prompt: "a", Guidance: 4}, 4, 2, 1, 2},
		{"once more", Request{Prompt: "a", Guidance: 4}, 4, 2, 0, 2},
	} {
		clear(runs)
		p.model.prior.guidance = c.prior
		told, err := p.tellByPrior(t.Context(), c.r, p.normals(1))
		if err != nil {
			t.Fatal(err)
		}
		want := 1
		if c.r.Guidance > 1 {
			want = 2
		}
		if len(told.predictions) != want || runs["prior_text_encoder"] != c.texts || runs["prior_image_encoder"] != c.black || runs["prior_prior"] != c.run {
			t.Errorf("%s: %d predictions, runs %v", c.what, len(told.predictions), runs)
		}
	}
}

func TestPrior_ends_with_its_context(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	steps := 0
	p := kandinsky(t)
	p.model.prior.steps = 50
	onRun = func(graph string) {
		if graph == "prior_prior" {
			if steps++; steps == 2 {
				cancel()
			}
		}
	}
	_, err := p.TextToImage(ctx, Request{Prompt: "a", Steps: 2, Guidance: 4, Scheduler: "ddpm"}, 64, 64, silent{})
	if !errors.Is(err, context.Canceled) || steps != 2 {
		t.Errorf("%v after %d steps", err, steps)
	}
}

func TestPrior_in_half_precision_changes_little(t *testing.T) {
	p := kandinsky(t)
	p.model.prior.steps = 4
	r := Request{Prompt: "a red circle", Guidance: 4}
	full, _, err := p.imagine(t.Context(), r, p.normals(1))
	if err != nil {
		t.Fatal(err)
	}
	p.options.Half = true
	half, _, err := p.imagine(t.Context(), r, p.normals(1))
	if err != nil {
		t.Fatal(err)
	}
	if d := apart(half, full); d == 0 || d > 0.05 {
		t.Errorf("differs by %g", d)
	}
}

func TestAttended_is_the_text_and_its_ends(t *testing.T) {
	p := kandinsky(t)
	tokens := p.model.tokenizers[priorTokenizer]
	for text, want := range map[string]int{"": 2, "<|endoftext|>a": 4, strings.Repeat("a ", 100): 77} {
		ids, _ := tokens.Encode(text)
		mask := attended(ids, tokens)
		ones := 0
		for i, m := range mask {
			if m == 1 && i == ones {
				ones++
			}
		}
		if ones != want || len(mask) != 77 || slices.Contains(mask[ones:], 1) {
			t.Errorf("%.20q: %v, want %d ones", text, mask, want)
		}
	}
}

func TestInspect_reads_how_the_prior_walks(t *testing.T) {
	for _, c := range []struct {
		file, text string
		steps      int
		guidance   float64
		fault      string
	}{
		{"", "", 25, 4, ""},
		{"generation_config.json", `{"prior_num_inference_steps": 10, "prior_guidance_scale": 1}`, 10, 1, ""},
		{"generation_config.json", `{"prior_num_inference_steps": 1}`, 0, 0, "at least 2"},
		{"generation_config.json", `{"prior_guidance_scale": -1}`, 0, 0, "prior_guidance_scale"},
		{"prior_scheduler/scheduler_config.json", `{"_class_name": "DDIMScheduler"}`, 0, 0, "UnCLIPScheduler"},
		{"prior_scheduler/scheduler_config.json", `{"_class_name": "UnCLIPScheduler", "variance_type": "learned_range"}`, 0, 0, "fixed_small_log"},
	} {
		dir := fixture.Copy(t, "kandinsky22")
		if c.file != "" {
			if err := os.WriteFile(filepath.Join(dir, c.file), []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		m, err := Inspect(dir)
		switch {
		case c.fault != "":
			if err == nil || !strings.Contains(err.Error(), c.fault) || !strings.Contains(err.Error(), filepath.Base(c.file)) {
				t.Errorf("%s: %v, want %s", c.text, err, c.fault)
			}
		case err != nil:
			t.Error(err)
		case m.prior.steps != c.steps || m.prior.guidance != c.guidance || m.Scaling != 1 || m.Multiple != 64:
			t.Errorf("%s: %+v, scaling %v, multiple %d", c.text, m.prior, m.Scaling, m.Multiple)
		}
	}
}

func TestInspect_says_how_to_export_a_prior(t *testing.T) {
	for what, want := range map[string]string{"latents_std": "prior.clip_std", "wide": "axis 1 is fixed", "batch": "1 to 4", "unet": "32 numbers, the prior makes 33"} {
		m, err := Inspect(fixture.Folder(t, "kandinsky22"))
		if err != nil {
			t.Fatal(err)
		}
		g := m.Graphs["prior_prior"]
		hidden := slices.IndexFunc(g.Inputs, func(i onnx.Info) bool { return i.Name == "hidden_states" })
		switch what {
		case "latents_std":
			g.Outputs = slices.DeleteFunc(g.Outputs, func(i onnx.Info) bool { return i.Name == what })
		case "wide":
			g.Inputs[hidden].Shape = []int64{-1, -1}
		case "batch":
			g.Inputs[hidden].Shape = []int64{8, 32}
		case "unet":
			g.Inputs[hidden].Shape = []int64{-1, 33}
		}
		m.Graphs["prior_prior"] = g
		if err := m.checkGraphs(false); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", what, err, want)
		}
	}
}

func TestPaint_refuses_a_learned_variance_that_the_UNet_does_not_give(t *testing.T) {
	p := *pipeline(t)
	p.model.Scheduler.VarianceType = "learned_range"
	r := request(1)
	r.Steps, r.Scheduler = 2, "ddpm"
	var wrong *sdk.Error
	if _, err := p.TextToImage(t.Context(), r, 128, 128, silent{}); !errors.As(err, &wrong) || !strings.Contains(err.Error(), "variance_type") {
		t.Errorf("%v", err)
	}
	r.Scheduler = "ddim" // takes none
	if _, err := p.TextToImage(t.Context(), r, 128, 128, silent{}); err != nil {
		t.Error(err)
	}
}

func TestPaint_leaves_a_learned_variance_out_where_the_scheduler_takes_none(t *testing.T) {
	p := kandinsky(t)
	if _, err := p.TextToImage(t.Context(), Request{Prompt: "a", Steps: 2, Guidance: 4, Scheduler: "euler"}, 64, 64, silent{}); err != nil {
		t.Error(err)
	}
}

func TestGrownCells_cover_what_the_mask_touches(t *testing.T) {
	c := canvas{gridW: 64, gridH: 48, factor: 8}
	draw := func(box ...int) imaging.Pixels {
		return fixture.Mask{Box: [4]int(box)}.Pixels(c.gridW, c.gridH)
	}
	for _, k := range []struct {
		mask imaging.Pixels
		want string
	}{
		{draw(16, 16, 24, 24), "........ .##..... .###.... ..##.... ........ ........"},
		{draw(10, 16, 41, 32), "........ .#####.. .######. .######. ..#####. ........"},
		{draw(59, 3, 61, 5), ".......# ........ ........ ........ ........ ........"}, // a stroke that no cell begins with
		{draw(0, 0, 8, 8), "##...... ##...... ........ ........ ........ ........"},
		{draw(0, 0, 0, 0), "........ ........ ........ ........ ........ ........"},
	} {
		got := ""
		for i, paint := range c.grownCells(k.mask) {
			if i > 0 && i%c.latentW() == 0 {
				got += " "
			}
			got += map[float32]string{0: ".", 1: "#"}[paint]
		}
		if got != k.want {
			t.Errorf("%s, want %s", got, k.want)
		}
	}
}
