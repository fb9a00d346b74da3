package scheduler

import "math"

// eulerAncestral is EulerAncestralDiscreteScheduler: a step of Euler to less noise than asked, and new noise for the rest.
type eulerAncestral struct {
	exploding
	scratch scratch
}

func newEulerAncestral(c Config, alphas []float64, steps int) (Scheduler, error) {
	trained := trainSigmas(alphas)
	timesteps := c.spaced(steps)
	sigmas := make([]float64, steps+1)
	for i, t := range timesteps {
		sigmas[i] = float64(float32(interpolate(trained, t)))
	}
	return &eulerAncestral{exploding: newExploding(c, timesteps, sigmas)}, nil
}

func (e *eulerAncestral) Step(step int, output, x []float32, noise func(dst []float32)) {
	from, to := e.sigmas[step], e.sigmas[step+1]
	up := math.Sqrt(to * to * (from*from - to*to) / (from * from))
	down := math.Sqrt(max(to*to-up*up, 0))
	e.follow(output, x, from, down)
	// diffusers draws on the last step too, and multiplies by 0.
	for i, n := range e.scratch.draw(len(x), noise) {
		x[i] = float32(float64(x[i]) + up*float64(n))
	}
}
