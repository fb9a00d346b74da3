package diffusion

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/vision19/vision/sdk/diffusion/internal/config"
	"github.com/vision19/vision/sdk/diffusion/scheduler"
)

// perLevel is a number that diffusers' configurations give once, or as a list with one of each level.
type perLevel int

// UnmarshalJSON takes a number or a list of equal numbers.
func (p *perLevel) UnmarshalJSON(data []byte) error {
	var list []int
	if json.Unmarshal(data, &list) == nil && len(list) > 0 {
		for _, n := range list {
			if n != list[0] {
				return fmt.Errorf("the list %v: one number for all is supported", list)
			}
		}
		*p = perLevel(list[0])
		return nil
	}
	return json.Unmarshal(data, (*int)(p))
}

// configure reads the parts' own configuration files.
func (m *Model) configure() error {
	var err error
	if m.Scheduler, err = m.scheduler("scheduler/scheduler_config.json"); err != nil {
		return err
	}
	if m.family.prior {
		if err := m.configurePrior(); err != nil {
			return err
		}
	}
	unet := struct {
		In       int      `json:"in_channels"`
		Sample   perLevel `json:"sample_size"`
		Blocks   []int    `json:"block_out_channels"`
		Layers   perLevel `json:"layers_per_block"`
		Guidance int      `json:"time_cond_proj_dim"`
	}{In: 4, Sample: 64, Blocks: make([]int, 4), Layers: 2}
	vae := struct {
		Blocks  []int   `json:"block_out_channels"`
		Scaling float32 `json:"scaling_factor"`
	}{Blocks: make([]int, 4), Scaling: m.family.scaling}
	if err := errors.Join(m.optional("unet/config.json", &unet), m.optional(m.family.decoder+"/config.json", &vae)); err != nil {
		return err
	}
	if m.family.prior { // VQModel's configuration has a scaling_factor, which Kandinsky's pipelines do not use
		vae.Scaling = m.family.scaling
	}
	for _, v := range []struct {
		name             string
		value, low, high int
	}{
		{"unet/config.json: sample_size", int(unet.Sample), 1, 1024},
		{"unet/config.json: the length of block_out_channels", len(unet.Blocks), 1, 8},
		{"unet/config.json: layers_per_block", int(unet.Layers), 1, 16},
		{"unet/config.json: time_cond_proj_dim", unet.Guidance, 0, 4096},
		{m.family.decoder + "/config.json: the length of block_out_channels", len(vae.Blocks), 1, 6},
	} {
		if v.value < v.low || v.value > v.high {
			return fmt.Errorf("%s is %d: from %d to %d", filepath.Join(m.Dir, v.name), v.value, v.low, v.high)
		}
	}
	if !(vae.Scaling > 1e-5) || vae.Scaling > 1e5 {
		return fmt.Errorf("%s: scaling_factor is %g: from 0.00001 to 100000", filepath.Join(m.Dir, m.family.decoder, "config.json"), vae.Scaling)
	}
	if unet.Guidance > 0 && unet.Guidance < 4 {
		return fmt.Errorf("%s: time_cond_proj_dim is %d: 4 or more", filepath.Join(m.Dir, "unet/config.json"), unet.Guidance)
	}
	if unet.In != m.LatentChannels && unet.In != inpaintChannels {
		return fmt.Errorf("%s: in_channels is %d: %d, or %d for inpainting", filepath.Join(m.Dir, "unet/config.json"), unet.In, m.LatentChannels, inpaintChannels)
	}
	m.Channels, m.SampleSize, m.GuidanceEmbed = unet.In, int(unet.Sample), unet.Guidance
	m.levels, m.layers = len(unet.Blocks), int(unet.Layers)
	m.Factor, m.Scaling = 1<<(len(vae.Blocks)-1), vae.Scaling
	m.Multiple = m.Factor << (m.levels - 1)
	return nil
}

func (m *Model) scheduler(name string) (scheduler.Config, error) {
	path := filepath.Join(m.Dir, name)
	data, err := config.Read(path)
	if err != nil {
		return scheduler.Config{}, err
	}
	c, err := scheduler.Parse(data)
	if err != nil {
		return c, fmt.Errorf("%s: %w", path, err)
	}
	if c.ClipSample == nil { // diffusers' default is for pixels; latents are not within [-1, 1]
		no := false
		c.ClipSample = &no
	}
	return c, nil
}

// The bounds of a picture's sides, in px: width and height are multiples of 8 in every diffusers pipeline.
const (
	sizeStep = 8
	maxSize  = 4096
)

// setDefaults reads generation_config.json, within what the graphs allow.
func (m *Model) setDefaults() error {
	aligned := func(n int) int { return max(n/sizeStep, 1) * sizeStep }
	side := min(m.SampleSize*m.Factor, maxSize)
	d := Defaults{Steps: m.family.steps, Guidance: m.family.guidance, Size: aligned(side), MinSize: aligned(side / 4), MaxSize: aligned(max(side, min(side*2, 2048)))}
	const name = "generation_config.json"
	if err := m.optional(name, &d); err != nil {
		return err
	}
	if n := m.FixedSize; n > 0 {
		d.Size, d.MinSize, d.MaxSize = n, n, n
	}
	if d.Steps < 1 || d.Guidance < 0 || d.Guidance > MaxGuidance {
		return fmt.Errorf("%s: num_inference_steps is %d, guidance_scale %g: from 1, and from 0 to %g", filepath.Join(m.Dir, name), d.Steps, d.Guidance, MaxGuidance)
	}
	if d.MinSize < sizeStep || d.Size < d.MinSize || d.MaxSize < d.Size || d.MaxSize > maxSize || (d.Size|d.MinSize|d.MaxSize)%sizeStep != 0 {
		return fmt.Errorf("%s: sides of %d px (min_size %d, max_size %d), from %s, unet/config.json's sample_size or the graphs' fixed axes: multiples of %d in this order, up to %d",
			m.Dir, d.Size, d.MinSize, d.MaxSize, name, sizeStep, maxSize)
	}
	d.Steps = min(d.Steps, MaxSteps)
	m.Defaults = d
	return nil
}
