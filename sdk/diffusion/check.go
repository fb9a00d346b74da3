package diffusion

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/vision19/vision/sdk/onnx"
)

// The names of the residuals that a ControlNet adds to the UNet, as diffusers has them, followed by a number.
const (
	downOut, midOut = "down_block_res_sample", "mid_block_res_sample"
	downIn, midIn   = "down_block_additional_residual", "mid_block_additional_residual"
)

// checkGraphs compares the graphs' inputs, outputs and axes with what the pipeline gives and takes.
func (m *Model) checkGraphs(control bool) error {
	var c graphCheck
	c.model = m
	for _, e := range m.family.prompt {
		c.inputs(e.folder, []string{"input_ids"}, "attention_mask")
		if e.penultimate {
			if _, err := penultimate(m.Graphs[e.folder]); err != nil {
				c.fault(e.folder, "%s", err)
			}
		} else {
			c.outputs(e.folder, "last_hidden_state")
		}
		if e.pooled {
			c.outputs(e.folder, "text_embeds")
		}
	}
	told := []string{"encoder_hidden_states"}
	if len(m.family.prompt) > 1 {
		told = append(told, "text_embeds", "time_ids")
	}
	if m.GuidanceEmbed > 0 {
		told = append(told, "timestep_cond")
	}
	if m.family.prior {
		told = []string{"image_embeds"}
		c.prior()
	}
	takes := slices.Concat([]string{"sample", "timestep"}, told)
	c.inputs("unet", takes, residualInputs(m.Graphs["unet"])...)
	c.outputs("unet", "out_sample")
	c.inputs(m.family.decoder, []string{"latent_sample"})
	c.outputs(m.family.decoder, "sample")
	if _, ok := m.Graphs[m.family.encoder]; ok {
		c.inputs(m.family.encoder, []string{"sample"})
		if name := latentOutput(m.Graphs[m.family.encoder]); name == "" {
			c.fault(m.family.encoder, "has neither the output "+drawnLatents+" nor latent_sample")
		}
	}
	if control {
		c.control(takes)
	}
	c.axes()
	return errors.Join(c.errs...)
}

// graphCheck collects what is wrong with the graphs.
type graphCheck struct {
	model *Model
	errs  []error
}

func (c *graphCheck) fault(graph, format string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf("%s %s", c.model.path(graph), fmt.Sprintf(format, args...)))
}

// inputs requires the inputs and allows the optional ones; a graph that takes more cannot be run.
func (c *graphCheck) inputs(graph string, required []string, optional ...string) {
	g := c.model.Graphs[graph]
	for _, name := range required {
		if _, ok := g.Input(name); !ok {
			c.fault(graph, "has no input %s; its inputs are %s", name, onnx.Names(g.Inputs))
		}
	}
	for _, i := range g.Inputs {
		if !slices.Contains(required, i.Name) && !slices.Contains(optional, i.Name) {
			c.fault(graph, "takes %s, which this family does not have; it has %s", i.Name, strings.Join(required, ", "))
		}
	}
}

func (c *graphCheck) outputs(graph string, names ...string) {
	for _, name := range names {
		if _, ok := c.model.Graphs[graph].Output(name); !ok {
			c.fault(graph, "has no output %s; its outputs are %s", name, onnx.Names(c.model.Graphs[graph].Outputs))
		}
	}
}

// control requires a ControlNet whose residuals are as many as those that the UNet takes.
func (c *graphCheck) control(takes []string) {
	c.inputs("controlnet", append(takes, "controlnet_cond"), "conditioning_scale")
	outputs := numbered(c.model.Graphs["controlnet"].Outputs, downOut, midOut)
	inputs := residualInputs(c.model.Graphs["unet"])
	if len(outputs) == 0 || len(outputs) != len(inputs) {
		c.fault("unet", "takes %d residuals (%s.0 and so on, %s) and controlnet gives %d: export the UNet with its residuals as inputs", len(inputs), downIn+"s", midIn, len(outputs))
	}
}

// maxBatch bounds a batch axis that an export has fixed: two predictions, and four of a prior, are what pipelines run at once.
const maxBatch = 4

