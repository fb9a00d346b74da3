package scheduler

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
)

// Config is diffusers' scheduler_config.json. A zero value or nil is an absent field, and stands for the default of the class
// in diffusers v0.40.0 (see Resolved). The JSON names are those that diffusers writes; fields not listed here are ignored.
type Config struct {
	ClassName string `json:"_class_name"` // a class of diffusers, such as DDIMScheduler

	NumTrainTimesteps   int       `json:"num_train_timesteps,omitempty"`    // 1 to 100000; 1000
	BetaStart           float64   `json:"beta_start,omitempty"`             // above 0, below 1; 0.0001, LCM: 0.00085
	BetaEnd             float64   `json:"beta_end,omitempty"`               // above 0, below 1; 0.02, LCM: 0.012
	BetaSchedule        string    `json:"beta_schedule,omitempty"`          // linear, scaled_linear, squaredcos_cap_v2; linear, LCM: scaled_linear
	TrainedBetas        []float64 `json:"trained_betas,omitempty"`          // instead of a schedule: one for each training timestep
	RescaleBetasZeroSNR bool      `json:"rescale_betas_zero_snr,omitempty"` // shift the betas so that the last timestep is noise alone
	PredictionType      string    `json:"prediction_type,omitempty"`        // epsilon, v_prediction, sample; epsilon

	TimestepSpacing string `json:"timestep_spacing,omitempty"` // leading, trailing, linspace; Euler and DPM: linspace, the others: leading
	StepsOffset     int    `json:"steps_offset,omitempty"`     // 0 to num_train_timesteps-1: added by leading spacing

	SetAlphaToOne   *bool   `json:"set_alpha_to_one,omitempty"`  // DDIM, LCM: abar beyond the last step is 1, not that of timestep 0; true
	ClipSample      *bool   `json:"clip_sample,omitempty"`       // DDIM, DDPM, LCM: keep the predicted picture within the range; true, LCM: false
	ClipSampleRange float64 `json:"clip_sample_range,omitempty"` // above 0; 1
	VarianceType    string  `json:"variance_type,omitempty"`     // DDPM: fixed_small, fixed_small_log, fixed_large, learned, learned_range; fixed_small

	Thresholding             bool    `json:"thresholding,omitempty"`               // DDIM, DDPM, LCM, DPM: dynamic thresholding, in the place of clip_sample
	DynamicThresholdingRatio float64 `json:"dynamic_thresholding_ratio,omitempty"` // the quantile that it clips at, above 0, to 1; 0.995
	SampleMaxValue           Limit   `json:"sample_max_value,omitempty"`           // the largest value that it clips at, above 0; 1, null: no limit

	UseKarrasSigmas bool     `json:"use_karras_sigmas,omitempty"` // Euler, DPM: sigmas of arXiv:2206.00364, equation 5, rho 7
	SigmaMin        *float64 `json:"sigma_min,omitempty"`         // the smallest of these, above 0; that of the spacing
	SigmaMax        *float64 `json:"sigma_max,omitempty"`         // the largest of these, above sigma_min; that of the spacing
	FinalSigmasType string   `json:"final_sigmas_type,omitempty"` // Euler, DPM: zero, sigma_min (that of timestep 0); zero

	AlgorithmType    string   `json:"algorithm_type,omitempty"`     // DPM: dpmsolver++ (also deis), sde-dpmsolver++; dpmsolver++
	SolverOrder      int      `json:"solver_order,omitempty"`       // DPM: 1, 2; 2
	SolverType       string   `json:"solver_type,omitempty"`        // DPM: midpoint (also logrho, bh1, bh2), heun; midpoint
	LowerOrderFinal  *bool    `json:"lower_order_final,omitempty"`  // DPM: below 15 steps the last is of order 1; true
	EulerAtFinal     bool     `json:"euler_at_final,omitempty"`     // DPM: the last step is always of order 1
	LambdaMinClipped *float64 `json:"lambda_min_clipped,omitempty"` // DPM: skip timesteps whose log(alpha/sigma) is below; none

	OriginalInferenceSteps int     `json:"original_inference_steps,omitempty"` // LCM: steps of the distillation's schedule, 1 to num_train_timesteps; 50
	TimestepScaling        float64 `json:"timestep_scaling,omitempty"`         // LCM: above 0; 10

	// Eta is DDIM's share of noise, 0 (none) to 1 (as much as DDPM). It is an argument of step in diffusers, not part of the file.
	Eta float64 `json:"-"`
}

