package main

import (
	"context"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/diffusion"
)

// endpoint is text-to-image on one model.
type endpoint struct {
	model     diffusion.Model
	options   diffusion.Options
	pipeline  *diffusion.Pipeline
	cudaNoise bool
}

// Describe implements sdk.Endpoint: the values of Stable Diffusion 1.x, until a model says its own.
func (e *endpoint) Describe() sdk.Description {
	d := describe(diffusion.Defaults{Steps: 50, Guidance: 7.5, Size: 512, MinSize: 64, MaxSize: 1024}, "ddim")
	d.MemoryBytes = 4 << 30
	return d
}

func describe(defaults diffusion.Defaults, scheduler string) sdk.Description {
	return sdk.Description{
		Endpoint:   "text-to-image",
		Title:      "Text to image",
		Doc:        "Paints what a text says.",
		Version:    sdk.Version,
		Inputs:     diffusion.Prompts(),
		Parameters: append(diffusion.Parameters(defaults, scheduler), diffusion.Size(defaults)...),
		Output: sdk.Output{
			Kind: sdk.ImageOutput, MediaType: sdk.PNG,
			Width: sdk.Extent{Parameter: "width"}, Height: sdk.Extent{Parameter: "height"},
		},
		Config:       diffusion.ConfigSchema(),
		Capabilities: sdk.Capabilities{MaxConcurrency: 1, Progress: true, Previews: true, Cancellation: true, Deterministic: true},
	}
}

// Configure implements sdk.Endpoint.
func (e *endpoint) Configure(ctx context.Context, c sdk.Config) (sdk.Description, error) {
	var err error
	if e.model, e.options, err = diffusion.Configured(ctx, c); err != nil {
		return sdk.Description{}, err
	}
	e.cudaNoise = c.Values.String("noise") == "cuda"
	d := describe(e.model.Defaults, e.model.SchedulerName())
	d.MemoryBytes = e.model.Memory()
	return d, nil
}

// Load implements sdk.Endpoint.
func (e *endpoint) Load(ctx context.Context, progress sdk.LoadProgress) error {
	var err error
	e.pipeline, err = diffusion.Load(ctx, e.model, e.options, progress)
	return err
}

// Infer implements sdk.Endpoint.
func (e *endpoint) Infer(ctx context.Context, r sdk.Request, progress sdk.Progress) (sdk.Result, error) {
	painting, err := e.pipeline.TextToImage(ctx, diffusion.Request{
		Prompt: r.Text("prompt"), Negative: r.Text("negative_prompt"),
		Width: int(r.Values.Int("width")), Height: int(r.Values.Int("height")),
		Steps: int(r.Values.Int("steps")), Guidance: r.Values.Float("guidance_scale"),
		Seed: uint32(r.Values.Int("seed")), Scheduler: r.Values.String("scheduler"), CUDANoise: e.cudaNoise,
	}, progress)
	if err != nil {
		return sdk.Result{}, err
	}
	image, err := painting.PNG()
	return sdk.Result{Images: []sdk.Image{image}, Warnings: painting.Warnings}, err
}

// Close implements sdk.Endpoint.
func (e *endpoint) Close() error {
	if e.pipeline == nil {
		return nil
	}
	return e.pipeline.Close()
}
