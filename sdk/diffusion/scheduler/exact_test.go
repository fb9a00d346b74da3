package scheduler

import (
	"fmt"
	"math"
	"testing"
)

// spread is the standard deviation of the data in these tests. For normal data the best prediction is linear in the sample,
// and the walk without noise has a closed form: x/sqrt(abar*spread^2 + 1 - abar) stays what it was.
const spread = 2.0

// predict is the output of a perfect model for normal data: E[x0] = alpha*spread^2/v*x and E[noise] = sigma/v*x.
func predict(kind string, abar, x float64) float64 {
	v := abar*spread*spread + 1 - abar
	x0, eps := math.Sqrt(abar)*spread*spread/v*x, math.Sqrt(1-abar)/v*x
	switch kind {
	case "sample":
		return x0
	case "v_prediction":
		return math.Sqrt(abar)*eps - math.Sqrt(1-abar)*x0
	}
	return eps
}

// walkExactly is where a perfect model takes the sample 1 of the step from, over what the closed form says.
func walkExactly(t *testing.T, c Config, steps, from int) float64 {
	t.Helper()
	s, err := New(c, steps)
	if err != nil {
		t.Fatal(err)
	}
	r := c.Resolved()
	alphas, err := r.alphas()
	if err != nil {
		t.Fatal(err)
	}
	abarAt := func(step int) float64 {
		if sigmas := sigmasOf(s); sigmas != nil {
			return 1 / (1 + sigmas[step]*sigmas[step])
		}
		return alphas[int(s.Timesteps()[step])]
	}
	scale := 1.0 // of a sample of this class to a variance preserving one
	if e, ok := s.(*euler); ok {
		scale = math.Sqrt(e.sigmas[from]*e.sigmas[from] + 1)
	}
	x, xin := []float32{float32(scale)}, []float32{0}
	for step := from; step < len(s.Timesteps()); step++ {
		s.ScaleModelInput(xin, x, step)
		out := predict(r.PredictionType, abarAt(step), float64(xin[0]))
		s.Step(step, []float32{float32(out)}, x, nil)
	}
	a := abarAt(from)
	want := spread / math.Sqrt(a*spread*spread+1-a)
	if r.FinalSigmasType == "sigma_min" && sigmasOf(s) != nil {
		a := alphas[0]
		v := math.Sqrt(a*spread*spread + 1 - a)
		if _, ok := s.(*euler); ok {
			v /= math.Sqrt(a)
		}
		want *= v / spread
	}
	return float64(x[0]) / want
}

func TestStep_with_a_perfect_model_ends_where_the_differential_equation_does(t *testing.T) {
	base := Config{ClassName: classDDIM, BetaStart: 0.00085, BetaEnd: 0.012, BetaSchedule: "scaled_linear", ClipSample: new(bool)}
	for _, c := range []struct {
		what    string
		name    string
		change  func(*Config)
		steps   int
		allowed float64
	}{
		{"ddim", "ddim", func(*Config) {}, 500, 0.01},
		{"euler", "euler", func(*Config) {}, 500, 0.01},
		{"euler_karras", "euler_karras", func(*Config) {}, 500, 0.01},
		{"sigma_min", "euler_karras", func(c *Config) { c.FinalSigmasType = "sigma_min" }, 500, 0.01},
		{"order 1", "dpmpp_2m", func(c *Config) { c.SolverOrder = 1 }, 200, 0.02},
		{"midpoint", "dpmpp_2m", func(*Config) {}, 50, 0.003},
		{"heun", "dpmpp_2m", func(c *Config) { c.SolverType = "heun" }, 50, 0.003},
		{"midpoint, karras", "dpmpp_2m_karras", func(*Config) {}, 50, 0.003},
		{"heun, karras, sigma_min", "dpmpp_2m_karras", func(c *Config) { c.SolverType, c.FinalSigmasType = "heun", "sigma_min" }, 50, 0.003},
		{"linear betas", "dpmpp_2m", func(c *Config) { c.BetaSchedule, c.BetaStart, c.BetaEnd = "linear", 0.0001, 0.02 }, 50, 0.003},
		{"cosine betas", "dpmpp_2m", func(c *Config) {
			clip := -5.1
			c.BetaSchedule, c.LambdaMinClipped = "squaredcos_cap_v2", &clip
		}, 200, 0.003},
	} {
		for _, kind := range []string{"epsilon", "v_prediction", "sample"} {
			for _, spacing := range []string{"leading", "trailing", "linspace"} {
				for _, from := range []int{0, c.steps / 3} {
					t.Run(fmt.Sprintf("%s/%s/%s/from %d", c.what, kind, spacing, from), func(t *testing.T) {
						config, err := base.With(c.name)
						if err != nil {
							t.Fatal(err)
						}
						config.PredictionType, config.TimestepSpacing = kind, spacing
						c.change(&config)
						if got := walkExactly(t, config, c.steps, from); !(math.Abs(got-1) <= c.allowed) {
							t.Errorf("ends at %.5f of the closed form", got)
						}
					})
				}
			}
		}
	}
}

