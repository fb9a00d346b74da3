package scheduler

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// rule is what a field of a config must keep to.
type rule struct {
	field string
	value any
	holds bool
	want  string
}

func firstBroken(rules []rule) error {
	for _, r := range rules {
		if !r.holds {
			return fmt.Errorf("%w: %s is %#v, must be %s", ErrConfig, r.field, r.value, r.want)
		}
	}
	return nil
}

func oneOf(value string, known ...string) bool { return slices.Contains(known, value) }

// check is an error for the first field that New could not compute with, whatever the number of steps.
func (c Config) check() error {
	if _, ok := builders[c.ClassName]; !ok && !slices.Contains(convertible, c.ClassName) {
		return fmt.Errorf("%w: _class_name is %q, must be one of %s", ErrConfig, c.ClassName, strings.Join(classes(), ", "))
	}
	c = c.Resolved()
	rules := []rule{
		{"num_train_timesteps", c.NumTrainTimesteps, c.NumTrainTimesteps >= 1 && c.NumTrainTimesteps <= 100_000, "1 to 100000"},
		{"beta_start", c.BetaStart, c.BetaStart > 0 && c.BetaStart < 1, "above 0 and below 1"},
		{"beta_end", c.BetaEnd, c.BetaEnd > 0 && c.BetaEnd < 1, "above 0 and below 1"},
		{"beta_schedule", c.BetaSchedule, oneOf(c.BetaSchedule, "linear", "scaled_linear", "squaredcos_cap_v2"),
			"linear, scaled_linear or squaredcos_cap_v2"},
		{"prediction_type", c.PredictionType, oneOf(c.PredictionType, "epsilon", "v_prediction", "sample"),
			"epsilon, v_prediction or sample"},
		{"timestep_spacing", c.TimestepSpacing, oneOf(c.TimestepSpacing, "leading", "trailing", "linspace"),
			"leading, trailing or linspace"},
		{"steps_offset", c.StepsOffset, c.StepsOffset >= 0 && c.StepsOffset < c.NumTrainTimesteps,
			"0 to num_train_timesteps-1"},
		{"clip_sample_range", c.ClipSampleRange, c.ClipSampleRange > 0 && !math.IsInf(c.ClipSampleRange, 0), "above 0"},
		{"dynamic_thresholding_ratio", c.DynamicThresholdingRatio,
			!c.Thresholding || c.DynamicThresholdingRatio > 0 && c.DynamicThresholdingRatio <= 1, "above 0, at most 1"},
		{"sample_max_value", c.SampleMaxValue, !c.Thresholding || c.SampleMaxValue > 0, "above 0, or null for no limit"},
	}
	if c.TrainedBetas != nil {
		rules = append(rules,
			rule{"the length of trained_betas", len(c.TrainedBetas), len(c.TrainedBetas) == c.NumTrainTimesteps, "num_train_timesteps"},
			rule{"the largest of trained_betas", greatest(c.TrainedBetas), greatest(c.TrainedBetas) < 1, "below 1"},
			rule{"the smallest of trained_betas", least(c.TrainedBetas), least(c.TrainedBetas) > 0, "above 0"})
	}
	if err := firstBroken(rules); err != nil {
		return err
	}
	return firstBroken(c.classRules())
}

// greatest is the largest of values, or +Inf if one isn't a number, so that a bound refuses it.
func greatest(values []float64) float64 {
	m := math.Inf(-1)
	for _, v := range values {
		if math.IsNaN(v) {
			return math.Inf(1)
		}
		m = max(m, v)
	}
	return m
}

func least(values []float64) float64 {
	m := math.Inf(1)
	for _, v := range values {
		m = min(m, v)
	}
	return m
}

