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
	Paint: func(ctx context.Context, p *diffusion.Pipeline, r diffusion.Request, in sdk.Request, progress sdk.Progress) (diffusion.Painting, error) {
		image, err := diffusion.ReadImage(in, "image")
		if err != nil {
			return diffusion.Painting{}, err
		}
		mask, err := diffusion.ReadImage(in, "mask")
		if err != nil {
			return diffusion.Painting{}, err
		}
		return p.Inpaint(ctx, r, image.RGB(), mask, int(in.Values.Int("feather")), progress)
	},
}

func main() { sdk.Serve(diffusion.NewEndpoint(task)) }
