package sdktest

import (
	"context"
	"errors"
	"time"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/imaging"
	"github.com/vision19/vision/sdk/schema"
)

// painter is an endpoint that keeps every promise. The functions of a broken one take the place of its own.
type painter struct {
	describe  func(sdk.Description) sdk.Description
	configure func(sdk.Config) error
	load      func(context.Context, sdk.LoadProgress)
	before    func(context.Context, sdk.Request) error // of every request
	paint     func(sdk.Request, sdk.Result) sdk.Result // what becomes of an answer
	together  func([]sdk.Call, []sdk.Outcome)          // what becomes of a batch
	broken    error                                    // what a broken picture is answered with, instead of being wrong input
	preview   func(sdk.Image) sdk.Image
	steps     func(done, total int) bool // whether a step is told
	close     func() error
}

// Describe implements sdk.Endpoint.
func (p *painter) Describe() sdk.Description {
	d := sdk.Description{
		Endpoint: "painter", Title: "Painter", Doc: "Paints stripes.", Version: "1.2.3",
		Inputs: []sdk.Input{
			{Name: "prompt", Kind: sdk.TextInput, Required: true, MaxLength: 200, Doc: "What to paint."},
			{Name: "negative", Kind: sdk.TextInput, MaxCount: 3, Doc: "What not to paint."},
			{Name: "image", Kind: sdk.ImageInput, MaxCount: 2, MaxPixels: 100 * 100, Doc: "What to paint over."},
			{Name: "mask", Kind: sdk.MaskInput, MaxPixels: 100 * 100, SameSizeAs: "image", Doc: "Where."},
		},
		Parameters: schema.Schema{
			{Name: "width", Type: schema.Int, Min: schema.Bound(8), Max: schema.Bound(256), MultipleOf: 8, Default: int64(32), Doc: "Width in px."},
			{Name: "height", Type: schema.Int, Min: schema.Bound(8), Max: schema.Bound(256), MultipleOf: 8, Default: int64(32), Doc: "Height in px."},
			{Name: "seed", Type: schema.Int, Min: schema.Bound(0), Max: schema.Bound(1<<32 - 1), Random: true, Doc: "Seed."},
			{Name: "steps", Type: schema.Int, Min: schema.Bound(1), Max: schema.Bound(120), Default: int64(3), Doc: "Steps.", Sampling: &schema.Sampling{Min: schema.Bound(1), Max: schema.Bound(4)}},
			{Name: "pause", Type: schema.Float, Min: schema.Bound(0), Max: schema.Bound(10), Default: 0.0, Doc: "Milliseconds of a step."},
			{Name: "style", Type: schema.String, Allowed: []any{"plain", "noisy"}, Default: "plain", Doc: "How.", Sampling: &schema.Sampling{Values: []any{"plain", "noisy"}}},
			{Name: "title", Type: schema.String, MaxLength: 50, Default: "", Doc: "A title; it is not painted."},
		},
		Output: sdk.Output{
			Kind: sdk.ImageOutput, MediaType: sdk.RawRGB, MaxBytes: 256 * 256 * 3,
			Width: sdk.Extent{Parameter: "width"}, Height: sdk.Extent{Parameter: "height"},
		},
		Config: schema.Schema{
			{Name: "model", Type: schema.String, Format: schema.FormatPath, Default: "", Doc: "A folder that is not looked at."},
			{Name: "size", Type: schema.Int, Min: schema.Bound(1), Max: schema.Bound(9), Default: int64(1), Doc: "A number."},
		},
		MemoryBytes: 16 << 20,
		Capabilities: sdk.Capabilities{
			MaxConcurrency: 2, Progress: true, Previews: true, Cancellation: true, Deterministic: true, MaxBatch: 4, BatchKey: []string{"width", "height"},
		},
	}
	if p.describe != nil {
		d = p.describe(d)
	}
	return d
}

// Configure implements sdk.Endpoint.
func (p *painter) Configure(_ context.Context, c sdk.Config) (sdk.Description, error) {
	if p.configure != nil {
		if err := p.configure(c); err != nil {
			return sdk.Description{}, err
		}
	}
	return p.Describe(), nil
}

// Load implements sdk.Endpoint.
func (p *painter) Load(ctx context.Context, progress sdk.LoadProgress) error {
	progress(0.5, "half")
	if p.load != nil {
		p.load(ctx, progress)
	}
	progress(1, "all")
	return nil
}

// Infer implements sdk.Endpoint.
func (p *painter) Infer(ctx context.Context, r sdk.Request, progress sdk.Progress) (sdk.Result, error) {
	for name, images := range r.Images {
		for _, i := range images {
			if _, err := imaging.Read(i.Data, 2048*2048); err != nil {
				if p.broken != nil {
					return sdk.Result{}, p.broken
				}
				return sdk.Result{}, sdk.InvalidInput(name, err.Error())
			}
		}
	}
	if p.before != nil {
		if err := p.before(ctx, r); err != nil {
			return sdk.Result{}, err
		}
	}
	w, h, steps := int(r.Values.Int("width")), int(r.Values.Int("height")), int(r.Values.Int("steps"))
	if w < 1 || h < 1 || w > 4096 || h > 4096 {
		return sdk.Result{}, errors.New("no such size")
	}
	image := sdk.Image{MediaType: sdk.RawRGB, Width: w, Height: h, Data: make([]byte, w*h*3)}
	seed := r.Values.Int("seed")
	for i := range image.Data {
		image.Data[i] = byte(i) ^ byte(seed) ^ byte(seed>>8)
	}
	for k := range steps {
		if err := wait(ctx, time.Duration(r.Values.Float("pause")*float64(time.Millisecond))); err != nil {
			return sdk.Result{}, err
		}
		if p.steps == nil || p.steps(k+1, steps) {
			progress.Step(k+1, steps)
		}
		if progress.WantsPreview() {
			preview := image
			if p.preview != nil {
				preview = p.preview(preview)
			}
			progress.Preview(preview)
		}
	}
	result := sdk.Result{Images: []sdk.Image{image}}
	if p.paint != nil {
		result = p.paint(r, result)
	}
	return result, nil
}

// InferBatch implements sdk.Batcher.
func (p *painter) InferBatch(_ context.Context, calls []sdk.Call) []sdk.Outcome {
	out := make([]sdk.Outcome, len(calls))
	for i, c := range calls {
		out[i].Result, out[i].Err = p.Infer(c.Context, c.Request, c.Progress)
	}
	if p.together != nil {
		p.together(calls, out)
	}
	return out
}

// Close implements sdk.Endpoint.
func (p *painter) Close() error {
	if p.close != nil {
		return p.close()
	}
	return nil
}

func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
