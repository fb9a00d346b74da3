package main

import (
	"context"
	"fmt"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/diffusion"
	"github.com/vision19/vision/sdk/diffusion/upscale"
	"github.com/vision19/vision/sdk/imaging"
	"github.com/vision19/vision/sdk/onnx"
	"github.com/vision19/vision/sdk/schema"
)

// The bounds of an answer: four times a side of 1024 px are 16.8 million px, 64 MiB with alpha before they are compressed.
const (
	maxPixels = 1024 * 1024 // of an image
	maxOutput = 80 << 20    // bytes of a PNG
)

// endpoint is upscale on the networks of one folder.
type endpoint struct {
	model    upscale.Model
	options  onnx.Options
	tile     int // px
	upscaler *upscale.Upscaler
}

// Describe implements sdk.Endpoint.
func (e *endpoint) Describe() sdk.Description {
	return sdk.Description{
		Endpoint: "upscale", Title: "Upscale", Version: sdk.Version,
		Doc:    "Makes an image two or four times as large. Transparency is kept.",
		Inputs: []sdk.Input{{Name: "image", Kind: sdk.ImageInput, Required: true, MaxPixels: maxPixels, Doc: "What to enlarge."}},
		Parameters: schema.Schema{
			{Name: "scale", Type: schema.Int, Allowed: []any{int64(2), int64(4)}, Default: int64(2), Doc: "How many times as wide and as high.",
				Sampling: &schema.Sampling{Values: []any{int64(2), int64(4)}}},
		},
		Output: sdk.Output{
			Kind: sdk.ImageOutput, MediaType: sdk.PNG, MaxBytes: maxOutput,
			Width: sdk.Extent{Input: "image", Times: "scale"}, Height: sdk.Extent{Input: "image", Times: "scale"},
		},
		Config: append(schema.Schema{
			{Name: "model", Type: schema.String, Format: schema.FormatPath, Required: true, Doc: "A folder with x2.onnx, x4.onnx or both, or one such file: networks like Real-ESRGAN's."},
			{Name: "tile", Type: schema.Int, Min: schema.Bound(64), Max: schema.Bound(1024), Default: int64(256), Doc: "The side of the pieces that are enlarged one by one, in px: smaller takes less memory."},
		}, diffusion.SessionSchema()...),
		MemoryBytes:  2 << 30,
		Capabilities: sdk.Capabilities{MaxConcurrency: 1, Progress: true, Cancellation: true, Deterministic: true},
	}
}

// Configure implements sdk.Endpoint.
func (e *endpoint) Configure(ctx context.Context, c sdk.Config) (sdk.Description, error) {
	var err error
	if e.model, err = upscale.Inspect(c.Values.String("model")); err != nil {
		return sdk.Description{}, sdk.InvalidInput("model", err.Error())
	}
	if e.options, err = diffusion.SessionOptions(ctx, c); err != nil {
		return sdk.Description{}, err
	}
	e.tile = int(c.Values.Int("tile"))
	d := e.Describe()
	d.Notes, d.MemoryBytes = e.model.Notes(), e.memory()
	return d, nil
}

// memory estimates what a process needs: the weights twice, the runtime, a tile's activations, 64 channels in fp32 twice at the output's
// size, and the largest answer as numbers, as bytes and as a file, three times, since memory is given back late.
func (e *endpoint) memory() int64 {
	return 2*e.model.Weights() + 256<<20 + int64(e.tile*e.tile)*16*64*4*2 + 3*maxPixels*16*(12+4+4)
}

// Load implements sdk.Endpoint.
func (e *endpoint) Load(ctx context.Context, progress sdk.LoadProgress) error {
	var err error
	e.upscaler, err = upscale.Load(ctx, e.model, e.options, progress)
	return err
}

// Infer implements sdk.Endpoint.
func (e *endpoint) Infer(ctx context.Context, r sdk.Request, progress sdk.Progress) (sdk.Result, error) {
	image, err := diffusion.ReadImage(r, "image")
	if err != nil {
		return sdk.Result{}, err
	}
	scale := int(r.Values.Int("scale"))
	if side := scale * max(image.Width, image.Height); side > imaging.MaxSide {
		return sdk.Result{}, sdk.InvalidInput("scale", fmt.Sprintf("gives a side of %d px: at most %d", side, imaging.MaxSide))
	}
	large, err := e.upscaler.Enlarge(ctx, image, scale, e.tile, progress.Step)
	if err != nil {
		return sdk.Result{}, err
	}
	data, err := large.PNG()
	return sdk.Result{Images: []sdk.Image{{MediaType: sdk.PNG, Width: large.Width, Height: large.Height, Data: data}}}, err
}

// Close implements sdk.Endpoint.
func (e *endpoint) Close() error {
	if e.upscaler == nil {
		return nil
	}
	return e.upscaler.Close()
}
