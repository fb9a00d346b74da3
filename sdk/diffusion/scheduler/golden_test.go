package scheduler

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"
)

// golden is where the reference numbers lie: made with diffusers v0.40.0 on torch 1.13.1, in float32. All arithmetic is
// element by element, so that some elements of each tensor are enough.
const golden = "testdata"

// The reference computes in float32: that and no more is what the numbers are worth.
const relative, absolute = 1e-4, 1e-4

type goldenInputs struct {
	Elements []int       `json:"elements"` // flat index of each number kept, in a tensor of 64
	Initial  []float32   `json:"initial"`
	Noises   [][]float32 `json:"noises"`
}

type goldenVariant struct {
	Config string       `json:"config"` // scheduler_config.json, as Python writes it
	Eta    float64      `json:"eta"`
	Cases  []goldenCase `json:"cases"`
}

type goldenCase struct {
	PredictionType  string      `json:"prediction_type"`
	TimestepSpacing string      `json:"timestep_spacing"`
	Steps           int         `json:"steps"`
	Timesteps       []float64   `json:"timesteps"`
	Sigmas          []float64   `json:"sigmas"`
	InitNoiseSigma  float64     `json:"init_noise_sigma"`
	ScaledFirst     []float32   `json:"scaled_first"`
	NoiseDraws      int         `json:"noise_draws"`
	Trajectory      [][]float32 `json:"trajectory"`
	AddNoise        []struct {
		Step   int       `json:"step"`
		Noise  int       `json:"noise"`
		Result []float32 `json:"result"`
	} `json:"add_noise"`
}

func readGolden(t *testing.T, name string, into any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(golden, name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}

// deviation is the largest |got-want| in units of what is allowed.
type deviation struct{ worst, largest float64 }

func (d *deviation) compare(t *testing.T, what string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s has %d numbers, want %d", what, len(got), len(want))
	}
	for i := range got {
		off := math.Abs(float64(got[i]) - float64(want[i]))
		share := off / (absolute + relative*math.Abs(float64(want[i])))
		if !(share <= 1) {
			t.Fatalf("%s, number %d: %v, want %v", what, i, got[i], want[i])
		}
		d.worst, d.largest = max(d.worst, share), max(d.largest, off)
	}
}

func near(got, want float64) bool { return math.Abs(got-want) <= 2e-6*math.Max(1, math.Abs(want)) }

// sigmasOf are the sigmas of a Scheduler that has them.
func sigmasOf(s Scheduler) []float64 {
	switch s := s.(type) {
	case *euler:
		return s.sigmas
	case *eulerAncestral:
		return s.sigmas
	case *dpmSolver:
		return s.sigmas
	}
	return nil
}

// output is the stand-in for a model that the reference numbers were made with.
func output(xin []float32, elements []int, timestep float64) []float32 {
	out := make([]float32, len(xin))
	for i, v := range xin {
		out[i] = float32(0.3*float64(v) + math.Sin(timestep/100+float64(elements[i])))
	}
	return out
}

var variants = []string{
	"ddim", "ddim_eta1", "ddim_set_alpha_to_one", "ddpm", "euler", "euler_karras", "euler_ancestral",
	"dpmpp_2m", "dpmpp_2m_karras", "dpmpp_2m_sde_karras", "lcm",
}

func TestStep_follows_the_trajectory_of_diffusers(t *testing.T) {
	var in goldenInputs
	readGolden(t, "inputs", &in)
	total := 0
	for _, variant := range variants {
		var g goldenVariant
		readGolden(t, variant, &g)
		var d deviation
		for _, c := range g.Cases {
			total++
			t.Run(fmt.Sprintf("%s/%s/%s/%d", variant, c.PredictionType, c.TimestepSpacing, c.Steps), func(t *testing.T) {
				walk(t, &in, &g, &c, &d)
			})
		}
		t.Logf("%s: largest deviation %.2g, at most %.2g of what is allowed", variant, d.largest, d.worst)
	}
	if total != 136 {
		t.Errorf("%d cases, want 136", total)
	}
}

func walk(t *testing.T, in *goldenInputs, g *goldenVariant, c *goldenCase, d *deviation) {
	config, err := Parse([]byte(g.Config))
	if err != nil {
		t.Fatal(err)
	}
	config.PredictionType, config.TimestepSpacing, config.Eta = c.PredictionType, c.TimestepSpacing, g.Eta
	s, err := New(config, c.Steps)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range c.Timesteps {
		if got := s.Timesteps(); len(got) != len(c.Timesteps) || !near(got[i], want) {
			t.Fatalf("timesteps %v, want %v", got, c.Timesteps)
		}
	}
	for i, want := range c.Sigmas {
		if got := sigmasOf(s); len(got) != len(c.Sigmas) || !near(got[i], want) {
			t.Fatalf("sigmas %v, want %v", got, c.Sigmas)
		}
	}
	if !near(s.InitNoiseSigma(), c.InitNoiseSigma) {
		t.Fatalf("init_noise_sigma %v, want %v", s.InitNoiseSigma(), c.InitNoiseSigma)
	}
	x, xin := make([]float32, len(in.Initial)), make([]float32, len(in.Initial))
	for i, v := range in.Initial {
		x[i] = float32(float64(v) * s.InitNoiseSigma())
	}
	draws := 0
	for step, timestep := range s.Timesteps() {
		s.ScaleModelInput(xin, x, step)
		if step == 0 {
			d.compare(t, "scaled input", xin, c.ScaledFirst)
		}
		s.Step(step, output(xin, in.Elements, timestep), x, func(dst []float32) {
			copy(dst, in.Noises[draws])
			draws++
		})
		d.compare(t, fmt.Sprintf("sample after step %d", step), x, c.Trajectory[step])
	}
	if draws != c.NoiseDraws {
		t.Errorf("%d noise tensors are drawn, want %d", draws, c.NoiseDraws)
	}
	for _, a := range c.AddNoise {
		s.AddNoise(x, in.Initial, in.Noises[a.Noise], a.Step)
		d.compare(t, fmt.Sprintf("add_noise at step %d", a.Step), x, a.Result)
	}
}
