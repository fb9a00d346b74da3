package scheduler

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func mustParse(t *testing.T, data string) Config {
	t.Helper()
	c, err := Parse([]byte(data))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestParse_reads_a_published_config(t *testing.T) {
	c := mustParse(t, `{"_class_name": "DDIMScheduler", "_diffusers_version": "0.8.0", "beta_end": 0.012, "beta_schedule": "scaled_linear",
		"beta_start": 0.00085, "clip_sample": false, "num_train_timesteps": 1000, "prediction_type": "v_prediction",
		"set_alpha_to_one": false, "skip_prk_steps": true, "steps_offset": 1, "trained_betas": null, "timestep_spacing": "trailing"}`)
	no := false
	want := Config{ClassName: "DDIMScheduler", NumTrainTimesteps: 1000, BetaStart: 0.00085, BetaEnd: 0.012, BetaSchedule: "scaled_linear",
		PredictionType: "v_prediction", TimestepSpacing: "trailing", StepsOffset: 1, ClipSample: &no, SetAlphaToOne: &no}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("%+v, want %+v", c, want)
	}
}

func TestParse_takes_the_infinity_that_Python_writes(t *testing.T) {
	c := mustParse(t, `{"_class_name":"DPMSolverMultistepScheduler","lambda_min_clipped":-Infinity,"note":"\"-Infinity"}`)
	if c.LambdaMinClipped == nil || *c.LambdaMinClipped > -1e300 {
		t.Errorf("lambda_min_clipped is %v", c.LambdaMinClipped)
	}
	if _, err := New(c, 10); err != nil {
		t.Error(err)
	}
}

func TestParse_refuses_what_it_does_not_compute_and_names_the_field(t *testing.T) {
	for _, c := range []struct{ class, fields, field, right string }{
		{"", ``, "_class_name", "DDIMScheduler"},
		{"FlowMatchEulerDiscreteScheduler", ``, "_class_name", "EulerDiscreteScheduler"},
		{"DDIMScheduler", `"beta_schedule":"laplace"`, "beta_schedule", "scaled_linear"},
		{"DDIMScheduler", `"prediction_type":"flow_prediction"`, "prediction_type", "v_prediction"},
		{"DDIMScheduler", `"timestep_spacing":"even"`, "timestep_spacing", "trailing"},
		{"DDIMScheduler", `"num_train_timesteps":-1`, "num_train_timesteps", "1 to 100000"},
		{"DDIMScheduler", `"num_train_timesteps":"many"`, "num_train_timesteps", "int"},
		{"DDIMScheduler", `"beta_start":-0.1`, "beta_start", "above 0"},
		{"DDIMScheduler", `"beta_end":1`, "beta_end", "below 1"},
		{"DDIMScheduler", `"beta_end":-Infinity`, "beta_end", "above 0"},
		{"DDIMScheduler", `"steps_offset":1000`, "steps_offset", "0 to"},
		{"DDIMScheduler", `"clip_sample_range":-1`, "clip_sample_range", "above 0"},
		{"DDIMScheduler", `"trained_betas":[0.1,0.2]`, "trained_betas", "num_train_timesteps"},
		{"DDIMScheduler", `"num_train_timesteps":2,"trained_betas":[0.1,1]`, "trained_betas", "below 1"},
		{"DDIMScheduler", `"num_train_timesteps":2,"trained_betas":[0.1,0]`, "trained_betas", "above 0"},
		{"DDIMScheduler", `"thresholding":true,"dynamic_thresholding_ratio":1.5`, "dynamic_thresholding_ratio", "at most 1"},
		{"DDIMScheduler", `"thresholding":true,"sample_max_value":-1`, "sample_max_value", "null for no limit"},
		{"UnCLIPScheduler", `"prediction_type":"v_prediction"`, "prediction_type", "epsilon or sample"},
		{"UnCLIPScheduler", `"beta_schedule":"linear"`, "beta_schedule", "squaredcos_cap_v2"},
		{"DDIMScheduler", `"rescale_betas_zero_snr":true`, "rescale_betas_zero_snr", "v_prediction"},
		{"EulerDiscreteScheduler", `"use_exponential_sigmas":true`, "use_exponential_sigmas", "false"},
		{"EulerDiscreteScheduler", `"use_beta_sigmas":true`, "use_beta_sigmas", "false"},
		{"EulerDiscreteScheduler", `"interpolation_type":"log_linear"`, "interpolation_type", "linear"},
		{"EulerDiscreteScheduler", `"timestep_type":"continuous"`, "timestep_type", "discrete"},
		{"EulerDiscreteScheduler", `"final_sigmas_type":"one"`, "final_sigmas_type", "sigma_min"},
		{"EulerDiscreteScheduler", `"sigma_min":2,"sigma_max":1`, "sigma_min", "below sigma_max"},
		{"EulerAncestralDiscreteScheduler", `"prediction_type":"sample"`, "prediction_type", "epsilon"},
		{"DPMSolverMultistepScheduler", `"use_lu_lambdas":true`, "use_lu_lambdas", "false"},
		{"DPMSolverMultistepScheduler", `"use_flow_sigmas":true`, "use_flow_sigmas", "false"},
		{"DPMSolverMultistepScheduler", `"algorithm_type":"dpmsolver"`, "algorithm_type", "dpmsolver++"},
		{"DPMSolverMultistepScheduler", `"solver_order":3`, "solver_order", "1 or 2"},
		{"DPMSolverMultistepScheduler", `"solver_type":"rk4"`, "solver_type", "midpoint"},
		{"LCMScheduler", `"original_inference_steps":2000`, "original_inference_steps", "num_train_timesteps"},
		{"LCMScheduler", `"timestep_scaling":-1`, "timestep_scaling", "above 0"},
	} {
		data := fmt.Sprintf(`{"_class_name":%q`, c.class)
		if c.fields != "" {
			data += "," + c.fields
		}
		_, err := Parse([]byte(data + "}"))
		if !errors.Is(err, ErrConfig) || !strings.Contains(fmt.Sprint(err), c.field) || !strings.Contains(fmt.Sprint(err), c.right) {
			t.Errorf("%s %s: error %v, want one with %s and %s", c.class, c.fields, err, c.field, c.right)
		}
	}
}