// Limit is a bound that may be absent (0) or, as JSON's null, be none (+Inf).
type Limit float64

// UnmarshalJSON takes a number or null.
func (l *Limit) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		*l = Limit(math.Inf(1))
		return nil
	}
	return json.Unmarshal(data, (*float64)(l))
}

// MarshalJSON writes +Inf as null.
func (l Limit) MarshalJSON() ([]byte, error) {
	if math.IsInf(float64(l), 1) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(l))
}

// minusInfinity stands for it in what is parsed: finite, and below all that occurs.
const minusInfinity = "-1e308"

// Parse reads a scheduler_config.json. Fields that would give other numbers than those computed here are refused, not
// ignored; the error wraps ErrConfig, names the field and says what would be right.
//
// The class may be one that isn't implemented but has betas (PNDMScheduler, UniPCMultistepScheduler and such): then Name is
// empty, New fails, and With gives an algorithm that is.
func Parse(data []byte) (Config, error) {
	data = withoutInfinity(data)
	var c Config
	if err := json.Unmarshal(data, &c); err != nil {
		return Config{}, fmt.Errorf("%w: not a scheduler_config.json: %w", ErrConfig, err)
	}
	var r refused
	if err := json.Unmarshal(data, &r); err != nil {
		return Config{}, fmt.Errorf("%w: not a scheduler_config.json: %w", ErrConfig, err)
	}
	if err := r.check(); err != nil {
		return Config{}, err
	}
	if err := c.check(); err != nil {
		return Config{}, err
	}
	return c, nil
}

// withoutInfinity replaces -Infinity outside of strings: Python writes it for lambda_min_clipped, and JSON doesn't know it.
func withoutInfinity(data []byte) []byte {
	var out []byte
	inString := false
	for i := 0; i < len(data); i++ {
		switch {
		case data[i] == '"':
			inString = !inString
		case inString && data[i] == '\\' && i+1 < len(data):
			out = append(out, data[i])
			i++
		case !inString && bytes.HasPrefix(data[i:], []byte("-Infinity")):
			out = append(out, minusInfinity...)
			i += len("-Infinity") - 1
			continue
		}
		out = append(out, data[i])
	}
	return out
}

// refused are the fields of diffusers that change the numbers in ways not implemented here.
type refused struct {
	UseExponentialSigmas bool   `json:"use_exponential_sigmas"`
	UseBetaSigmas        bool   `json:"use_beta_sigmas"`
	UseLuLambdas         bool   `json:"use_lu_lambdas"`
	UseFlowSigmas        bool   `json:"use_flow_sigmas"`
	InterpolationType    string `json:"interpolation_type"`
	TimestepType         string `json:"timestep_type"`
}

func (r refused) check() error {
	return firstBroken([]rule{
		{"use_exponential_sigmas", r.UseExponentialSigmas, !r.UseExponentialSigmas, "false"},
		{"use_beta_sigmas", r.UseBetaSigmas, !r.UseBetaSigmas, "false"},
		{"use_lu_lambdas", r.UseLuLambdas, !r.UseLuLambdas, "false"},
		{"use_flow_sigmas", r.UseFlowSigmas, !r.UseFlowSigmas, "false"},
		{"interpolation_type", r.InterpolationType, oneOf(r.InterpolationType, "", "linear"), "linear"},
		{"timestep_type", r.TimestepType, oneOf(r.TimestepType, "", "discrete"), "discrete"},
	})
}
