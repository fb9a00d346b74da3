package main

import (
	"image"

	"github.com/vision19/vision/sdk/imaging"
)

// The object is masked by a box, and another object of another colour is asked for in its place.
var inpaint = suite{
	endpoint: "inpaint",
	cases:    208,
	trial:    inpaintTrial,
	measures: []measure{
		share("inpaint_colour", 0.85), share("inpaint_shape", 0), {name: "inpaint_outside_psnr", unit: "dB", bar: 40, least: true, peer: "input"},
	},
}

// feather is how far beyond the mask the endpoint may paint, in px: its default.
const feather = 8

func inpaintTrial(number int) trial {
	r := randomness("inpaint", number)
	source := drawScene(r, shapes[number%len(shapes)])
	want := source
	want.shape = shapes[(number+1+r.IntN(len(shapes)-1))%len(shapes)]
	want.recolour(r)
	before, mask := source.render(world), source.box(world, uniform(r, 4, 12))
	painted := box(mask).Inset(-feather)
	return trial{
		want: want, texts: prompt(want.caption(r)), images: map[string]imaging.Pixels{"image": before, "mask": mask},
		parameters: map[string]any{"seed": number, "feather": feather}, shown: []imaging.Pixels{before, mask}, size: image.Pt(world, world),
		judge: func(a answer) marks {
			got := look(a.picture)
			m := marks{"inpaint_colour": right(got.colour == want.colour), "inpaint_shape": right(got.shape == want.shape)}
			if !a.refused() {
				m["inpaint_outside_psnr"] = psnr(a.picture, before, func(x, y int) bool { return !image.Pt(x, y).In(painted) })
			}
			return m
		},
	}
}

// box is the bounding box of a mask's white.
func box(mask imaging.Pixels) image.Rectangle {
	p := newPixels(mask)
	return p.bounds(p.largest(func(i int) bool { return p.rgb[i][0] > 127 }))
}
