package compare

import (
	"fmt"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/imaging"
)

// Painted is the share of the picture that a request leaves to be painted, 0 to 1: what its mask marks, and all of it without one.
func Painted(d sdk.Description, r sdk.Request) (float64, error) {
	for _, in := range d.Inputs {
		if in.Kind != sdk.MaskInput || len(r.Images[in.Name]) == 0 {
			continue
		}
		mask, err := imaging.Read(r.Images[in.Name][0].Data, MaxPixels)
		if err != nil {
			return 0, fmt.Errorf("the input %s is %w", in.Name, err)
		}
		return Marked(mask), nil
	}
	return 1, nil
}

// Marked is the mean of a mask, 0 to 1: black stays, white is painted.
func Marked(mask imaging.Pixels) float64 {
	sum, pix := 0, mask.Gray().Pix
	for _, v := range pix {
		sum += int(v)
	}
	return float64(sum) / float64(255*max(len(pix), 1))
}
