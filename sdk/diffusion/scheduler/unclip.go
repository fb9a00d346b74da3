package scheduler

import (
	"fmt"
	"math"
)

// newUnCLIP makes an UnCLIPScheduler. It has betas and timesteps of its own, which begin at the noisiest and end at the
// cleanest timestep, and no options for them.
func newUnCLIP(c Config, _ []float64, steps int) (Scheduler, error) {
	if steps < 2 {
		return nil, fmt.Errorf("%w: steps %d must be at least 2: UnCLIP's reach from the noisiest timestep to the cleanest one", ErrArgument, steps)
	}
	n := c.NumTrainTimesteps
	d := &ddpm{variance: c.VarianceType, betas: cosineBetas(n)}
	for _, a := range cumulative(d.betas) {
		d.alphas = append(d.alphas, float64(a))
	}
	ratio := float64(n-1) / float64(steps-1)
	for k := steps - 1; k >= 0; k-- {
		d.timesteps = append(d.timesteps, math.RoundToEven(float64(k)*ratio))
	}
	d.predictor = c.predictor()
	d.predictor.dynamic = nil // the class has no thresholding
	return d, nil
}
