package scheduler

import (
	"fmt"
	"math"
)

// dpmSolver is DPMSolverMultistepScheduler with dpmsolver++ and sde-dpmsolver++ of order 1 and 2: arXiv:2211.01095,
// algorithm 2 and appendix B.
type dpmSolver struct {
	timesteps []float64
	sigmas    []float64 // sqrt((1-abar)/abar); one more than timesteps
	predictor predictor

	stochastic  bool // sde-dpmsolver++
	heun        bool // solver_type heun, not midpoint
	second      bool // order 2
	firstAtLast bool // the last step is of order 1

	// A step of order 2 needs the picture predicted in the step before: of step done, if a walk is under way.
	previous, current []float32
	done              int
	scratch           scratch
}

func newDPMSolver(c Config, alphas []float64, steps int) (Scheduler, error) {
	trained := trainSigmas(alphas)
	d := &dpmSolver{
		predictor:  c.predictor(),
		stochastic: c.AlgorithmType == "sde-dpmsolver++",
		heun:       c.SolverType == "heun",
		second:     c.SolverOrder == 2,
		done:       -1,
	}
	d.predictor.clip = math.Inf(1) // the class has no clip_sample
	var sigmas []float64
	if c.UseKarrasSigmas {
		low, high := c.karrasEnds(trained[0], trained[len(trained)-1])
		sigmas, d.timesteps = karras(low, high, steps, trained)
		for i, t := range d.timesteps {
			if c.BetaSchedule != "squaredcos_cap_v2" {
				t = math.RoundToEven(t)
			}
			d.timesteps[i] = math.Trunc(t)
		}
	} else {
		last := unclipped(trained, c.LambdaMinClipped)
		if last < 1 {
			return nil, fmt.Errorf("%w: lambda_min_clipped %v leaves no timestep: it must be lower", ErrConfig, *c.LambdaMinClipped)
		}
		d.timesteps = c.spacedForDPM(last, steps)
		for _, t := range d.timesteps {
			sigmas = append(sigmas, interpolate(trained, t))
		}
	}
	d.sigmas = c.withFinal(sigmas, trained)
	n := len(d.timesteps)
	for i := 1; i < n; i++ {
		if d.sigmas[i] >= d.sigmas[i-1] {
			return nil, fmt.Errorf("%w: steps %d with %s spacing give steps %d and %d one noise level: fewer steps are possible",
				ErrArgument, steps, c.TimestepSpacing, i-1, i)
		}
	}
	d.firstAtLast = c.EulerAtFinal || (*c.LowerOrderFinal && n < 15) || c.FinalSigmasType == "zero"
	return d, nil
}

// unclipped is how many training timesteps have log(alpha/sigma), which falls with the timestep, of at least the bound.
func unclipped(trained []float64, bound *float64) int {
	n := len(trained)
	if bound == nil {
		return n
	}
	for n > 0 && -math.Log(trained[n-1]) < *bound {
		n--
	}
	return n
}

func (d *dpmSolver) Timesteps() []float64 { return d.timesteps }

func (d *dpmSolver) InitNoiseSigma() float64 { return 1 }

func (d *dpmSolver) ScaleModelInput(dst, x []float32, _ int) { copy(dst[:len(x)], x) }

func (d *dpmSolver) AddNoise(dst, x, noise []float32, step int) {
	alpha, sigma := signalAndNoise(d.sigmas[step])
	mix(dst, x, noise, alpha, sigma)
}

// signalAndNoise are alpha and sigma of a variance preserving sample, of which ratio is sigma/alpha.
func signalAndNoise(ratio float64) (alpha, sigma float64) {
	alpha = 1 / math.Sqrt(ratio*ratio+1)
	return alpha, ratio * alpha
}

// update are the factors of a step: x = sample*x + d0*D0 + d1*D1 + noise*N with D0 the predicted picture, and D1 its change
// since the step before, which slope scales to this step.
type update struct{ sample, d0, d1, slope, noise float64 }

// update is from sigma s to sigma t; previous is the sigma of the step before, 0 for order 1. h is the step in
// lambda = log(alpha/sigma) = -log(ratio), infinite when t is 0.
func (d *dpmSolver) update(previous, s, t float64) update {
	if t >= s {
		// Only the last step gets here: with final_sigmas_type sigma_min its sigma may be the final one already.
		return update{sample: 1}
	}
	alpha, sigma := signalAndNoise(t)
	_, from := signalAndNoise(s)
	h := math.Log(s) - math.Log(t)
	u := update{sample: sigma / from, d0: -alpha * math.Expm1(-h)}
	rest := h // of the exponent, for heun
	if d.stochastic {
		u.sample *= math.Exp(-h)
		u.d0 = -alpha * math.Expm1(-2*h)
		u.noise = sigma * math.Sqrt(-math.Expm1(-2*h))
		rest = 2 * h
	}
	if previous == 0 {
		return u
	}
	u.slope = h / (math.Log(previous) - math.Log(s))
	u.d1 = 0.5 * u.d0
	if d.heun {
		u.d1 = alpha - u.d0/rest
	}
	return u
}

func (d *dpmSolver) Step(step int, output, x []float32, noise func(dst []float32)) {
	before := 0.0
	last := step == len(d.timesteps)-1
	if d.second && step > 0 && d.done == step-1 && len(d.previous) == len(x) && !(last && d.firstAtLast) {
		before = d.sigmas[step-1]
	}
	u := d.update(before, d.sigmas[step], d.sigmas[step+1])
	var drawn []float32
	if d.stochastic {
		drawn = d.scratch.draw(len(x), noise)
	}
	if len(d.current) != len(x) {
		d.current = make([]float32, len(x))
	}
	alpha, sigma := signalAndNoise(d.sigmas[step])
	f := d.predictor.factors(alpha, sigma)
	x0 := d.predictor.picture(f, output, x)
	for i, v := range x {
		d.current[i] = float32(x0[i])
		next := u.sample*float64(v) + u.d0*x0[i]
		if before != 0 {
			next += u.d1 * u.slope * (x0[i] - float64(d.previous[i]))
		}
		if drawn != nil {
			next += u.noise * float64(drawn[i])
		}
		x[i] = float32(next)
	}
	d.previous, d.current, d.done = d.current, d.previous, step
}
