// Command uncrop is the plugin that paints an image on beyond its edges.
package main

import (
	"context"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/diffusion"
	"github.com/vision19/vision/sdk/schema"
)

// maxMargin is what the endpoint's contract allows on each side, in px; a model's largest area may be reached before.
const maxMargin = 512

var task = diffusion.Task{
	Endpoint: "uncrop",
	Title:    "Uncrop",
	Doc:      "Paints an image on beyond its edges. The image's own pixels stay as they are.",
	Needs:    []string{diffusion.NeedEncoder, diffusion.GivesMask},
	Inputs: func(d diffusion.Defaults) []sdk.Input {
		in := diffusion.ImageInput(d, "What to go on from; at most 9/16 of what the model paints, so that there is something to add.")
		in.MaxPixels = d.Pixels() * 9 / 16 // three quarters of a side: the rest is to be painted
		return []sdk.Input{in}
	},
	Parameters: func(d diffusion.Defaults) schema.Schema {
		var margins schema.Schema
		margin := min(d.MaxSize/8, maxMargin) // on all sides of the largest image
		for _, side := range []string{"left", "right", "top", "bottom"} {
			margins = append(margins, schema.Parameter{
				Name: side, Type: schema.Int, Min: schema.Bound(0), Max: schema.Bound(maxMargin), Default: int64(0),
				Doc:      "How far to grow on this side, in px; at least one side grows.",
				Sampling: &schema.Sampling{Min: schema.Bound(float64(margin / 2)), Max: schema.Bound(float64(margin))},
			})
		}
		return append(margins, diffusion.Feather(d)...)
	},
	Width:  sdk.Extent{Input: "image", Plus: []string{"left", "right"}},
	Height: sdk.Extent{Input: "image", Plus: []string{"top", "bottom"}},
	Paint: func(ctx context.Context, p *diffusion.Pipeline, q diffusion.Query) (diffusion.Painting, error) {
		side := func(name string) int { return int(q.Values.Int(name)) }
		margins := diffusion.Margins{Left: side("left"), Right: side("right"), Top: side("top"), Bottom: side("bottom")}
		if margins == (diffusion.Margins{}) {
			return diffusion.Painting{}, sdk.InvalidInput("left", "is 0, and so are right, top and bottom: at least one side grows")
		}
		return p.Uncrop(ctx, q.Request, q.Images["image"], margins, side("feather"), q.Progress)
	},
}

func main() { sdk.Serve(diffusion.NewEndpoint(task)) }
