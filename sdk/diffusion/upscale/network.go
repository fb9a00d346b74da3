package upscale

import (
	"context"
	"fmt"
	"slices"

	"github.com/vision19/vision/sdk/imaging"
	"github.com/vision19/vision/sdk/onnx"
)

// network is a loaded file.
type network struct {
	file
	session *onnx.Session
}

// even is what the sides of a tile are a multiple of: networks that begin by folding 2 x 2 or 4 x 4 px into channels need it.
const even = 4

// run enlarges one picture of three channels in one piece: [3, scale*H, scale*W], about [0, 1].
func (n network) run(ctx context.Context, tile imaging.Pixels) ([]float32, error) {
	w, h := (tile.Width+even-1)/even*even, (tile.Height+even-1)/even*even
	if n.side > 0 {
		w, h = n.side, n.side
	}
	padded := tile.PadReflect(0, 0, w-tile.Width, h-tile.Height)
	in := make([]float32, 3*w*h)
	for i, v := range padded.Pix {
		in[i%3*w*h+i/3] = float32(v) / 255
	}
	input, output := n.session.Inputs()[0].Name, n.session.Outputs()[0].Name
	want := []int64{1, 3, int64(h * n.scale), int64(w * n.scale)}
	out, err := n.session.Run(ctx, map[string]onnx.Tensor{input: onnx.NewFloats(in, 1, 3, int64(h), int64(w))}, map[string][]int64{output: want})
	if err != nil {
		return nil, err
	}
	if got := out[output]; !slices.Equal(got.Shape, want) {
		return nil, fmt.Errorf("%s answers %v for %d x %d px: %v is x%d", n.path, got.Shape, w, h, want, n.scale)
	}
	// Without what was padded.
	full, width, height := out[output].Floats, tile.Width*n.scale, tile.Height*n.scale
	cut := make([]float32, 0, 3*width*height)
	for row := range 3 * h * n.scale {
		if row%(h*n.scale) < height {
			cut = append(cut, full[row*w*n.scale:][:width]...)
		}
	}
	return cut, nil
}
