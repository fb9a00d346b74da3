package main

import (
	"bytes"
	"image"

	"github.com/vision19/vision/sdk/imaging"
)

// Half of a scene is known, its plain ground; the object is asked for in the other half.
var uncrop = suite{
	endpoint: "uncrop",
	cases:    208,
	trial:    uncropTrial,
	measures: []measure{share("uncrop_colour", 0.85), share("uncrop_shape", 0), share("uncrop_inner_equal", 1)},
}

// known is the part of a scene that an uncrop case gives, by the side to which it is extended.
var known = map[string]image.Rectangle{
	"left": image.Rect(world/2, 0, world, world), "right": image.Rect(0, 0, world/2, world),
	"top": image.Rect(0, world/2, world, world), "bottom": image.Rect(0, 0, world, world/2),
}

func uncropTrial(number int) trial {
	r := randomness("uncrop", number)
	want := drawScene(r, shapes[number%len(shapes)])
	side := []string{"left", "right", "top", "bottom"}[number/len(shapes)%4]
	want.place(r, "medium", side)
	inner := known[side]
	before := crop(want.render(world), inner)
	return trial{
		want: want, texts: prompt(want.caption(r)), images: map[string]imaging.Pixels{"image": before},
		parameters: map[string]any{"seed": number, side: world / 2}, shown: []imaging.Pixels{before}, size: image.Pt(world, world),
		judge: func(a answer) marks {
			got := look(a.picture)
			m := marks{"uncrop_colour": right(got.colour == want.colour), "uncrop_shape": right(got.shape == want.shape)}
			if !a.refused() {
				m["uncrop_inner_equal"] = right(bytes.Equal(crop(a.picture, inner).Pix, before.Pix))
			}
			return m
		},
	}
}

func crop(p imaging.Pixels, to image.Rectangle) imaging.Pixels {
	return p.RGB().Crop(to.Min.X, to.Min.Y, to.Dx(), to.Dy())
}
