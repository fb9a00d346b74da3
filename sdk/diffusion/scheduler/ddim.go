package scheduler

import (
	"fmt"
	"math"
)

// ddim is DDIMScheduler: arXiv:2010.02502, equations 12 and 16.
type ddim struct {
	variancePreserving
	stride int     // training timesteps that a step goes back
	final  float64 // abar beyond the last step
	eta    float64
}

func newDDIM(c Config, alphas []float64, steps int) (Scheduler, error) {
	v, err := newVariancePreserving(c, alphas, steps)
	if err != nil {
		return nil, err
	}
	d := &ddim{variancePreserving: v, stride: c.NumTrainTimesteps / steps, final: alphas[0], eta: c.Eta}
	if *c.SetAlphaToOne {
		d.final = 1
	}
	return d, nil
}

// newVariancePreserving is for the schedulers with the spacings of DDIM.
func newVariancePreserving(c Config, alphas []float64, steps int) (variancePreserving, error) {
	v := variancePreserving{alphas: alphas, timesteps: c.spaced(steps), predictor: c.predictor()}
	if first := int(v.timesteps[0]); first >= len(alphas) {
		return v, fmt.Errorf("%w: steps %d with steps_offset %d and leading spacing begin at timestep %d, and training ended at %d: "+
			"fewer steps are possible, or trailing spacing", ErrArgument, steps, c.StepsOffset, first, len(alphas)-1)
	}
	return v, nil
}

func (d *ddim) Step(step int, output, x []float32, noise func(dst []float32)) {
	t := int(d.timesteps[step])
	a, previous := d.alphas[t], d.final
	if t >= d.stride {
		previous = d.alphas[t-d.stride]
	}
	variance := (1 - previous) / (1 - a) * (1 - a/previous)
	deviation := d.eta * math.Sqrt(variance)
	// Rounding may take what is left for the direction below 0 when eta is 1.
	toX0, toEps := math.Sqrt(previous), math.Sqrt(max(1-previous-deviation*deviation, 0))
	var drawn []float32
	if d.eta > 0 {
		drawn = d.scratch.draw(len(x), noise)
	}
	f := d.predictor.factors(math.Sqrt(a), math.Sqrt(1-a))
	x0 := d.predictor.picture(f, output, x)
	for i, v := range x {
		next := toX0*x0[i] + toEps*(f.epsX*float64(v)+f.epsOut*float64(output[i]))
		if drawn != nil {
			next += deviation * float64(drawn[i])
		}
		x[i] = float32(next)
	}
}
