package scheduler

import (
	"math"
	"slices"
)

// predictor turns the model's output into the picture and the noise that it means, for samples alpha*x0 + sigma*noise.
type predictor struct {
	kind    string     // prediction_type
	clip    float64    // the bound of x0, +Inf for none
	dynamic *threshold // in the place of clip; nil for none
	x0      []float64  // of the last call of picture
}

func (c Config) predictor() predictor {
	p := predictor{kind: c.PredictionType, clip: math.Inf(1)}
	switch {
	case c.Thresholding:
		p.dynamic = &threshold{ratio: c.DynamicThresholdingRatio, limit: float64(c.SampleMaxValue)}
	case *c.ClipSample:
		p.clip = c.ClipSampleRange
	}
	return p
}

// linear are the factors of the sample and of the output in x0 and in epsilon. The factors of what the prediction type
// doesn't define at alpha or sigma 0 are infinite.
type linear struct{ x0X, x0Out, epsX, epsOut float64 }

func (p predictor) factors(alpha, sigma float64) linear {
	switch p.kind {
	case "v_prediction":
		return linear{x0X: alpha, x0Out: -sigma, epsX: sigma, epsOut: alpha}
	case "sample":
		return linear{x0X: 0, x0Out: 1, epsX: 1 / sigma, epsOut: -alpha / sigma}
	}
	return linear{x0X: 1 / alpha, x0Out: -sigma / alpha, epsX: 0, epsOut: 1}
}

// picture is x0 within its bounds, valid until the next call. output may be longer than x.
func (p *predictor) picture(f linear, output, x []float32) []float64 {
	if cap(p.x0) < len(x) {
		p.x0 = make([]float64, len(x))
	}
	p.x0 = p.x0[:len(x)]
	for i, v := range x {
		p.x0[i] = min(max(f.x0X*float64(v)+f.x0Out*float64(output[i]), -p.clip), p.clip)
	}
	if p.dynamic != nil {
		p.dynamic.apply(p.x0)
	}
	return p.x0
}

// threshold is dynamic thresholding: arXiv:2205.11487, section 2.3.
type threshold struct {
	ratio  float64 // the quantile of |x0| that becomes the bound
	limit  float64 // the largest bound, +Inf for none
	sorted []float64
}

// apply clips x0 to its quantile of absolute values, within 1 and the limit, and divides by that. Between two values the
// quantile is linear, as torch.quantile's.
func (t *threshold) apply(x0 []float64) {
	if len(x0) == 0 {
		return
	}
	t.sorted = t.sorted[:0]
	for _, v := range x0 {
		t.sorted = append(t.sorted, math.Abs(v))
	}
	slices.Sort(t.sorted)
	at := t.ratio * float64(len(x0)-1)
	i := min(int(at), len(x0)-1)
	next := t.sorted[min(i+1, len(x0)-1)]
	s := t.sorted[i] + (at-float64(i))*(next-t.sorted[i])
	s = min(max(s, 1), t.limit)
	for i, v := range x0 {
		x0[i] = min(max(v, -s), s) / s
	}
}

// variancePreserving is what the schedulers share whose samples are sqrt(abar)*x0 + sqrt(1-abar)*noise at whole timesteps.
type variancePreserving struct {
	alphas    []float64 // abar by training timestep
	timesteps []float64
	predictor predictor
	scratch   scratch
}

func (v *variancePreserving) Timesteps() []float64 { return v.timesteps }

func (v *variancePreserving) InitNoiseSigma() float64 { return 1 }

func (v *variancePreserving) ScaleModelInput(dst, x []float32, _ int) { copy(dst[:len(x)], x) }

// alpha is abar at a step's timestep.
func (v *variancePreserving) alpha(step int) float64 { return v.alphas[int(v.timesteps[step])] }

func (v *variancePreserving) AddNoise(dst, x, noise []float32, step int) {
	a := v.alpha(step)
	mix(dst, x, noise, math.Sqrt(a), math.Sqrt(1-a))
}

// mix is a*x + b*noise.
func mix(dst, x, noise []float32, a, b float64) {
	for i, v := range x {
		dst[i] = float32(a*float64(v) + b*float64(noise[i]))
	}
}
