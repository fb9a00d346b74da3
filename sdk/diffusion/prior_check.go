package diffusion

import (
	"fmt"
	"path/filepath"

	"github.com/vision19/vision/sdk/diffusion/internal/config"
	"github.com/vision19/vision/sdk/diffusion/scheduler"
)

// The parts of a prior, in a folder as diffusers saves it.
const (
	priorTokenizer = "prior_tokenizer"
	priorScheduler = "prior_scheduler/scheduler_config.json"

	priorOutput    = "predicted_image_embedding"
	priorMean      = "latents_mean" // the words of diffusers' configurations for it: the weights are named clip_mean and clip_std
	priorDeviation = "latents_std"
)

var (
	priorFiles  = []string{priorTokenizer + "/vocab.json", priorTokenizer + "/merges.txt", priorScheduler}
	priorGraphs = []string{"prior_text_encoder", "prior_image_encoder", "prior_prior"}
)

// priorSettings are how a model's prior walks.
type priorSettings struct {
	scheduler scheduler.Config
	steps     int
	guidance  float64 // 1 and less is without
	width     int     // of an image embedding
}

// configurePrior reads the prior's scheduler, and from generation_config.json its steps and guidance: without, diffusers' defaults.
func (m *Model) configurePrior() error {
	data, err := config.Read(filepath.Join(m.Dir, priorScheduler))
	if err != nil {
		return err
	}
	c, err := scheduler.Parse(data)
	if err == nil && c.ClassName != scheduler.UnCLIP {
		err = fmt.Errorf("_class_name is %q: a prior's is %s", c.ClassName, scheduler.UnCLIP)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(m.Dir, priorScheduler), err)
	}
	settings := struct {
		Steps    int     `json:"prior_num_inference_steps"`
		Guidance float64 `json:"prior_guidance_scale"`
	}{25, 4}
	const name = "generation_config.json"
	if err := m.optional(name, &settings); err != nil {
		return err
	}
	if _, err := scheduler.New(c, settings.Steps); err != nil {
		return fmt.Errorf("%s: prior_num_inference_steps, or %s: %w", filepath.Join(m.Dir, name), priorScheduler, err)
	}
	if settings.Guidance < 0 || settings.Guidance > MaxGuidance {
		return fmt.Errorf("%s: prior_guidance_scale is %v: from 0 to %v", filepath.Join(m.Dir, name), settings.Guidance, MaxGuidance)
	}
	m.prior = priorSettings{scheduler: c, steps: settings.Steps, guidance: settings.Guidance}
	return nil
}

// maxPriorBatch bounds a fixed batch axis: diffusers' own is 2, and 4 with a negative prompt.
const maxPriorBatch = 4

// prior checks the prior's graphs, and notes the embeddings' length.
func (c *graphCheck) prior() {
	c.inputs("prior_text_encoder", []string{"input_ids"}, "attention_mask")
	c.outputs("prior_text_encoder", "text_embeds", "last_hidden_state")
	c.inputs("prior_image_encoder", []string{"pixel_values"})
	c.outputs("prior_image_encoder", "image_embeds")
	c.inputs("prior_prior", []string{"hidden_states", "timestep", "proj_embedding", "encoder_hidden_states", "attention_mask"})
	c.outputs("prior_prior", priorOutput)
	for _, name := range []string{priorMean, priorDeviation} {
		if _, ok := c.model.Graphs["prior_prior"].Output(name); !ok {
			c.fault("prior_prior", "has no output %s: export a module that returns (prior(...)[0], prior.clip_mean, prior.clip_std) with the output names %s, %s, %s",
				name, priorOutput, priorMean, priorDeviation)
		}
	}
	hidden, ok := c.model.Graphs["prior_prior"].Input("hidden_states")
	if !ok {
		return
	}
	if n, fixed := hidden.Fixed(0); fixed && (n < 1 || n > maxPriorBatch) {
		c.fault("prior_prior", "has a batch axis fixed at %d: 1 to %d or dynamic", n, maxPriorBatch)
	}
	width, fixed := hidden.Fixed(1)
	if !fixed || width < 1 || width > 1<<16 {
		c.fault("prior_prior", "has hidden_states of the shape %v: axis 1 is fixed, from 1 to %d", hidden.Shape, 1<<16)
		return
	}
	c.model.prior.width = int(width)
	for _, graph := range []string{"prior_image_encoder", "unet"} {
		g := c.model.Graphs[graph]
		embeds, ok := g.Input("image_embeds")
		if !ok {
			embeds, _ = g.Output("image_embeds")
		}
		if n, fixed := embeds.Fixed(1); fixed && n != width {
			c.fault(graph, "has image_embeds of %d numbers, the prior makes %d", n, width)
		}
	}
}
