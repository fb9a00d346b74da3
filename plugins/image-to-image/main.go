// Command image-to-image is the plugin that paints over an image.
package main

import (
	"context"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/diffusion"
	"github.com/vision19/vision/sdk/schema"
)

var task = diffusion.Task{
	Endpoint: "image-to-image",
	Title:    "Image to image",
	Doc:      "Paints over an image what a text says.",
	Needs:    []string{diffusion.NeedEncoder},
	Inputs: func(d diffusion.Defaults) []sdk.Input {
		return []sdk.Input{diffusion.ImageInput(d, "What to begin with.")}
	},
	Parameters: func(diffusion.Defaults) schema.Schema {
		return schema.Schema{{
			Name: "image_strength", Type: schema.Float, Min: schema.Bound(0), Max: schema.Bound(1), Default: 0.5,
			Doc:      "How much of the image stays: 1 keeps it, 0 is fresh noise.",
			Sampling: &schema.Sampling{Min: schema.Bound(0), Max: schema.Bound(0.75)},
		}}
	},
	Width:  sdk.Extent{Input: "image"},
	Height: sdk.Extent{Input: "image"},
	Paint: func(ctx context.Context, p *diffusion.Pipeline, r diffusion.Request, in sdk.Request, progress sdk.Progress) (diffusion.Painting, error) {
		image, err := diffusion.ReadImage(in, "image")
		if err != nil {
			return diffusion.Painting{}, err
		}
		return p.ImageToImage(ctx, r, image.RGB(), in.Values.Float("image_strength"), progress)
	},
}

func main() { sdk.Serve(diffusion.NewEndpoint(task)) }
