package main

import (
	"fmt"
	"image"

	"github.com/vision19/vision/sdk/imaging"
)

// A scene that was rendered at half the world's size is compared with the scene as rendered at the larger size.
var upscale = suite{
	endpoint: "upscale",
	cases:    416,
	trial:    upscaleTrial,
	measures: []measure{
		{name: "upscale_x2_gain_db", unit: "dB", bar: 2, peer: "bicubic"}, {name: "upscale_x4_gain_db", unit: "dB", peer: "bicubic"},
	},
}

func upscaleTrial(number int) trial {
	r := randomness("upscale", number/2)
	s := drawScene(r, shapes[number/2%len(shapes)])
	scale := 2 + 2*(number%2) // of each scene twice and four times the size
	small, side := s.render(world/2), world/2*scale
	bicubic := small.Resize(side, side, imaging.Bicubic)
	return trial{
		want: s, images: map[string]imaging.Pixels{"image": small},
		parameters: map[string]any{"scale": scale}, shown: []imaging.Pixels{small, bicubic}, size: image.Pt(side, side),
		judge: func(a answer) marks {
			if a.refused() {
				return nil
			}
			exact := s.render(side)
			return marks{fmt.Sprintf("upscale_x%d_gain_db", scale): psnr(a.picture, exact, nil) - psnr(bicubic, exact, nil)}
		},
	}
}
