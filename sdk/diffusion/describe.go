package diffusion

import (
	"context"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/diffusion/scheduler"
	"github.com/vision19/vision/sdk/onnx"
	"github.com/vision19/vision/sdk/schema"
)

// What every diffusion endpoint shares: its prompts, its parameters, its configuration.

// Prompts are the text inputs.
func Prompts() []sdk.Input {
	return []sdk.Input{
		{Name: "prompt", Kind: sdk.TextInput, Required: true, Doc: "What to paint."},
		{Name: "negative_prompt", Kind: sdk.TextInput, Doc: "What not to paint; without effect at a guidance_scale of 1 or less."},
	}
}

// Parameters are seed, steps, guidance_scale and scheduler, with a model's defaults.
func Parameters(d Defaults, name string) schema.Schema {
	var names []any
	for _, n := range scheduler.Names() {
		names = append(names, n)
	}
	return schema.Schema{
		{Name: "seed", Type: schema.Int, Min: schema.Bound(0), Max: schema.Bound(1<<32 - 1), Random: true, Doc: "The same seed gives the same picture."},
		{Name: "steps", Type: schema.Int, Min: schema.Bound(1), Max: schema.Bound(MaxSteps), Default: int64(d.Steps), Doc: "Denoising steps.",
			Sampling: &schema.Sampling{Min: schema.Bound(float64(min(d.Steps, 8))), Max: schema.Bound(float64(d.Steps))}},
		{Name: "guidance_scale", Type: schema.Float, Min: schema.Bound(0), Max: schema.Bound(MaxGuidance), Default: d.Guidance, Doc: "How closely to follow the prompt; 1 and less is without guidance."},
		{Name: "scheduler", Type: schema.String, Allowed: names, Default: name, Doc: "The sampling method."},
	}
}

// Size are width and height, in px, with a model's bounds.
func Size(d Defaults) schema.Schema {
	side := func(name, doc string) schema.Parameter {
		return schema.Parameter{Name: name, Type: schema.Int, Min: schema.Bound(float64(d.MinSize)), Max: schema.Bound(float64(d.MaxSize)), MultipleOf: 8, Default: int64(d.Size), Doc: doc}
	}
	return schema.Schema{side("width", "Width in px."), side("height", "Height in px.")}
}

// ConfigSchema is the config block of a diffusion plugin.
func ConfigSchema() schema.Schema {
	choice := func(name, value, doc string, all ...string) schema.Parameter {
		var allowed []any
		for _, a := range all {
			allowed = append(allowed, a)
		}
		return schema.Parameter{Name: name, Type: schema.String, Allowed: allowed, Default: value, Doc: doc}
	}
	return schema.Schema{
		{Name: "model", Type: schema.String, Format: schema.FormatPath, Required: true, Doc: "A model folder in the diffusers layout, exported to ONNX."},
		choice("provider", "cpu", "ONNX Runtime's execution provider.", onnx.Providers()...),
		{Name: "threads", Type: schema.Int, Min: schema.Bound(0), Max: schema.Bound(1024), Default: int64(0), Doc: "CPU threads; 0: as many as the device gives."},
		choice("precision", "auto", "What tensors are held in between the graphs: auto, what the graphs take.", "auto", "fp32", "fp16"),
		choice("optimization", "all", "ONNX Runtime's graph optimisation level.", onnx.Optimizations()...),
		choice("noise", "cpu", "Whose random numbers a seed gives: PyTorch's CPU generator's or its CUDA generator's.", "cpu", "cuda"),
	}
}

// Configured checks a configuration against the machine: the model's folder, ONNX Runtime's library, the provider.
func Configured(ctx context.Context, c sdk.Config) (Model, Options, error) {
	m, err := Inspect(c.Values.String("model"))
	if err != nil {
		return m, Options{}, sdk.InvalidInput("model", err.Error())
	}
	provider := c.Values.String("provider")
	if err := onnx.Probe(ctx, provider); err != nil {
		return m, Options{}, sdk.InvalidInput("provider", err.Error())
	}
	threads := int(c.Values.Int("threads"))
	if threads == 0 {
		threads = c.Device.Threads
	}
	return m, Options{
		Session: onnx.Options{Provider: provider, Threads: threads, Optimization: c.Values.String("optimization")},
		Half:    c.Values.String("precision") == "fp16",
	}, nil
}