func TestParse_refuses_what_is_no_JSON_object(t *testing.T) {
	for _, data := range []string{"", "[]", `{"_class_name":`, "{}x", `"DDIMScheduler"`} {
		if _, err := Parse([]byte(data)); !errors.Is(err, ErrConfig) {
			t.Errorf("%q: error %v", data, err)
		}
	}
}

func TestParse_tells_no_limit_from_an_absent_one(t *testing.T) {
	for field, want := range map[string]float64{"": 1, `,"sample_max_value":null`: math.Inf(1), `,"sample_max_value":1.5`: 1.5} {
		c := mustParse(t, `{"_class_name":"DDPMScheduler","thresholding":true`+field+`}`)
		if got := float64(c.Resolved().SampleMaxValue); got != want {
			t.Errorf("%q: the limit is %v, want %v", field, got, want)
		}
	}
}

func TestResolved_gives_the_defaults_of_the_class(t *testing.T) {
	for _, c := range []struct {
		class, schedule, spacing string
		start, end               float64
		clip                     bool
	}{
		{classDDIM, "linear", "leading", 0.0001, 0.02, true},
		{classDDPM, "linear", "leading", 0.0001, 0.02, true},
		{classEuler, "linear", "linspace", 0.0001, 0.02, true},
		{classEulerAncestral, "linear", "linspace", 0.0001, 0.02, true},
		{classDPMSolver, "linear", "linspace", 0.0001, 0.02, true},
		{classLCM, "scaled_linear", "leading", 0.00085, 0.012, false},
		{UnCLIP, "squaredcos_cap_v2", "leading", 0.0001, 0.02, true},
	} {
		r := Config{ClassName: c.class}.Resolved()
		if r.BetaSchedule != c.schedule || r.TimestepSpacing != c.spacing || r.BetaStart != c.start || r.BetaEnd != c.end ||
			*r.ClipSample != c.clip || !*r.SetAlphaToOne || r.NumTrainTimesteps != 1000 || r.PredictionType != "epsilon" {
			t.Errorf("%s: %+v", c.class, r)
		}
	}
}

