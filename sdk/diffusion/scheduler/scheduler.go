package scheduler

import (
	"errors"
	"fmt"
)

// ErrConfig is what errors about a Config wrap: a field's value that no algorithm here computes with.
var ErrConfig = errors.New("unusable scheduler config")

// ErrArgument is what errors about a scheduler's name or a number of steps wrap.
var ErrArgument = errors.New("unusable scheduler argument")

// MaxSteps bounds the number of steps of a Scheduler; it is the number of timesteps that published models are trained with.
const MaxSteps = 1000

// Scheduler is one walk from noise to picture. A sample is a slice of any shape: all arithmetic is element by element, but for
// dynamic thresholding, which takes a slice as one picture.
// Steps count from 0; a walk may begin at a later step (image-to-image), and goes on step by step from there.
// A Scheduler may hold what earlier steps gave, so that a walk has its own; it is not safe for concurrent use.
//
// Slices that belong together have the same length, and step is below len(Timesteps()): the methods panic otherwise.
type Scheduler interface {
	// Timesteps is what the model is told of each step, in units of training timesteps, from the noisy end to the clean one.
	// They are whole numbers below num_train_timesteps, except for the Euler family, whose linspace spacing and Karras
	// sigmas give fractions. The caller must not write to it.
	Timesteps() []float64

	// InitNoiseSigma is the factor of unit noise that gives the sample of step 0: 1, but for the Euler family, where it is
	// the largest sigma, or with leading spacing sqrt(sigma^2+1).
	InitNoiseSigma() float64

	// ScaleModelInput writes to dst what the model sees of the sample x in this step; dst may be x.
	ScaleModelInput(dst, x []float32, step int)

	// Step takes the sample x from this step to the next, in place; after the last step x is the picture. output is the
	// model's output for ScaleModelInput's result: of x's shape, and after it, where the model learned it, the variance of each
	// element, which only a config with LearnedVariance needs and others leave out. noise fills its argument (of x's length) with unit normal
	// numbers: it is called once for each tensor that step of diffusers draws and only then, so that one random stream gives
	// the same picture in both. It may be nil for an algorithm that draws nothing (ddim with eta 0, euler, dpmpp_2m).
	Step(step int, output, x []float32, noise func(dst []float32))

	// AddNoise writes to dst what the clean sample x becomes at Timesteps()[step] with this unit noise (add_noise of
	// diffusers): where image-to-image begins. dst may be x or noise.
	AddNoise(dst, x, noise []float32, step int)
}

// New is the Scheduler of c's class with its timesteps set to steps, 1 to MaxSteps and at most num_train_timesteps (for lcm:
// original_inference_steps). Errors wrap ErrConfig, or ErrArgument if another number of steps would do.
//
// It differs from diffusers where that gives no usable schedule: trailing spacing gives always as many timesteps as there are
// steps (float rounding gives diffusers one more, -1, for 61 and some other numbers), and two steps of dpmpp_2m at one noise
// level are an error instead of not-a-number.
func New(c Config, steps int) (Scheduler, error) {
	build, ok := builders[c.ClassName]
	if !ok {
		return nil, fmt.Errorf("%w: _class_name %q isn't implemented: choose one of %v by With", ErrConfig, c.ClassName, Names())
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	c = c.Resolved()
	if err := c.checkVariance(); err != nil {
		return nil, err
	}
	if limit := min(MaxSteps, c.NumTrainTimesteps); steps < 1 || steps > limit {
		return nil, fmt.Errorf("%w: steps %d must be 1 to %d", ErrArgument, steps, limit)
	}
	alphas, err := c.alphas()
	if err != nil {
		return nil, err
	}
	return build(c, alphas, steps)
}

// builders make the Scheduler of a class from its resolved config, abar by training timestep, and the number of steps.
var builders = map[string]func(c Config, alphas []float64, steps int) (Scheduler, error){
	classDDIM:           newDDIM,
	classDDPM:           newDDPM,
	classEuler:          newEuler,
	classEulerAncestral: newEulerAncestral,
	classDPMSolver:      newDPMSolver,
	classLCM:            newLCM,
	UnCLIP:              newUnCLIP,
}

// scratch holds the noise of one step, so that a walk allocates it once.
type scratch []float32

// draw is n unit normal numbers from noise, valid until the next draw.
func (s *scratch) draw(n int, noise func([]float32)) []float32 {
	if cap(*s) < n {
		*s = make([]float32, n)
	}
	drawn := (*s)[:n]
	noise(drawn)
	return drawn
}
