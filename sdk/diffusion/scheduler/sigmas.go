package scheduler

import (
	"math"
	"sort"
)

// trainSigmas are sqrt((1-abar)/abar) by training timestep, rising, rounded after each operation as float32 does.
func trainSigmas(alphas []float64) []float64 {
	sigmas := make([]float64, len(alphas))
	for i, a := range alphas {
		noise := 1 - float32(a)
		ratio := noise / float32(a)
		sigmas[i] = float64(float32(math.Sqrt(float64(ratio))))
	}
	return sigmas
}

// interpolate is numpy.interp of sigmas over 0, 1, 2...: linear between, and constant beyond the ends.
func interpolate(sigmas []float64, t float64) float64 {
	low := math.Floor(t)
	switch {
	case t <= 0:
		return sigmas[0]
	case int(low) >= len(sigmas)-1:
		return sigmas[len(sigmas)-1]
	}
	i := int(low)
	return sigmas[i] + (sigmas[i+1]-sigmas[i])*(t-low)
}

// karras are n sigmas from high to low (arXiv:2206.00364, equation 5, rho 7), and the timesteps that they stand for between
// trained: fractions, found on the logarithms.
func karras(low, high float64, n int, trained []float64) (sigmas, timesteps []float64) {
	const rho = 7
	logs := make([]float64, len(trained))
	for i, s := range trained {
		logs[i] = float64(float32(math.Log(s)))
	}
	from, to := math.Pow(high, 1./rho), math.Pow(low, 1./rho)
	timesteps = make([]float64, n)
	sigmas = linspace(0, 1, n)
	for i, ramp := range sigmas {
		sigmas[i] = math.Pow(from+ramp*(to-from), rho)
		timesteps[i] = timestepOf(sigmas[i], logs)
	}
	return sigmas, timesteps
}

// timestepOf is _sigma_to_t: the place of sigma between the rising logarithms of the trained sigmas.
func timestepOf(sigma float64, logs []float64) float64 {
	if len(logs) < 2 {
		return 0
	}
	l := math.Log(max(sigma, 1e-10))
	above := sort.Search(len(logs), func(i int) bool { return logs[i] > l })
	i := min(max(above-1, 0), len(logs)-2)
	if logs[i] == logs[i+1] {
		return float64(i)
	}
	w := min(max((logs[i]-l)/(logs[i]-logs[i+1]), 0), 1)
	return (1-w)*float64(i) + w*float64(i+1)
}

// karrasEnds are the smallest and the largest Karras sigma: the config's, or those of the spacing.
func (c Config) karrasEnds(low, high float64) (float64, float64) {
	if c.SigmaMin != nil {
		low = *c.SigmaMin
	}
	if c.SigmaMax != nil {
		high = *c.SigmaMax
	}
	return low, high
}

// withFinal rounds the steps' sigmas to float32, as diffusers keeps them, and adds the one beyond the last step.
func (c Config) withFinal(sigmas, trained []float64) []float64 {
	final := 0.0
	if c.FinalSigmasType == "sigma_min" {
		final = trained[0]
	}
	kept := make([]float64, 0, len(sigmas)+1)
	for _, s := range append(sigmas, final) {
		kept = append(kept, float64(float32(s)))
	}
	return kept
}
