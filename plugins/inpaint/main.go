// Command inpaint is the plugin that paints a part of an image anew.
package main

import (
	"context"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/diffusion"
)

var task = diffusion.Task{
	Endpoint: "inpaint",
	Title:    "Inpaint",
	Doc:      "Paints what a text says into the masked part of an image. What is not masked stays as it is.",
	Needs:    []string{diffusion.NeedEncoder, diffusion.GivesMask},
	Inputs: func(d diffusion.Defaults) []sdk.Input {
		return []sdk.Input{
			diffusion.ImageInput(d, "What to paint in."),
			{Name: "mask", Kind: sdk.MaskInput, Required: true, MaxPixels: d.Pixels(), SameSizeAs: "image", Doc: "White is painted, black stays; as large as the image."},
		}
	},
	Parameters: diffusion.Feather,
	Width:      sdk.Extent{Input: "image"},
	Height:     sdk.Extent{Input: "image"},
	Paint: func(ctx context.Context, p *diffusion.Pipeline, q diffusion.Query) (diffusion.Painting, error) {
		return p.Inpaint(ctx, q.Request, q.Images["image"], q.Images["mask"], int(q.Values.Int("feather")), q.Progress)
	},
}

func main() { sdk.Serve(diffusion.NewEndpoint(task)) }
