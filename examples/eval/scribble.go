package main

import (
	"image"

	"github.com/vision19/vision/sdk/imaging"
)

// The object's outline is given, white on black.
var scribble = suite{
	endpoint: "scribble",
	cases:    208,
	trial:    scribbleTrial,
	measures: []measure{
		{name: "scribble_iou", unit: "IoU", bar: 0.6, peer: "outline"}, share("scribble_shape", 0.70), share("scribble_colour", 0), share("scribble_background", 0),
	},
}

func scribbleTrial(number int) trial {
	r := randomness("scribble", number)
	want := drawScene(r, shapes[number%len(shapes)])
	hint := want.outline(world, uniform(r, 2, 3.5))
	return trial{
		want: want, texts: prompt(want.caption(r)), images: map[string]imaging.Pixels{"image": hint},
		parameters: map[string]any{"seed": number}, shown: []imaging.Pixels{hint}, size: image.Pt(world, world),
		judge: func(a answer) marks {
			got := look(a.picture)
			m := marks{
				"scribble_shape": right(got.shape == want.shape), "scribble_colour": right(got.colour == want.colour),
				"scribble_background": right(got.background == want.ground),
			}
			if !a.refused() {
				m["scribble_iou"] = overlap(got.mask, want.covers(world))
			}
			return m
		},
	}
}
