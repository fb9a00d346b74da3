package scheduler

import (
	"fmt"
	"math"
)

// lcm is LCMScheduler: arXiv:2310.04378, algorithm 3, with the boundary scalings of consistency models (arXiv:2303.01469,
// appendix C).
type lcm struct {
	variancePreserving
	scaling float64 // timestep_scaling
}

func newLCM(c Config, alphas []float64, steps int) (Scheduler, error) {
	n := c.OriginalInferenceSteps
	if steps > n {
		return nil, fmt.Errorf("%w: steps %d must be at most original_inference_steps, %d", ErrArgument, steps, n)
	}
	timesteps := make([]float64, steps)
	for i := range timesteps {
		skipped := int(float64(i) * (float64(n) / float64(steps)))
		timesteps[i] = float64((n-skipped)*(c.NumTrainTimesteps/n) - 1)
	}
	v := variancePreserving{alphas: alphas, timesteps: timesteps, predictor: c.predictor()}
	return &lcm{variancePreserving: v, scaling: c.TimestepScaling}, nil
}

func (l *lcm) Step(step int, output, x []float32, noise func(dst []float32)) {
	const dataVariance = 0.25 // sigma_data is 0.5
	t := l.timesteps[step] * l.scaling
	skip, out := dataVariance/(t*t+dataVariance), t/math.Sqrt(t*t+dataVariance)
	// The last step keeps the picture as it is; the others noise it for the next timestep.
	signal, deviation := 1.0, 0.0
	var drawn []float32
	if step+1 < len(l.timesteps) {
		next := l.alpha(step + 1)
		signal, deviation = math.Sqrt(next), math.Sqrt(1-next)
		drawn = l.scratch.draw(len(x), noise)
	}
	a := l.alpha(step)
	f := l.predictor.factors(math.Sqrt(a), math.Sqrt(1-a))
	x0 := l.predictor.picture(f, output, x)
	for i, v := range x {
		next := signal * (out*x0[i] + skip*float64(v))
		if drawn != nil {
			next += deviation * float64(drawn[i])
		}
		x[i] = float32(next)
	}
}
