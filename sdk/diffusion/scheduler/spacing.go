package scheduler

import (
	"math"
	"slices"
)

// spaced are the timesteps of all classes but DPM and LCM, falling (set_timesteps). The Euler family keeps linspace's
// fractions in float32, the others round.
func (c Config) spaced(steps int) []float64 {
	switch c.TimestepSpacing {
	case "trailing":
		return trailing(c.NumTrainTimesteps, c.NumTrainTimesteps, steps)
	case "leading":
		return leading(c.NumTrainTimesteps/steps, c.StepsOffset, 0, steps)
	}
	values := linspace(0, float64(c.NumTrainTimesteps-1), steps)
	for i, v := range values {
		if c.sigmaFamily() {
			values[i] = float64(float32(v))
		} else {
			values[i] = math.RoundToEven(v)
		}
	}
	slices.Reverse(values)
	return values
}

// spacedForDPM are the timesteps of DPM without Karras sigmas, falling: they come from those below last, and leave out the
// cleanest of one more step, since the walk ends beyond it.
func (c Config) spacedForDPM(last, steps int) []float64 {
	switch c.TimestepSpacing {
	case "trailing":
		return trailing(last, c.NumTrainTimesteps, steps)
	case "leading":
		return leading(last/(steps+1), c.StepsOffset, 1, steps)
	}
	values := linspace(0, float64(last-1), steps+1)
	slices.Reverse(values)
	values = values[:steps]
	for i, v := range values {
		values[i] = math.RoundToEven(v)
	}
	return values
}

// trailing begins at last and goes down by total/steps; timesteps above 0 are kept, less one. The step is the difference of
// numpy.arange's first two values, which isn't the quotient to the last digit.
func trailing(last, total, steps int) []float64 {
	start := float64(last)
	delta := (start - float64(total)/float64(steps)) - start
	var values []float64
	for i := range steps {
		if v := start + float64(i)*delta; v > 0 {
			values = append(values, math.RoundToEven(v)-1)
		}
	}
	return values
}

// leading are the multiples of ratio, from first on, raised by offset.
func leading(ratio, offset, first, steps int) []float64 {
	values := make([]float64, steps)
	for i := range values {
		values[steps-1-i] = float64((first+i)*ratio + offset)
	}
	return values
}

// linspace is numpy.linspace with its end included.
func linspace(start, end float64, n int) []float64 {
	values := make([]float64, n)
	if n == 1 {
		values[0] = start
		return values
	}
	step := (end - start) / float64(n-1)
	for i := range values {
		values[i] = float64(float64(i)*step) + start
	}
	values[n-1] = end
	return values
}
