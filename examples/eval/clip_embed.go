package main

import (
	"github.com/vision19/vision/sdk/imaging"
)

// A picture stands against 16 captions, its own and those of 15 other scenes, and against the names of the shapes.
var clipEmbed = suite{
	endpoint: "clip-embed",
	cases:    208,
	trial:    clipEmbedTrial,
	measures: []measure{share("clip_embed_first_of_16", 0.90), share("clip_embed_zero_shot_shape", 0.80)},
}

const captions = 16

func clipEmbedTrial(number int) trial {
	r := randomness("clip-embed", number)
	shape := number % len(shapes)
	s := drawScene(r, shapes[shape])
	texts := []string{s.caption(r)}
	for len(texts) < captions {
		other := drawScene(r, pick(r, shapes...))
		if other.shape != s.shape || other.colour != s.colour || other.ground != s.ground {
			texts = append(texts, other.caption(r))
		}
	}
	for _, name := range shapes {
		texts = append(texts, "a "+name)
	}
	picture := s.render(world)
	return trial{
		want: s, texts: map[string][]string{"text": texts}, images: map[string]imaging.Pixels{"image": picture}, shown: []imaging.Pixels{picture},
		judge: func(a answer) marks {
			m := marks{"clip_embed_first_of_16": 0, "clip_embed_zero_shot_shape": 0}
			if len(a.embeddings) == 1+len(texts) {
				image, own, names := a.embeddings[0], a.embeddings[1:1+captions], a.embeddings[1+captions:]
				m["clip_embed_first_of_16"] = right(nearestTo(image, own) == 0)
				m["clip_embed_zero_shot_shape"] = right(nearestTo(image, names) == shape)
			}
			return m
		},
	}
}

// nearestTo is the number of the unit vector that has the largest inner product with v.
func nearestTo(v []float32, among [][]float32) int {
	best, most := -1, 0.0
	for i, u := range among {
		dot := 0.0
		for k := range min(len(u), len(v)) {
			dot += float64(u[k]) * float64(v[k])
		}
		if best < 0 || dot > most {
			best, most = i, dot
		}
	}
	return best
}
