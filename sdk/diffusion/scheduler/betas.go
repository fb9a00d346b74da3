package scheduler

import (
	"fmt"
	"math"
)

// alphas are abar by training timestep: of length num_train_timesteps, falling, values that float32 holds. diffusers computes
// them in float32, and near abar = 1 that decides the digits of 1-abar which are compared.
func (c Config) alphas() ([]float64, error) {
	betas := c.betas()
	if c.RescaleBetasZeroSNR {
		betas = zeroTerminalSNR(betas)
	}
	bar := cumulative(betas)
	alphas := make([]float64, len(bar))
	for i, b := range bar {
		alphas[i] = float64(b)
	}
	last := len(alphas) - 1
	switch {
	case c.RescaleBetasZeroSNR && c.sigmaFamily():
		// Sigma would be infinite; diffusers takes the smallest number that float16 holds.
		alphas[last] = math.Exp2(-24)
	case alphas[last] <= 0 && !c.RescaleBetasZeroSNR:
		return nil, fmt.Errorf("%w: beta_start %v to beta_end %v leave no signal at the last timestep: they must be smaller",
			ErrConfig, c.BetaStart, c.BetaEnd)
	}
	for _, a := range alphas {
		// betas below float32's resolution leave abar at 1: no noise, and a division by it.
		if !(a < 1) || a < 0 {
			return nil, fmt.Errorf("%w: beta_start %v to beta_end %v give no noise at some timestep: they must be larger",
				ErrConfig, c.BetaStart, c.BetaEnd)
		}
	}
	return alphas, nil
}

// sigmaFamily tells the classes that compute with sigma = sqrt((1-abar)/abar).
func (c Config) sigmaFamily() bool {
	return oneOf(c.ClassName, classEuler, classEulerAncestral, classDPMSolver)
}

func (c Config) betas() []float32 {
	n := c.NumTrainTimesteps
	switch {
	case c.TrainedBetas != nil:
		betas := make([]float32, n)
		for i, b := range c.TrainedBetas {
			betas[i] = float32(b)
		}
		return betas
	case c.BetaSchedule == "squaredcos_cap_v2":
		return cosineBetas(n)
	case c.BetaSchedule == "scaled_linear":
		betas := linspace32(math.Sqrt(c.BetaStart), math.Sqrt(c.BetaEnd), n)
		for i, b := range betas {
			betas[i] = b * b
		}
		return betas
	}
	return linspace32(c.BetaStart, c.BetaEnd, n)
}

// linspace32 is torch.linspace in float32: from both ends to the middle. The conversions keep compilers from fusing the
// multiplication and the addition, which would round once where torch rounds twice.
func linspace32(start, end float64, n int) []float32 {
	first, last := float32(start), float32(end)
	values := make([]float32, n)
	if n == 1 {
		values[0] = first
		return values
	}
	step := (last - first) / float32(n-1)
	for i := range values {
		if i < n/2 {
			values[i] = first + float32(step*float32(i))
		} else {
			values[i] = last - float32(step*float32(n-1-i))
		}
	}
	return values
}

// cosineBetas is betas_for_alpha_bar: Nichol and Dhariwal, arXiv:2102.09672, equation 17, capped at 0.999.
func cosineBetas(n int) []float32 {
	bar := func(t float64) float64 {
		c := math.Cos((t + 0.008) / 1.008 * math.Pi / 2)
		return c * c
	}
	betas := make([]float32, n)
	for i := range betas {
		betas[i] = float32(min(1-bar(float64(i+1)/float64(n))/bar(float64(i)/float64(n)), 0.999))
	}
	return betas
}

// cumulative is torch.cumprod of 1-betas in float32, which accumulates in float64.
func cumulative(betas []float32) []float32 {
	bar := make([]float32, len(betas))
	product := 1.0
	for i, b := range betas {
		product *= float64(1 - b)
		bar[i] = float32(product)
	}
	return bar
}

// zeroTerminalSNR is algorithm 1 of arXiv:2305.08891: sqrt(abar) shifted to end at 0 and scaled to begin where it did.
func zeroTerminalSNR(betas []float32) []float32 {
	root := cumulative(betas)
	for i, b := range root {
		root[i] = float32(math.Sqrt(float64(b)))
	}
	first, last := root[0], root[len(root)-1]
	scale := first / (first - last)
	rescaled := make([]float32, len(root))
	previous := float32(1)
	for i, r := range root {
		r = (r - last) * scale
		bar := r * r
		rescaled[i] = 1 - bar/previous
		previous = bar
	}
	return rescaled
}
