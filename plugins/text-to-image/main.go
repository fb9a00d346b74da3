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
	Paint: func(ctx context.Context, p *diffusion.Pipeline, q diffusion.Query) (diffusion.Painting, error) {
		return p.TextToImage(ctx, q.Request, int(q.Values.Int("width")), int(q.Values.Int("height")), q.Progress)
	},
}

func main() { sdk.Serve(diffusion.NewEndpoint(task)) }
