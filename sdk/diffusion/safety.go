package diffusion

import (
	"context"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/imaging"
	"github.com/vision19/vision/sdk/imaging/imagehash"
)

// answer encodes a painting, unless the model's safety checker refuses it: then what stands for it is only what comparing needs.
func (p *Pipeline) answer(ctx context.Context, painting Painting) (sdk.Result, error) {
	result := sdk.Result{Warnings: painting.Warnings}
	if p.safety != nil {
		verdict, err := p.safety.Check(ctx, painting.Pixels)
		if err != nil {
			return result, err
		}
		if verdict.Unsafe {
			result.Unsafe = true
			result.Features = &sdk.Features{Hashes: hashes(painting.Pixels), Embedding: verdict.Embedding}
			return result, nil
		}
	}
	image, err := pngImage(painting.Pixels)
	result.Images = []sdk.Image{image}
	return result, err
}

// hashes are the perceptual hashes by which pictures are compared.
func hashes(p imaging.Pixels) map[string]string {
	return map[string]string{
		"phash": imagehash.Perceptual(p).String(), "ahash": imagehash.Average(p).String(),
		"dhash": imagehash.Difference(p).String(), "colorhash": imagehash.Color(p).String(),
	}
}

func pngImage(p imaging.Pixels) (sdk.Image, error) {
	data, err := p.PNG()
	return sdk.Image{MediaType: sdk.PNG, Width: p.Width, Height: p.Height, Data: data}, err
}