func TestResolved_knows_the_solvers_under_the_names_of_other_classes(t *testing.T) {
	for _, solver := range []string{"logrho", "bh1", "bh2"} {
		r := Config{ClassName: classDPMSolver, AlgorithmType: "deis", SolverType: solver}.Resolved()
		if r.AlgorithmType != "dpmsolver++" || r.SolverType != "midpoint" {
			t.Errorf("%s: %+v", solver, r)
		}
	}
}

func TestWith_gives_each_named_algorithm_the_betas_of_the_config(t *testing.T) {
	for _, class := range classes() {
		if class == UnCLIP { // not a user's choice
			continue
		}
		from := mustParse(t, fmt.Sprintf(`{"_class_name":%q,"beta_start":0.001,"prediction_type":"v_prediction","steps_offset":1}`, class))
		for _, name := range Names() {
			c, err := from.With(name)
			if err != nil {
				t.Fatal(err)
			}
			if c.Name() != name {
				t.Errorf("%s with %s is named %q", class, name, c.Name())
			}
			r, was := c.Resolved(), from.Resolved()
			if r.BetaStart != 0.001 || r.BetaEnd != was.BetaEnd || r.BetaSchedule != was.BetaSchedule ||
				r.PredictionType != "v_prediction" || r.StepsOffset != 1 {
				t.Errorf("%s with %s: %+v", class, name, r)
			}
			if _, err := New(c, 20); err != nil {
				t.Errorf("%s with %s: %v", class, name, err)
			}
		}
	}
}

func TestWith_keeps_a_given_spacing_and_takes_the_default_of_the_new_class_for_an_absent_one(t *testing.T) {
	for spacing, want := range map[string]string{"": "linspace", "trailing": "trailing"} {
		c, err := Config{ClassName: classDDIM, TimestepSpacing: spacing}.With("euler")
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Resolved().TimestepSpacing; got != want {
			t.Errorf("spacing %q becomes %q, want %q", spacing, got, want)
		}
	}
}

