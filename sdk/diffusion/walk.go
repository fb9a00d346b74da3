package diffusion

import (
	"context"
	"errors"
	"fmt"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/diffusion/scheduler"
)

// walk is one way from noise to a picture.
type walk struct {
	p        *Pipeline
	canvas   canvas
	schedule scheduler.Scheduler
	learned  bool // the schedule needs a learned variance
	denoiser *denoiser
	random   normals
	progress sdk.Progress
	begin    int // the first step
	// keep, if any, changes the latents after a step: next is the step that they are at now, as many as there are steps for the end.
	keep func(latents []float32, next int)
}

// start makes the walk of a request: its schedule, and what the UNet is told.
func (p *Pipeline) start(ctx context.Context, r Request, width, height int, progress sdk.Progress) (*walk, error) {
	config, err := p.model.Scheduler.With(r.Scheduler)
	if err != nil {
		return nil, sdk.InvalidInput("scheduler", err.Error())
	}
	schedule, err := scheduler.New(config, r.Steps)
	if err != nil {
		param := "scheduler"
		if errors.Is(err, scheduler.ErrArgument) {
			param = "steps"
		}
		return nil, sdk.InvalidInput(param, err.Error())
	}
	c, err := p.model.canvas(width, height)
	if err != nil {
		return nil, sdk.InvalidInput("image", err.Error())
	}
	random := p.normals(r.Seed)
	t, err := p.tell(ctx, r, c, random)
	if err != nil {
		return nil, err
	}
	return &walk{p: p, canvas: c, schedule: schedule, learned: config.LearnedVariance(), denoiser: p.newDenoiser(t, c), random: random, progress: progress}, nil
}

// noise draws unit noise of the latents' size.
func (w *walk) noise() []float32 {
	out := make([]float32, w.canvas.latents(w.p.model.LatentChannels))
	w.random.Normal(out)
	return out
}

// scaled is the noise that the first step begins with.
func (w *walk) scaled(noise []float32) []float32 {
	out := make([]float32, len(noise))
	for i, x := range noise {
		out[i] = x * float32(w.schedule.InitNoiseSigma())
	}
	return out
}

// previews is how many unfinished images a watcher gets.
const previews = 4

// paint takes the latents through the steps, in place, and decodes them: [3, gridH, gridW]. It ends within one step of its context.
func (w *walk) paint(ctx context.Context, latents []float32) ([]float32, error) {
	timesteps := w.schedule.Timesteps()
	steps := len(timesteps) - w.begin
	input := make([]float32, len(latents))
	for k := w.begin; k < len(timesteps); k++ {
		w.schedule.ScaleModelInput(input, latents, k)
		prediction, err := w.denoiser.predict(ctx, input, timesteps[k])
		if err != nil {
			return nil, err
		}
		if w.learned && len(prediction) < 2*len(latents) {
			return nil, sdk.InvalidInput("scheduler", fmt.Sprintf("takes a variance that the UNet learned (variance_type of scheduler_config.json), and this one gives %d numbers, not %d: choose another",
				len(prediction), 2*len(latents)))
		}
		w.schedule.Step(k, prediction, latents, w.random.Normal)
		if w.keep != nil {
			w.keep(latents, k+1)
		}
		w.p.round(latents)
		done := k + 1 - w.begin
		w.progress.Step(done, steps)
		if w.progress.WantsPreview() && done < steps && done%max(1, steps/previews) == 0 {
			if err := w.preview(ctx, latents); err != nil {
				return nil, err
			}
		}
	}
	sample, err := w.p.decode(ctx, latents, w.canvas)
	return sample, err
}

func (w *walk) preview(ctx context.Context, latents []float32) error {
	sample, err := w.p.decode(ctx, latents, w.canvas)
	if err != nil {
		return err
	}
	result, err := w.p.answer(ctx, Painting{Pixels: w.canvas.pixels(sample)})
	if err == nil && !result.Unsafe {
		w.progress.Preview(result.Images[0])
	}
	return err
}
