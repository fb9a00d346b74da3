// Command scribble is the plugin that paints along the lines of a sketch.
package main

import (
	"context"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/diffusion"
	"github.com/vision19/vision/sdk/imaging"
	"github.com/vision19/vision/sdk/schema"
)

// The values of preprocess.
const (
	asIs    = "none"
	outline = "outline"
)

var task = diffusion.Task{
	Endpoint: "scribble",
	Title:    "Scribble",
	Doc:      "Paints what a text says along the lines of a sketch.",
	Needs:    []string{diffusion.NeedControlNet},
	Inputs: func(d diffusion.Defaults) []sdk.Input {
		in := diffusion.ImageInput(d, "White lines on black; or any image, with preprocess = outline.")
		in.Content = sdk.Lines
		return []sdk.Input{in}
	},
	Parameters: func(diffusion.Defaults) schema.Schema {
		return schema.Schema{
			{Name: "preprocess", Type: schema.String, Allowed: []any{asIs, outline}, Default: asIs, Doc: "outline: paint along the outlines of the image."},
			{Name: "control_strength", Type: schema.Float, Min: schema.Bound(0), Max: schema.Bound(2), Default: 1.0, Doc: "How closely to follow the lines.",
				Sampling: &schema.Sampling{Min: schema.Bound(0.7), Max: schema.Bound(1.2)}},
		}
	},
	Width:  sdk.Extent{Input: "image"},
	Height: sdk.Extent{Input: "image"},
	Paint: func(ctx context.Context, p *diffusion.Pipeline, q diffusion.Query) (diffusion.Painting, error) {
		image := q.Images["image"]
		if q.Values.String("preprocess") == outline {
			image = imaging.Outline(image)
		}
		return p.Scribble(ctx, q.Request, image, q.Values.Float("control_strength"), q.Progress)
	},
}

func main() { sdk.Serve(diffusion.NewEndpoint(task)) }