func TestWith_keeps_a_learned_variance_for_ddpm_only(t *testing.T) {
	for _, name := range Names() {
		c, err := Config{ClassName: classDDPM, VarianceType: "learned_range", Thresholding: true}.With(name)
		if err != nil {
			t.Fatal(err)
		}
		if c.LearnedVariance() != (name == "ddpm") {
			t.Errorf("%s: LearnedVariance is %v", name, c.LearnedVariance())
		}
		if _, err := New(c, 4); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWith_refuses_an_unknown_name_and_what_the_algorithm_cannot_predict(t *testing.T) {
	if _, err := (Config{ClassName: classDDIM}).With("plms"); !errors.Is(err, ErrArgument) || !strings.Contains(err.Error(), "dpmpp_2m_karras") {
		t.Errorf("unknown name: error %v", err)
	}
	if _, err := (Config{ClassName: classDDIM, PredictionType: "sample"}).With("euler_ancestral"); !errors.Is(err, ErrConfig) {
		t.Errorf("sample prediction: error %v", err)
	}
}

func TestNew_refuses_steps_and_classes_that_it_has_no_schedule_for(t *testing.T) {
	for _, c := range []struct {
		config Config
		steps  int
		want   error
	}{
		{Config{ClassName: classDDIM}, 0, ErrArgument},
		{Config{ClassName: classDDIM}, 1001, ErrArgument},
		{Config{ClassName: classDDIM, NumTrainTimesteps: 10}, 11, ErrArgument},
		{Config{ClassName: classDDIM, StepsOffset: 1}, 1000, ErrArgument},
		{Config{ClassName: classLCM}, 51, ErrArgument},
		{Config{ClassName: classDPMSolver, TimestepSpacing: "leading"}, 1000, ErrArgument},
		{Config{ClassName: "PNDMScheduler"}, 10, ErrConfig},
		{Config{ClassName: classDDPM, VarianceType: "fixed_large_log"}, 10, ErrConfig},
		{Config{ClassName: UnCLIP, VarianceType: "learned_range"}, 10, ErrConfig},
		{Config{ClassName: UnCLIP}, 1, ErrArgument},
		{Config{ClassName: UnCLIP}, 1001, ErrArgument},
		{Config{ClassName: classDPMSolver, VarianceType: "learned"}, 10, ErrConfig},
		{Config{ClassName: classDDIM, BetaEnd: 0.9}, 10, ErrConfig},
		{Config{ClassName: classDDIM, BetaStart: 1e-12}, 10, ErrConfig},
		{Config{ClassName: classDDIM, Eta: 2}, 10, ErrConfig},
	} {
		if _, err := New(c.config, c.steps); !errors.Is(err, c.want) {
			t.Errorf("%+v, %d steps: error %v, want %v", c.config, c.steps, err, c.want)
		}
	}
}

func TestNew_has_as_many_falling_timesteps_as_steps(t *testing.T) {
	for _, name := range Names() {
		for _, spacing := range []string{"leading", "trailing", "linspace"} {
			for _, steps := range []int{1, 2, 3, 7, 30, 50, 61, 103, 499, 769, 1000} {
				c, err := Config{ClassName: classDDIM, TimestepSpacing: spacing}.With(name)
				if err != nil {
					t.Fatal(err)
				}
				s, err := New(c, steps)
				if errors.Is(err, ErrArgument) && (name == "lcm" && steps > 50 || name[:3] == "dpm" && steps > 499) {
					continue
				}
				if err != nil {
					t.Fatalf("%s, %s, %d: %v", name, spacing, steps, err)
				}
				got := s.Timesteps()
				falling := slices.IsSortedFunc(got, func(a, b float64) int { return cmp.Compare(b, a) })
				if len(got) != steps || !falling || got[0] > 999 || got[steps-1] < 0 {
					t.Errorf("%s, %s, %d steps: %v", name, spacing, steps, got)
				}
			}
		}
	}
}

func TestStep_keeps_the_predicted_picture_within_the_clip(t *testing.T) {
	yes := true
	for _, name := range []string{"ddim", "ddpm", "lcm"} {
		c, err := Config{ClassName: classDDIM, PredictionType: "sample", ClipSample: &yes, ClipSampleRange: 2}.With(name)
		if err != nil {
			t.Fatal(err)
		}
		s, err := New(c, 1)
		if err != nil {
			t.Fatal(err)
		}
		clipped, within := []float32{0.5, 0.5}, []float32{0.5, 0.5}
		noise := func(dst []float32) { clear(dst) }
		s.Step(0, []float32{7, -7}, clipped, noise)
		s.Step(0, []float32{2, -2}, within, noise)
		if !slices.Equal(clipped, within) {
			t.Errorf("%s: %v, want %v", name, clipped, within)
		}
	}
}

func TestStep_of_ddpm_draws_nothing_at_timestep_0(t *testing.T) {
	s, err := New(Config{ClassName: classDDPM}, 5)
	if err != nil {
		t.Fatal(err)
	}
	draws := 0
	for step := range s.Timesteps() {
		s.Step(step, []float32{0}, []float32{1}, func(dst []float32) { draws++ })
	}
	if draws != 4 {
		t.Errorf("%d draws in 5 steps that end at timestep 0, want 4", draws)
	}
}

func TestStep_of_order_2_forgets_the_walk_before(t *testing.T) {
	s, err := New(Config{ClassName: classDPMSolver}, 4)
	if err != nil {
		t.Fatal(err)
	}
	var ends [2]float32
	for walk := range ends {
		x := []float32{1}
		for step := 1; step < 4; step++ {
			s.Step(step, []float32{0.3 * x[0]}, x, nil)
		}
		ends[walk] = x[0]
	}
	if ends[0] != ends[1] {
		t.Errorf("the walks end at %v", ends)
	}
}