func TestStep_begins_from_noise_alone_after_rescaling_to_zero_snr(t *testing.T) {
	for _, name := range []string{"ddim", "euler", "dpmpp_2m"} {
		config, err := Config{ClassName: classDDIM, BetaSchedule: "scaled_linear", BetaStart: 0.00085, BetaEnd: 0.012,
			PredictionType: "v_prediction", TimestepSpacing: "trailing", ClipSample: new(bool), RescaleBetasZeroSNR: true}.With(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := walkExactly(t, config, 200, 0); !(math.Abs(got-1) <= 0.03) {
			t.Errorf("%s ends at %.5f of the closed form", name, got)
		}
	}
}

// The variance of what a stochastic walk makes of normal data is the data's, if the walk adds the right noise.
func TestStep_of_a_stochastic_walk_keeps_the_variance_of_the_data(t *testing.T) {
	base := Config{ClassName: classDDIM, BetaStart: 0.00085, BetaEnd: 0.012, BetaSchedule: "scaled_linear", ClipSample: new(bool),
		TimestepSpacing: "trailing"}
	for _, c := range []struct {
		what   string
		name   string
		change func(*Config)
	}{
		{"ddim, eta 1", "ddim", func(c *Config) { c.Eta = 1 }},
		{"ddim, eta 0.5", "ddim", func(c *Config) { c.Eta = 0.5 }},
		{"ddpm", "ddpm", func(*Config) {}},
		{"ddpm, fixed_large", "ddpm", func(c *Config) { c.VarianceType = "fixed_large" }},
		{"ddpm, learned_range at its lower end", "ddpm", func(c *Config) { c.VarianceType = "learned_range" }},
		{"unclip", "ddpm", func(c *Config) { *c = Config{ClassName: UnCLIP, ClipSample: c.ClipSample} }},
		{"euler_ancestral", "euler_ancestral", func(*Config) {}},
		{"sde", "dpmpp_2m_sde", func(*Config) {}},
		{"sde, heun", "dpmpp_2m_sde", func(c *Config) { c.SolverType = "heun" }},
		{"sde, karras", "dpmpp_2m_sde_karras", func(*Config) {}},
	} {
		t.Run(c.what, func(t *testing.T) {
			config, err := base.With(c.name)
			if err != nil {
				t.Fatal(err)
			}
			c.change(&config)
			if got := variance(t, config, 500); !(math.Abs(got/(spread*spread)-1) <= 0.04) {
				t.Errorf("variance %.4f, want %v", got, spread*spread)
			}
		})
	}
}

// variance is exact, without drawing: the walk is linear, so that each noise is followed in an element of its own. Element 0
// starts from unit noise, element k has the noise of draw k alone.
func variance(t *testing.T, c Config, steps int) float64 {
	t.Helper()
	s, err := New(c, steps)
	if err != nil {
		t.Fatal(err)
	}
	alphas, err := c.Resolved().alphas()
	if err != nil {
		t.Fatal(err)
	}
	x, xin, out := make([]float32, steps+1), make([]float32, steps+1), make([]float32, 2*(steps+1))
	for i := range x {
		out[len(x)+i] = -1 // a learned variance
	}
	x[0] = float32(s.InitNoiseSigma())
	draws := 0
	for step, timestep := range s.Timesteps() {
		a := alphas[int(timestep)]
		if sigmas := sigmasOf(s); sigmas != nil {
			a = 1 / (1 + sigmas[step]*sigmas[step])
		}
		s.ScaleModelInput(xin, x, step)
		for i, v := range xin {
			out[i] = float32(predict("epsilon", a, float64(v)))
		}
		s.Step(step, out, x, func(dst []float32) {
			clear(dst)
			draws++
			dst[draws] = 1
		})
	}
	sum := 0.0
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return sum
}
