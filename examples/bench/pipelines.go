package main

import (
	"context"

	"github.com/vision19/vision/host/api"
	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/diffusion"
	"github.com/vision19/vision/sdk/diffusion/clip"
	"github.com/vision19/vision/sdk/diffusion/upscale"
	"github.com/vision19/vision/sdk/imaging"
	"github.com/vision19/vision/sdk/onnx"
)

// side is the pictures' side in px: what the bundled models are made for.
const side = 128

const models = "examples/models/"

// endpoint is one endpoint as the bench asks for it.
type endpoint struct {
	name   string
	job    api.Job
	images []string // the image inputs of the job
	// load loads what the plugin loads; paint answers one request with it.
	load func(ctx context.Context, o onnx.Options) (paint func(context.Context) error, stop func() error, err error)
}

var prompt = api.Job{Texts: map[string][]string{"prompt": {"a red circle on a blue background"}}, Parameters: map[string]any{"seed": 1}}

var gray, mask = imaging.Flat(side, side, 128, 128, 128), imaging.Flat(side, side, 255)

var endpoints = []endpoint{
	{"text-to-image", prompt, nil, painting("tiny", nil, func(ctx context.Context, p *diffusion.Pipeline, r diffusion.Request) (diffusion.Painting, error) {
		return p.TextToImage(ctx, r, side, side, unwatched{})
	})},
	{"image-to-image", prompt, []string{"image"}, painting("tiny", []string{diffusion.NeedEncoder}, func(ctx context.Context, p *diffusion.Pipeline, r diffusion.Request) (diffusion.Painting, error) {
		return p.ImageToImage(ctx, r, gray, 0.5, unwatched{})
	})},
	{"inpaint", prompt, []string{"image", "mask"}, painting("tiny-inpaint", []string{diffusion.NeedEncoder, diffusion.GivesMask}, func(ctx context.Context, p *diffusion.Pipeline, r diffusion.Request) (diffusion.Painting, error) {
		return p.Inpaint(ctx, r, gray, mask, 8, unwatched{})
	})},
	{"scribble", prompt, []string{"image"}, painting("tiny", []string{diffusion.NeedControlNet}, func(ctx context.Context, p *diffusion.Pipeline, r diffusion.Request) (diffusion.Painting, error) {
		return p.Scribble(ctx, r, gray, 1, unwatched{})
	})},
	{"uncrop", api.Job{Texts: prompt.Texts, Parameters: map[string]any{"seed": 1, "right": 64}}, []string{"image"}, painting("tiny-inpaint", []string{diffusion.NeedEncoder, diffusion.GivesMask}, func(ctx context.Context, p *diffusion.Pipeline, r diffusion.Request) (diffusion.Painting, error) {
		return p.Uncrop(ctx, r, gray, diffusion.Margins{Right: side / 2}, 8, unwatched{})
	})},
	{"upscale", api.Job{}, []string{"image"}, enlarging},
	{"clip-embed", api.Job{}, []string{"image"}, embedding},
}

func painting(model string, needs []string, paint func(context.Context, *diffusion.Pipeline, diffusion.Request) (diffusion.Painting, error)) func(context.Context, onnx.Options) (func(context.Context) error, func() error, error) {
	return func(ctx context.Context, o onnx.Options) (func(context.Context) error, func() error, error) {
		m, err := diffusion.Inspect(models+model, needs...)
		if err != nil {
			return nil, nil, err
		}
		p, err := diffusion.Load(ctx, m, diffusion.Options{Session: o}, unloaded)
		if err != nil {
			return nil, nil, err
		}
		r := diffusion.Request{Prompt: prompt.Texts["prompt"][0], Steps: m.Defaults.Steps, Guidance: m.Defaults.Guidance, Seed: 1, Scheduler: m.SchedulerName()}
		return func(ctx context.Context) error {
			_, err := paint(ctx, p, r)
			return err
		}, p.Close, nil
	}
}

func enlarging(ctx context.Context, o onnx.Options) (func(context.Context) error, func() error, error) {
	m, err := upscale.Inspect(models + "tiny-upscale")
	if err != nil {
		return nil, nil, err
	}
	u, err := upscale.Load(ctx, m, o, unloaded)
	if err != nil {
		return nil, nil, err
	}
	return func(ctx context.Context) error {
		_, err := u.Enlarge(ctx, gray, 2, 2*side, func(int, int) {})
		return err
	}, u.Close, nil
}

func embedding(ctx context.Context, o onnx.Options) (func(context.Context) error, func() error, error) {
	m, err := clip.Inspect(models + "tiny-clip")
	if err != nil {
		return nil, nil, err
	}
	e, err := clip.Load(ctx, m, o, unloaded)
	if err != nil {
		return nil, nil, err
	}
	return func(ctx context.Context) error {
		_, err := e.Images(ctx, []imaging.Pixels{gray})
		return err
	}, e.Close, nil
}

func unloaded(float64, string) {}

// unwatched is a Progress that nobody watches.
type unwatched struct{}

// Step implements sdk.Progress.
func (unwatched) Step(int, int) {}

// WantsPreview implements sdk.Progress.
func (unwatched) WantsPreview() bool { return false }

// Preview implements sdk.Progress.
func (unwatched) Preview(sdk.Image) {}
