package diffusion

import (
	"fmt"
	"math"

	"github.com/vision19/vision/sdk/diffusion/noise"
	"github.com/vision19/vision/sdk/imaging"
)

// The bounds of a request.
const (
	MaxSteps    = 50
	MaxGuidance = 20.0
)

// Request is what every way of painting takes.
type Request struct {
	Prompt, Negative string
	Steps            int     // 1 to MaxSteps
	Guidance         float64 // classifier-free guidance (Ho and Salimans 2022); 1 and less is without
	Seed             uint32
	Scheduler        string // one of scheduler.Names
}

// Painting is what was painted.
type Painting struct {
	imaging.Pixels // RGB
	Warnings       []string
}

// normals is a stream of standard normal numbers; a seed means what it means to a PyTorch user.
type normals interface{ Normal(dst []float32) }

func (p *Pipeline) normals(seed uint32) normals {
	if p.options.CUDANoise {
		return noise.NewPhilox(uint64(seed))
	}
	return noise.NewTorch(uint64(seed))
}

// canvas is the picture that is asked for, and the grid of whole latents that it is painted on: sides are padded up to the model's
// multiple, to the right and below, and cropped back.
type canvas struct {
	width, height int // px asked
	gridW, gridH  int // px painted
	factor        int
}

func (m Model) canvas(width, height int) (canvas, error) {
	up := func(n int) int { return (n + m.Multiple - 1) / m.Multiple * m.Multiple }
	c := canvas{width: width, height: height, gridW: up(width), gridH: up(height), factor: m.Factor}
	if m.FixedSize > 0 {
		c.gridW, c.gridH = m.FixedSize, m.FixedSize
	}
	if width > c.gridW || height > c.gridH {
		return c, fmt.Errorf("is %d x %d px: this model's graphs are fixed at %d x %d px", width, height, c.gridW, c.gridH)
	}
	// The area that is asked for is bounded; padding adds most to the narrowest pictures.
	if limit := m.Defaults.Pixels() + 2*m.Multiple*m.Defaults.MaxSize; c.gridW*c.gridH > limit {
		return c, fmt.Errorf("is %d x %d px, which is padded to %d x %d: this model paints at most %d px, padding included", width, height, c.gridW, c.gridH, limit)
	}
	return c, nil
}

func (c canvas) latentW() int { return c.gridW / c.factor }
func (c canvas) latentH() int { return c.gridH / c.factor }

// latents is how many numbers the latents have.
func (c canvas) latents(channels int) int { return channels * c.latentW() * c.latentH() }

// pad fills the grid by reflection.
func (c canvas) pad(p imaging.Pixels) imaging.Pixels {
	return p.PadReflect(0, 0, c.gridW-p.Width, c.gridH-p.Height)
}

// pixels turns a sample in [-1, 1], [3, gridH, gridW], into the picture that was asked for.
func (c canvas) pixels(sample []float32) imaging.Pixels {
	out := imaging.Pixels{Width: c.width, Height: c.height, Channels: 3, Pix: make([]byte, 3*c.width*c.height)}
	plane := c.gridW * c.gridH
	for y := range c.height {
		for x := range c.width {
			for k := range 3 {
				out.Pix[3*(y*c.width+x)+k] = toByte(sample[k*plane+y*c.gridW+x])
			}
		}
	}
	return out
}

// toByte maps [-1, 1] to [0, 255] as diffusers' VaeImageProcessor does; what is no number is black.
func toByte(x float32) byte {
	v := math.RoundToEven(float64(x)*127.5 + 127.5)
	if !(v > 0) {
		return 0
	}
	return byte(min(v, 255))
}
