package scheduler

import "math"

// ddpm is DDPMScheduler: arXiv:2006.11239, equations 6, 7 and 15, between the timesteps of the spacing.
type ddpm struct {
	variancePreserving
	large bool // variance_type fixed_large
}

func newDDPM(c Config, alphas []float64, steps int) (Scheduler, error) {
	v, err := newVariancePreserving(c, alphas, steps)
	if err != nil {
		return nil, err
	}
	return &ddpm{variancePreserving: v, large: c.VarianceType == "fixed_large"}, nil
}

func (d *ddpm) Step(step int, output, x []float32, noise func(dst []float32)) {
	a, previous := d.alpha(step), 1.0
	if step+1 < len(d.timesteps) {
		previous = d.alpha(step + 1)
	}
	beta := 1 - a/previous
	toX0 := math.Sqrt(previous) * beta / (1 - a)
	toX := math.Sqrt(a/previous) * (1 - previous) / (1 - a)
	var drawn []float32
	deviation := 0.0
	if d.timesteps[step] > 0 {
		drawn = d.scratch.draw(len(x), noise)
		// fixed_small_log differs from fixed_small in how the same number is computed.
		deviation = math.Sqrt(max((1-previous)/(1-a)*beta, 1e-20))
		if d.large {
			deviation = math.Sqrt(beta)
		}
	}
	f := d.predictor.factors(math.Sqrt(a), math.Sqrt(1-a))
	for i, v := range x {
		s := float64(v)
		x0 := d.predictor.bound(f.x0X*s + f.x0Out*float64(output[i]))
		next := toX0*x0 + toX*s
		if drawn != nil {
			next += deviation * float64(drawn[i])
		}
		x[i] = float32(next)
	}
}
