package scheduler

import "math"

// exploding is what the Euler family shares: samples are x0 + sigma*noise.
type exploding struct {
	timesteps []float64
	sigmas    []float64 // one more than timesteps: the last is beyond the walk
	initial   float64
	kind      string // prediction_type
}

// newExploding sets the first sigma's noise: the spacings that begin at the last timestep take it for noise alone.
func newExploding(c Config, timesteps, sigmas []float64) exploding {
	e := exploding{timesteps: timesteps, sigmas: sigmas, initial: sigmas[0], kind: c.PredictionType}
	if c.TimestepSpacing == "leading" {
		e.initial = math.Sqrt(e.initial*e.initial + 1)
	}
	return e
}

func (e *exploding) Timesteps() []float64 { return e.timesteps }

func (e *exploding) InitNoiseSigma() float64 { return e.initial }

func (e *exploding) ScaleModelInput(dst, x []float32, step int) {
	scale := math.Sqrt(e.sigmas[step]*e.sigmas[step] + 1)
	for i, v := range x {
		dst[i] = float32(float64(v) / scale)
	}
}

func (e *exploding) AddNoise(dst, x, noise []float32, step int) {
	mix(dst, x, noise, 1, e.sigmas[step])
}

// x0 are the factors of the sample and of the output in the predicted picture.
func (e *exploding) x0(sigma float64) (x, output float64) {
	switch e.kind {
	case "v_prediction":
		return 1 / (sigma*sigma + 1), -sigma / math.Sqrt(sigma*sigma+1)
	case "sample":
		return 0, 1
	}
	return 1, -sigma
}

// follow moves x from sigma to the sigma at target along the line through the predicted picture.
func (e *exploding) follow(output, x []float32, sigma, target float64) {
	ratio := target / sigma
	fx, fo := e.x0(sigma)
	for i, v := range x {
		s := float64(v)
		x0 := fx*s + fo*float64(output[i])
		x[i] = float32(x0 + (s-x0)*ratio)
	}
}

// euler is EulerDiscreteScheduler with s_churn 0: arXiv:2206.00364, algorithm 2.
type euler struct{ exploding }

func newEuler(c Config, alphas []float64, steps int) (Scheduler, error) {
	trained := trainSigmas(alphas)
	timesteps := c.spaced(steps)
	sigmas := make([]float64, steps)
	for i, t := range timesteps {
		sigmas[i] = interpolate(trained, t)
	}
	if c.UseKarrasSigmas {
		low, high := c.karrasEnds(sigmas[steps-1], sigmas[0])
		sigmas, timesteps = karras(low, high, steps, trained)
		for i, t := range timesteps {
			timesteps[i] = float64(float32(t))
		}
	}
	return &euler{newExploding(c, timesteps, c.withFinal(sigmas, trained))}, nil
}

func (e *euler) Step(step int, output, x []float32, _ func(dst []float32)) {
	e.follow(output, x, e.sigmas[step], e.sigmas[step+1])
}
