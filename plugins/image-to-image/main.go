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
			Doc:      "How much of the image stays: 1 keeps it, but for what the model's autoencoder rounds off; 0 is fresh noise.",
			Sampling: &schema.Sampling{Min: schema.Bound(0), Max: schema.Bound(0.75)},
		}}
	},
	Width:  sdk.Extent{Input: "image"},
	Height: sdk.Extent{Input: "image"},
	Paint: func(ctx context.Context, p *diffusion.Pipeline, q diffusion.Query) (diffusion.Painting, error) {
		return p.ImageToImage(ctx, q.Request, q.Images["image"], q.Values.Float("image_strength"), q.Progress)
	},
}

func main() { sdk.Serve(diffusion.NewEndpoint(task)) }