// classRules are those for the fields that only some classes read: what a class doesn't read is no error in its config.
func (c Config) classRules() []rule {
	// Without signal at the last timestep neither x0 from epsilon nor (x - sigma*epsilon)/alpha exists.
	zeroSNR := rule{"rescale_betas_zero_snr", c.RescaleBetasZeroSNR, !c.RescaleBetasZeroSNR || c.PredictionType != "epsilon",
		"false, or prediction_type v_prediction"}
	final := rule{"final_sigmas_type", c.FinalSigmasType, oneOf(c.FinalSigmasType, "zero", "sigma_min"), "zero or sigma_min"}
	switch c.ClassName {
	case classDDIM:
		return []rule{zeroSNR, {"eta", c.Eta, c.Eta >= 0 && c.Eta <= 1, "0 to 1"}}
	case classDDPM:
		return []rule{zeroSNR}
	case UnCLIP:
		return []rule{
			{"beta_schedule", c.BetaSchedule, c.BetaSchedule == "squaredcos_cap_v2", "squaredcos_cap_v2"},
			{"prediction_type", c.PredictionType, c.PredictionType != "v_prediction", "epsilon or sample"}}
	case classLCM:
		return []rule{zeroSNR,
			{"original_inference_steps", c.OriginalInferenceSteps,
				c.OriginalInferenceSteps >= 1 && c.OriginalInferenceSteps <= c.NumTrainTimesteps, "1 to num_train_timesteps"},
			{"timestep_scaling", c.TimestepScaling, c.TimestepScaling > 0 && !math.IsInf(c.TimestepScaling, 0), "above 0"}}
	case classEuler:
		return append(c.sigmaRules(), final)
	case classEulerAncestral:
		return []rule{{"prediction_type", c.PredictionType, c.PredictionType != "sample", "epsilon or v_prediction"}}
	case classDPMSolver:
		return append(c.sigmaRules(), final,
			rule{"algorithm_type", c.AlgorithmType, oneOf(c.AlgorithmType, "dpmsolver++", "sde-dpmsolver++"), "dpmsolver++ or sde-dpmsolver++"},
			rule{"solver_order", c.SolverOrder, c.SolverOrder == 1 || c.SolverOrder == 2, "1 or 2"},
			rule{"solver_type", c.SolverType, oneOf(c.SolverType, "midpoint", "heun"), "midpoint or heun"},
			rule{"lambda_min_clipped", c.LambdaMinClipped, c.LambdaMinClipped == nil || !math.IsNaN(*c.LambdaMinClipped), "a number"})
	}
	return nil
}

// checkVariance is apart from check: whatever the variance, a config is still good for another algorithm, by With.
func (c Config) checkVariance() error {
	r := rule{"variance_type", c.VarianceType, true, "null"}
	switch c.ClassName {
	case classDDPM:
		known := []string{"fixed_small", "fixed_small_log", "fixed_large", "learned", "learned_range"}
		r.holds, r.want = oneOf(c.VarianceType, known...), strings.Join(known, ", ")
	case UnCLIP:
		r.holds, r.want = c.VarianceType == "fixed_small_log", "fixed_small_log"
	case classDPMSolver:
		r.holds = !oneOf(c.VarianceType, "learned", "learned_range")
	}
	return firstBroken([]rule{r})
}

// LearnedVariance reports whether Step needs a model output that is twice as long as the sample.
func (c Config) LearnedVariance() bool {
	return c.ClassName == classDDPM && oneOf(c.VarianceType, "learned", "learned_range")
}

// sigmaRules are for the ends of the Karras sigmas.
func (c Config) sigmaRules() []rule {
	low, high := 1e-10, 1e10
	if c.SigmaMin != nil {
		low = *c.SigmaMin
	}
	if c.SigmaMax != nil {
		high = *c.SigmaMax
	}
	return []rule{
		{"sigma_min", low, low >= 1e-10 && low < high, "at least 1e-10, and below sigma_max"},
		{"sigma_max", high, high > low && high <= 1e10, "above sigma_min, and at most 1e10"},
	}
}
