package diffusion

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"

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
	for name, v := range map[string]struct{ value, low, high int }{
		"unet/config.json: sample_size":                            {int(unet.Sample), 1, 1024},
		"unet/config.json: block_out_channels":                     {len(unet.Blocks), 1, 8},
		"unet/config.json: layers_per_block":                       {int(unet.Layers), 1, 16},
		"unet/config.json: time_cond_proj_dim":                     {unet.Guidance, 0, 4096},
		m.family.decoder + "/config.json: block_out_channels":      {len(vae.Blocks), 1, 6},
		m.family.decoder + "/config.json: scaling_factor * 100000": {int(vae.Scaling * 100000), 1, 1 << 30},
	} {
		if v.value < v.low || v.value > v.high {
			return fmt.Errorf("%s is %d: from %d to %d", filepath.Join(m.Dir, name), v.value, v.low, v.high)
		}
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
	data, err := m.file(name)
	if err != nil {
		return scheduler.Config{}, err
	}
	c, err := scheduler.Parse(data)
	if err != nil {
		return c, fmt.Errorf("%s: %w", filepath.Join(m.Dir, name), err)
	}
	if c.ClipSample == nil { // diffusers' default is for pixels; latents are not within [-1, 1]
		no := false
		c.ClipSample = &no
	}
	return c, nil
}

// setDefaults reads generation_config.json, within what the graphs allow.
func (m *Model) setDefaults() error {
	side := m.SampleSize * m.Factor
	m.Defaults = Defaults{Steps: m.family.steps, Guidance: m.family.guidance, Size: side, MinSize: max(side/4, m.Factor), MaxSize: min(side*2, 2048)}
	if err := m.optional("generation_config.json", &m.Defaults); err != nil {
		return err
	}
	if m.FixedWidth > 0 {
		m.Defaults.Size, m.Defaults.MinSize, m.Defaults.MaxSize = m.FixedWidth, m.FixedWidth, m.FixedWidth
	}
	d := m.Defaults
	if d.Steps < 1 || d.Guidance < 0 || d.Guidance > MaxGuidance || d.MinSize < 8 || d.Size < d.MinSize || d.MaxSize < d.Size || d.MaxSize > 4096 {
		return fmt.Errorf("%s: the defaults are out of range: %+v", filepath.Join(m.Dir, "generation_config.json"), d)
	}
	m.Defaults.Steps = min(d.Steps, MaxSteps)
	return nil
}
