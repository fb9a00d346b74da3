// Command text-to-image is the plugin that paints a prompt.
package main

import (
	"context"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/diffusion"
)

var task = diffusion.Task{
	Endpoint:   "text-to-image",
	Title:      "Text to image",
	Doc:        "Paints what a text says.",
	Parameters: diffusion.Size,
	Width:      sdk.Extent{Parameter: "width"},
	Height:     sdk.Extent{Parameter: "height"},
	Paint: func(ctx context.Context, p *diffusion.Pipeline, r diffusion.Request, in sdk.Request, progress sdk.Progress) (diffusion.Painting, error) {
		return p.TextToImage(ctx, r, int(in.Values.Int("width")), int(in.Values.Int("height")), progress)
	},
}

func main() { sdk.Serve(diffusion.NewEndpoint(task)) }
