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

// Marked is the share of a mask that is painted, 0 to 1: what is 128 or lighter, as the bundled inpaint has it. Transparency is not looked at.
func Marked(mask imaging.Pixels) float64 {
	marked, pix := 0, mask.Gray().Pix
	for _, v := range pix {
		if v >= 128 {
			marked++
		}
	}
	return float64(marked) / float64(max(len(pix), 1))
}
