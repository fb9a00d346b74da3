package scheduler

import "math"

// ddpm is DDPMScheduler: arXiv:2006.11239, equations 6, 7 and 15, between the timesteps of the spacing. With the betas it is
// UnCLIPScheduler.
type ddpm struct {
	variancePreserving
	variance string    // variance_type
	betas    []float32 // of UnCLIP, which takes them where a step is one training timestep; nil for DDPM
}

func newDDPM(c Config, alphas []float64, steps int) (Scheduler, error) {
	v, err := newVariancePreserving(c, alphas, steps)
	if err != nil {
		return nil, err
	}
	return &ddpm{variancePreserving: v, variance: c.VarianceType}, nil
}

func (d *ddpm) Step(step int, output, x []float32, noise func(dst []float32)) {
	t, next := d.timesteps[step], -1.0
	a, previous := d.alpha(step), 1.0
	if step+1 < len(d.timesteps) {
		next, previous = d.timesteps[step+1], d.alpha(step+1)
	}
	alpha := a / previous
	beta := 1 - alpha
	if d.betas != nil && next == t-1 {
		// Rounded to float32, the betas and abar disagree by up to 0.1 % at the clean end.
		table := d.betas[int(t)]
		alpha, beta = float64(1-table), float64(table)
	}
	toX0 := math.Sqrt(previous) * beta / (1 - a)
	toX := math.Sqrt(alpha) * (1 - previous) / (1 - a)
	var drawn []float32
	if t > 0 {
		drawn = d.scratch.draw(len(x), noise)
	}
	small := max((1-previous)/(1-a)*beta, 1e-20)
	deviation := math.Sqrt(small) // fixed_small_log differs in how the same number is computed
	if d.variance == "fixed_large" {
		deviation = math.Sqrt(beta)
	}
	x0 := d.predictor.picture(d.predictor.factors(math.Sqrt(a), math.Sqrt(1-a)), output, x)
	for i, v := range x {
		moved := toX0*x0[i] + toX*float64(v)
		if drawn != nil {
			switch d.variance {
			case "learned":
				deviation = math.Sqrt(max(float64(output[len(x)+i]), 0))
			case "learned_range":
				deviation = between(small, beta, float64(output[len(x)+i]))
			}
			moved += deviation * float64(drawn[i])
		}
		x[i] = float32(moved)
	}
}

// between is the deviation whose variance lies between small and large, on a logarithmic scale from -1 to 1 (arXiv:2102.09672,
// equation 15).
func between(small, large, at float64) float64 {
	share := (at + 1) / 2
	return math.Exp(0.5 * (share*math.Log(large) + (1-share)*math.Log(small)))
}
