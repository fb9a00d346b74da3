package scheduler

import (
	"fmt"
	"maps"
	"slices"
)

const (
	classDDIM           = "DDIMScheduler"
	classDDPM           = "DDPMScheduler"
	classEuler          = "EulerDiscreteScheduler"
	classEulerAncestral = "EulerAncestralDiscreteScheduler"
	classDPMSolver      = "DPMSolverMultistepScheduler"
	classLCM            = "LCMScheduler"
)

// UnCLIP is the _class_name of the scheduler of unCLIP priors. It walks embeddings, not pictures, and is not one of Names.
const UnCLIP = "UnCLIPScheduler"

// convertible are the other classes of diffusers' KarrasDiffusionSchedulers: they aren't implemented, but their betas mean
// the same, so that With can go on from their configs.
var convertible = []string{
	"DEISMultistepScheduler", "DPMSolverSDEScheduler", "DPMSolverSinglestepScheduler", "HeunDiscreteScheduler",
	"KDPM2AncestralDiscreteScheduler", "KDPM2DiscreteScheduler", "LMSDiscreteScheduler", "PNDMScheduler",
	"UniPCMultistepScheduler",
}

func classes() []string {
	all := append(slices.Collect(maps.Keys(builders)), convertible...)
	slices.Sort(all)
	return all
}

// algorithm is what a name stands for, in terms of a config.
type algorithm struct {
	name, class   string
	karras        bool
	algorithmType string
}

var algorithms = []algorithm{
	{name: "ddim", class: classDDIM},
	{name: "ddpm", class: classDDPM},
	{name: "euler", class: classEuler},
	{name: "euler_karras", class: classEuler, karras: true},
	{name: "euler_ancestral", class: classEulerAncestral},
	{name: "dpmpp_2m", class: classDPMSolver, algorithmType: "dpmsolver++"},
	{name: "dpmpp_2m_karras", class: classDPMSolver, algorithmType: "dpmsolver++", karras: true},
	{name: "dpmpp_2m_sde", class: classDPMSolver, algorithmType: "sde-dpmsolver++"},
	{name: "dpmpp_2m_sde_karras", class: classDPMSolver, algorithmType: "sde-dpmsolver++", karras: true},
	{name: "lcm", class: classLCM},
}

// Names are the values that With takes, in a fixed order.
func Names() []string {
	names := make([]string, len(algorithms))
	for i, a := range algorithms {
		names[i] = a.name
	}
	return names
}

// Name is the one of Names that c's class and options stand for, or "" if the class isn't implemented. A DPM solver of
// order 1 goes by the name of order 2.
func (c Config) Name() string {
	c = c.Resolved()
	for _, a := range algorithms {
		if a.class != c.ClassName {
			continue
		}
		switch c.ClassName {
		case classEuler:
			if a.karras != c.UseKarrasSigmas {
				continue
			}
		case classDPMSolver:
			if a.karras != c.UseKarrasSigmas || a.algorithmType != c.AlgorithmType {
				continue
			}
		}
		return a.name
	}
	return ""
}

// With is c with another algorithm, as from_config of diffusers makes it: betas and prediction type are kept, fields that c
// gives are kept where the new class reads them, and absent fields stand for the new class's defaults (for example
// linspace spacing for Euler). As in diffusers, clip_sample is true for ddim and ddpm if c doesn't say otherwise, which a
// latent model wants false. variance_type is kept for ddpm only: the others leave a learned variance out. An error wraps ErrArgument for an unknown name, ErrConfig if c doesn't fit the algorithm.
func (c Config) With(name string) (Config, error) {
	i := slices.IndexFunc(algorithms, func(a algorithm) bool { return a.name == name })
	if i < 0 {
		return Config{}, fmt.Errorf("%w: scheduler %q must be one of %v", ErrArgument, name, Names())
	}
	if err := c.check(); err != nil {
		return Config{}, err
	}
	// The betas' defaults differ between classes, but the model's betas don't change with the algorithm.
	r := c.Resolved()
	c.NumTrainTimesteps, c.BetaStart, c.BetaEnd = r.NumTrainTimesteps, r.BetaStart, r.BetaEnd
	c.BetaSchedule, c.PredictionType = r.BetaSchedule, r.PredictionType

	a := algorithms[i]
	c.ClassName, c.UseKarrasSigmas, c.AlgorithmType = a.class, a.karras, a.algorithmType
	if a.class == classDPMSolver {
		c.SolverOrder = 2
	}
	if a.class != classDDPM {
		c.VarianceType = ""
	}
	if err := c.check(); err != nil {
		return Config{}, fmt.Errorf("scheduler %q: %w", name, err)
	}
	return c, nil
}