// axes notes a fixed size, which all graphs must share, and refuses axes that no request could meet.
func (c *graphCheck) axes() {
	m := c.model
	pictures := map[string]int{ // px that an element of the input's last two axes stands for
		"sample": m.Factor, "latent_sample": m.Factor, "controlnet_cond": 1, m.family.encoder + ".sample": 1,
	}
	for _, name := range slices.Sorted(maps.Keys(m.Graphs)) { // in one order, so that the faults are too
		for _, i := range m.Graphs[name].Inputs {
			batch, fixed := i.Fixed(0)
			if fixed && (batch < 1 || batch > maxBatch) && len(i.Shape) > 1 {
				c.fault(name, "has the input %s of the shape %v: a fixed batch axis is 1 to %d", i.Name, i.Shape, maxBatch)
			}
			scale, ok := pictures[name+"."+i.Name]
			if !ok {
				scale, ok = pictures[i.Name]
			}
			if ok {
				c.fixedSize(name, i, scale)
			}
		}
	}
	if sample, ok := m.Graphs["unet"].Input("sample"); ok {
		if n, fixed := sample.Fixed(1); fixed && int(n) != m.Channels {
			c.fault("unet", "takes %d channels, unet/config.json says %d", n, m.Channels)
		}
	}
	if info, ok := m.Graphs["controlnet"].Input("conditioning_scale"); ok && len(info.Shape) > 0 {
		if n, fixed := info.Fixed(0); len(info.Shape) > 1 || !fixed || n != 1 {
			c.fault("controlnet", "has a conditioning_scale of the shape %v: one number is given", info.Shape)
		}
	}
	if hint, ok := m.Graphs["controlnet"].Input("controlnet_cond"); ok {
		sample, _ := m.Graphs["unet"].Input("sample")
		ours, fixed := hint.Fixed(0)
		if theirs, too := sample.Fixed(0); fixed != too || ours != theirs {
			c.fault("controlnet", "has a batch axis of another size than unet's: export both alike")
		}
	}
}

func (c *graphCheck) fixedSize(name string, i onnx.Info, scale int) {
	if len(i.Shape) != 4 {
		c.fault(name, "has the input %s of the shape %v: it has 4 axes", i.Name, i.Shape)
		return
	}
	h, fixedHeight := i.Fixed(2)
	w, fixedWidth := i.Fixed(3)
	size := int(w) * scale
	switch {
	case fixedHeight != fixedWidth || h != w:
		c.fault(name, "has the input %s of the shape %v: height and width are both dynamic, or both fixed and equal", i.Name, i.Shape)
	case fixedWidth && (w < 1 || w > maxSize || c.model.FixedSize != 0 && c.model.FixedSize != size):
		c.fault(name, "is fixed at %d px a side, another graph at %d: export all parts for one size", size, c.model.FixedSize)
	case fixedWidth:
		c.model.FixedSize = size
	}
}

var number = regexp.MustCompile(`\d+$`)

// numbered lists the names that begin with down, in the order of the numbers that they end with, and then the one that begins with mid.
// Exporters write down_block_res_samples.0, down_block_res_sample_0 and the like.
func numbered(infos []onnx.Info, down, mid string) []string {
	var downs, mids []string
	for _, i := range infos {
		switch {
		case strings.HasPrefix(i.Name, down):
			downs = append(downs, i.Name)
		case strings.HasPrefix(i.Name, mid):
			mids = append(mids, i.Name)
		}
	}
	slices.SortFunc(downs, func(a, b string) int { return trailing(a) - trailing(b) })
	return append(downs, mids...)
}

// residualInputs are the UNet's inputs for a ControlNet's residuals, those with a default value among them.
func residualInputs(unet onnx.Graph) []string {
	return numbered(slices.Concat(unet.Inputs, unet.Optional), downIn, midIn)
}

func trailing(name string) int {
	n, err := strconv.Atoi(number.FindString(name))
	if err != nil {
		return -1
	}
	return n
}

// penultimate is the output with the hidden states before the last layer's: hidden_states.0 is the embedding, the last one the last layer's.
func penultimate(g onnx.Graph) (string, error) {
	const prefix = "hidden_states."
	last := -1
	for _, o := range g.Outputs {
		if strings.HasPrefix(o.Name, prefix) {
			last = max(last, trailing(o.Name))
		}
	}
	if last < 1 {
		return "", fmt.Errorf("has no outputs hidden_states.0 and so on; export it with output_hidden_states")
	}
	return prefix + strconv.Itoa(last-1), nil
}

// drawnLatents is the output of an encoder that gives a distribution, of which latents are drawn.
const drawnLatents = "latent_parameters"

// latentOutput is the encoder's output, by either of its names.
func latentOutput(g onnx.Graph) string {
	for _, name := range []string{drawnLatents, "latent_sample"} {
		if _, ok := g.Output(name); ok {
			return name
		}
	}
	return ""
}
