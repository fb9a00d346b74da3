package main

import (
	"image"

	"github.com/vision19/vision/sdk/imaging"
)

// The same object in another colour, with the endpoint's own image_strength.
var imageToImage = suite{
	endpoint: "image-to-image",
	cases:    208,
	trial:    imageToImageTrial,
	measures: []measure{share("image_to_image_colour", 0.90), share("image_to_image_background", 0), share("image_to_image_shape_kept", 0)},
}

func imageToImageTrial(number int) trial {
	r := randomness("image-to-image", number)
	source := drawScene(r, shapes[number%len(shapes)])
	want := source
	want.recolour(r)
	before := source.render(world)
	return trial{
		want: want, texts: prompt(want.caption(r)), images: map[string]imaging.Pixels{"image": before},
		parameters: map[string]any{"seed": number}, shown: []imaging.Pixels{before}, size: image.Pt(world, world),
		judge: func(a answer) marks {
			got := look(a.picture)
			return marks{
				"image_to_image_colour": right(got.colour == want.colour), "image_to_image_background": right(got.background == want.ground),
				"image_to_image_shape_kept": right(got.shape == want.shape),
			}
		},
	}
}
