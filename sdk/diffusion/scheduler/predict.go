package scheduler

import "math"

// predictor turns the model's output into the picture and the noise that it means, for samples alpha*x0 + sigma*noise.
type predictor struct {
	kind string  // prediction_type
	clip float64 // the bound of x0, +Inf for none
}

func (c Config) predictor() predictor {
	p := predictor{kind: c.PredictionType, clip: math.Inf(1)}
	if *c.ClipSample {
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

// bound is x0 within the clip.
func (p predictor) bound(x0 float64) float64 { return min(max(x0, -p.clip), p.clip) }

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
