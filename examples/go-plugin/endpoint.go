package main

import (
	"context"
	"math"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/imaging"
	"github.com/vision19/vision/sdk/schema"
)

// concurrency is how many pictures are worked on at once; each takes one core and, at its largest, workBytes.
const concurrency = 2

// workBytes is one picture of sdk.DefaultMaxPixels while it is worked on: up to 30 bytes a pixel for the decoder, 4 for the answer
// and about 4 for its PNG.
const workBytes = 38 * sdk.DefaultMaxPixels

// endpoint redraws an image in the few colours that stand for it best.
type endpoint struct {
	samples int // pixels that the colours are found from
}

// Describe implements sdk.Endpoint.
func (e *endpoint) Describe() sdk.Description {
	return sdk.Description{
		Endpoint: "palette", Title: "Palette", Version: "0.1.0",
		Doc:    "Redraws an image in the few colours that stand for it best. Transparency is kept.",
		Inputs: []sdk.Input{{Name: "image", Kind: sdk.ImageInput, Required: true, Doc: "What to redraw."}},
		Parameters: schema.Schema{
			{Name: "colours", Type: schema.Int, Min: schema.Bound(2), Max: schema.Bound(32), Default: int64(6), Doc: "How many colours at most."},
			{Name: "steps", Type: schema.Int, Min: schema.Bound(1), Max: schema.Bound(50), Default: int64(12), Doc: "How often the colours are improved at most."},
			{Name: "seed", Type: schema.Int, Min: schema.Bound(0), Max: schema.Bound(math.MaxUint32), Random: true, Doc: "Chooses the first colours."},
		},
		Output: sdk.Output{Kind: sdk.ImageOutput, MediaType: sdk.PNG, Width: sdk.Extent{Input: "image"}, Height: sdk.Extent{Input: "image"}},
		Config: schema.Schema{
			{Name: "samples", Type: schema.Int, Min: schema.Bound(1000), Max: schema.Bound(1_000_000), Default: int64(50_000), Doc: "How many pixels the colours are found from; more take more time."},
		},
		MemoryBytes:  64<<20 + concurrency*workBytes,
		Capabilities: sdk.Capabilities{MaxConcurrency: concurrency, Progress: true, Previews: true, Cancellation: true, Deterministic: true},
	}
}

// Configure implements sdk.Endpoint.
func (e *endpoint) Configure(_ context.Context, c sdk.Config) (sdk.Description, error) {
	e.samples = int(c.Values.Int("samples"))
	return e.Describe(), nil
}

// Load implements sdk.Endpoint; there is no model.
func (e *endpoint) Load(_ context.Context, progress sdk.LoadProgress) error {
	progress(1, "ready")
	return nil
}

// Close implements sdk.Endpoint.
func (e *endpoint) Close() error { return nil }

// Infer implements sdk.Endpoint.
func (e *endpoint) Infer(ctx context.Context, r sdk.Request, progress sdk.Progress) (sdk.Result, error) {
	given, _ := r.Image("image")
	picture, err := imaging.Read(given.Data, sdk.DefaultMaxPixels)
	if err != nil {
		return sdk.Result{}, sdk.InvalidInput("image", "is "+err.Error())
	}
	steps := int(r.Values.Int("steps"))
	p := newPalette(sample(picture, e.samples), int(r.Values.Int("colours")), uint64(r.Values.Int("seed")))
	for step := 1; step <= steps; step++ {
		if err := ctx.Err(); err != nil {
			return sdk.Result{}, err
		}
		moved := p.improve()
		if progress.WantsPreview() && step < steps {
			if preview, err := redraw(ctx, picture, p); err == nil {
				progress.Preview(preview)
			}
		}
		if !moved { // the colours stay as they are in every further step
			step = steps
		}
		progress.Step(step, steps)
	}
	image, err := redraw(ctx, picture, p)
	return sdk.Result{Images: []sdk.Image{image}}, err
}

// sample takes about n pixels, evenly over the picture.
func sample(p imaging.Pixels, n int) []colour {
	rgb := p.RGB()
	every := max(rgb.Width*rgb.Height/n, 1)
	out := make([]colour, 0, rgb.Width*rgb.Height/every+1)
	for at := 0; at < len(rgb.Pix); at += 3 * every {
		out = append(out, colour{float32(rgb.Pix[at]), float32(rgb.Pix[at+1]), float32(rgb.Pix[at+2])})
	}
	return out
}

// redraw gives every pixel the nearest colour of the palette, and keeps alpha.
func redraw(ctx context.Context, in imaging.Pixels, p *palette) (sdk.Image, error) {
	rgb := in.RGB()
	out := imaging.Pixels{Width: in.Width, Height: in.Height, Channels: 3}
	if in.Channels == 4 {
		out.Channels = 4
	}
	out.Pix = make([]byte, 0, out.Width*out.Height*out.Channels)
	for y := range in.Height {
		if err := ctx.Err(); err != nil {
			return sdk.Image{}, err
		}
		for x := range in.Width {
			at := y*in.Width + x
			c := p.colours[p.nearest(colour{float32(rgb.Pix[3*at]), float32(rgb.Pix[3*at+1]), float32(rgb.Pix[3*at+2])})]
			out.Pix = append(out.Pix, byte(c[0]+.5), byte(c[1]+.5), byte(c[2]+.5))
			if out.Channels == 4 {
				out.Pix = append(out.Pix, in.Pix[4*at+3])
			}
		}
	}
	data, err := out.PNG()
	return sdk.Image{MediaType: sdk.PNG, Width: out.Width, Height: out.Height, Data: data}, err
}
