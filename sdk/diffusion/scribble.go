package diffusion

import (
	"context"
	"slices"
	"strings"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/imaging"
	"github.com/vision19/vision/sdk/onnx"
)

// Scribble paints a prompt along the lines of a hint, white on black (ControlNet, arXiv:2302.05543). strength scales the ControlNet's
// residuals: 0 is without, 1 as trained.
func (p *Pipeline) Scribble(ctx context.Context, r Request, hint imaging.Pixels, strength float64, progress sdk.Progress) (Painting, error) {
	hint = hint.RGB()
	sample, c, err := p.scribble(ctx, r, hint, strength, progress)
	if err != nil {
		return Painting{}, err
	}
	return Painting{Pixels: c.pixels(sample), Warnings: append(p.warnings(r), hintWarnings(hint)...)}, nil
}

func (p *Pipeline) scribble(ctx context.Context, r Request, hint imaging.Pixels, strength float64, progress sdk.Progress) ([]float32, canvas, error) {
	w, err := p.start(ctx, r, hint.Width, hint.Height, progress)
	if err != nil {
		return nil, canvas{}, err
	}
	w.denoiser.control = w.denoiser.newControl(hint, w.canvas, strength)
	sample, err := w.paint(ctx, w.scaled(w.noise()))
	return sample, w.canvas, err
}

// hintWarnings tells of what is no sketch: a ControlNet follows white lines on black.
func hintWarnings(hint imaging.Pixels) []string {
	white := 0
	for _, v := range imaging.Threshold(hint).Pix {
		white += int(v) / 255
	}
	switch {
	case white == 0:
		return []string{"the image has no white lines: nothing is followed"}
	case 2*white > hint.Width*hint.Height:
		return []string{"the image is mostly white: a scribble is white lines on black; preprocess = outline draws the outline of a photo"}
	}
	return nil
}

// control is a ControlNet's part of one request.
type control struct {
	hint     onnx.Tensor // controlnet_cond [B, 3, H, W] in [0, 1]
	strength float64
}

// newControl puts the hint on the canvas's grid; what is padded has no lines.
func (d *denoiser) newControl(hint imaging.Pixels, c canvas, strength float64) *control {
	return &control{onnx.NewFloats(slices.Repeat(c.planes(hint, 1, 0), d.batch), int64(d.batch), 3, int64(c.gridH), int64(c.gridW)), strength}
}

// residuals runs the ControlNet on what the UNet is about to get, and adds its outputs, scaled, to the UNet's inputs of those names.
func (c *control) residuals(ctx context.Context, d *denoiser, inputs map[string]onnx.Tensor, names []string, latents []float32, t float64) error {
	m := d.p.model
	graph := m.Graphs["controlnet"]
	given := map[string]onnx.Tensor{
		"sample":          onnx.NewFloats(slices.Repeat(latents, d.batch), int64(d.batch), int64(m.LatentChannels), int64(d.height), int64(d.width)),
		"timestep":        d.p.timestep("controlnet", t, d.batch),
		"controlnet_cond": c.hint,
	}
	for name, tensor := range inputs {
		_, takes := graph.Input(name)
		if _, set := given[name]; takes && !set {
			given[name] = tensor
		}
	}
	scale := float32(c.strength)
	if info, ok := graph.Input("conditioning_scale"); ok {
		given["conditioning_scale"] = onnx.NewFloats(slices.Repeat([]float32{scale}, onnx.Tensor{Shape: info.Shape}.Len()), info.Shape...)
		scale = 1
	}
	out, err := d.p.runShaped(ctx, "controlnet", given, c.shapes(d))
	if err != nil {
		return err
	}
	for i, name := range numbered(graph.Outputs, downOut, midOut) {
		residual := out[name]
		for k := range residual.Floats {
			residual.Floats[k] *= scale
		}
		inputs[names[i]] = residual
	}
	return nil
}

// shapes are the sizes of the residuals' last two axes, which a float16 graph's outputs must be told: after conv_in, after each layer of
// a level and after what halves it, as diffusers' ControlNetModel collects them.
func (c *control) shapes(d *denoiser) func(onnx.Info) []int64 {
	m := d.p.model
	levels := []int{0}
	for level := range m.levels {
		levels = append(levels, slices.Repeat([]int{level}, m.layers)...)
		if level+1 < m.levels {
			levels = append(levels, level+1)
		}
	}
	return func(o onnx.Info) []int64 {
		level := m.levels - 1
		if n := trailing(o.Name); strings.HasPrefix(o.Name, downOut) && n >= 0 && n < len(levels) {
			level = levels[n]
		}
		return []int64{int64(d.batch), 0, int64(d.height >> level), int64(d.width >> level)}
	}
}
