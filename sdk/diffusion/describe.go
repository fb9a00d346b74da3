package diffusion

import (
	"context"
	"fmt"

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
		{Name: "negative_prompt", Kind: sdk.TextInput, Doc: "What not to paint. Without effect at a guidance_scale of 1 or less, and on distilled models."},
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
		{Name: "guidance_scale", Type: schema.Float, Min: schema.Bound(0), Max: schema.Bound(MaxGuidance), Default: d.Guidance, Doc: "How closely to follow the prompt; 1 and less is without guidance, but for distilled models, which are told the number.",
			Sampling: aroundGuidance(d.Guidance)},
		{Name: "scheduler", Type: schema.String, Allowed: names, Default: name, Doc: "The sampling method."},
	}
}

// aroundGuidance is half to one and a half of the default; a model without guidance keeps to it.
func aroundGuidance(guidance float64) *schema.Sampling {
	if guidance <= 1 {
		return nil
	}
	return &schema.Sampling{Min: schema.Bound(max(1, guidance/2)), Max: schema.Bound(min(MaxGuidance, guidance*1.5))}
}

// Size are width and height, in px, with a model's bounds. Synthetic requests are no larger than what the model was made for.
func Size(d Defaults) schema.Schema {
	side := func(name, doc string) schema.Parameter {
		return schema.Parameter{Name: name, Type: schema.Int, Min: schema.Bound(float64(d.MinSize)), Max: schema.Bound(float64(d.MaxSize)), MultipleOf: 8, Default: int64(d.Size), Doc: doc,
			Sampling: &schema.Sampling{Min: schema.Bound(float64(d.MinSize)), Max: schema.Bound(float64(max(d.MinSize, d.Size)))}}
	}
	return schema.Schema{side("width", "Width in px."), side("height", "Height in px.")}
}

// Feather is the width in px of the transition between what is kept and what is painted.
func Feather(Defaults) schema.Schema {
	return schema.Schema{{
		Name: "feather", Type: schema.Int, Min: schema.Bound(0), Max: schema.Bound(64), Default: int64(8),
		Doc:      "Over how many px the painted part takes on its surroundings' colours.",
		Sampling: &schema.Sampling{Min: schema.Bound(0), Max: schema.Bound(16)},
	}}
}

// ConfigSchema is the config block of a diffusion plugin.
func ConfigSchema() schema.Schema {
	return append(append(schema.Schema{
		{Name: "model", Type: schema.String, Format: schema.FormatPath, Required: true, Doc: "A model folder in the diffusers layout, exported to ONNX."},
	}, SessionSchema()...),
		choice("precision", "auto", "What tensors are held in between the graphs: auto, what the graphs take.", "auto", "fp32", "fp16"),
		choice("noise", "cpu", "Whose random numbers a seed gives: PyTorch's CPU generator's or its CUDA generator's.", "cpu", "cuda"),
	)
}

// SessionSchema is the part of a config block that says how ONNX Runtime runs a model.
func SessionSchema() schema.Schema {
	return schema.Schema{
		choice("provider", autoProvider, "ONNX Runtime's execution provider; auto: cuda on a cuda device, cpu on a cpu device.", append([]string{autoProvider}, onnx.Providers()...)...),
		{Name: "threads", Type: schema.Int, Min: schema.Bound(0), Max: schema.Bound(1024), Default: int64(0), Doc: "CPU threads; 0: as many as the device gives."},
		choice("optimization", "all", "ONNX Runtime's graph optimisation level.", onnx.Optimizations()...),
	}
}

func choice(name, value, doc string, all ...string) schema.Parameter {
	var allowed []any
	for _, a := range all {
		allowed = append(allowed, a)
	}
	return schema.Parameter{Name: name, Type: schema.String, Allowed: allowed, Default: value, Doc: doc}
}

// autoProvider leaves the choice of the provider to the device.
const autoProvider = "auto"

// providerOn is the provider to use on a device. It refuses one that would compute elsewhere than where the host has made room: cpu on a GPU
// would leave that idle, cuda on a CPU would take memory that nobody counts. webgpu finds its device by itself.
func providerOn(d sdk.Device, asked string) (string, error) {
	native, needs := "cpu", map[string]string{"cpu": "cpu", "cuda": "cuda", "tensorrt": "cuda"}
	if d.Kind == "cuda" {
		native = "cuda"
	}
	if asked == autoProvider || asked == "" {
		return native, nil
	}
	if kind := needs[asked]; kind != "" && kind != native {
		return "", sdk.InvalidInput("provider", fmt.Sprintf("is %q, but the plugin's device %s is of kind %s: set provider = %q or leave it out, or give the plugin a device of kind %s",
			asked, d.Name, native, native, kind))
	}
	return asked, nil
}

// SessionOptions checks the values of SessionSchema against the device and the machine: ONNX Runtime's library, the provider.
func SessionOptions(ctx context.Context, c sdk.Config) (onnx.Options, error) {
	provider, err := providerOn(c.Device, c.Values.String("provider"))
	if err != nil {
		return onnx.Options{}, err
	}
	if err := onnx.Probe(ctx, provider); err != nil {
		return onnx.Options{}, sdk.InvalidInput("provider", err.Error())
	}
	threads := int(c.Values.Int("threads"))
	if threads == 0 {
		threads = c.Device.Threads
	}
	return onnx.Options{Provider: provider, Threads: threads, Optimization: c.Values.String("optimization")}, nil
}
