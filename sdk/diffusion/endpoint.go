package diffusion

import (
	"context"
	"log/slog"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/imaging"
	"github.com/vision19/vision/sdk/schema"
)

// Task is one way of painting as an endpoint: what a plugin adds to what all diffusion endpoints share, which are the prompts, the
// parameters of Parameters, the config block and the safety check.
type Task struct {
	Endpoint, Title, Doc string

	Needs      []string                     // NeedEncoder, NeedControlNet, GivesMask
	Inputs     func(Defaults) []sdk.Input   // beside the prompts; nil is none
	Parameters func(Defaults) schema.Schema // beside the shared ones; nil is none
	Width      sdk.Extent                   // of the output
	Height     sdk.Extent

	Paint func(ctx context.Context, p *Pipeline, q Query) (Painting, error)
}

// Query is one request to a task.
type Query struct {
	Request
	Values   schema.Values             // the task's own parameters among them
	Images   map[string]imaging.Pixels // the task's own inputs, as they are: gray, RGB or RGBA
	Progress sdk.Progress
}

// NewEndpoint makes the task an endpoint on one model folder.
func NewEndpoint(t Task) sdk.Endpoint {
	if t.Paint == nil {
		panic("diffusion: the task " + t.Endpoint + " has no Paint")
	}
	return &endpoint{task: t}
}

type endpoint struct {
	task     Task
	model    Model
	options  Options
	pipeline *Pipeline
}

// Describe implements sdk.Endpoint: the values of Stable Diffusion 1.x, until a model says its own.
func (e *endpoint) Describe() sdk.Description {
	d := e.describe(Defaults{Steps: 50, Guidance: 7.5, Size: 512, MinSize: 64, MaxSize: 1024}, "ddim")
	d.MemoryBytes = 4 << 30
	return d
}

func (e *endpoint) describe(defaults Defaults, scheduler string) sdk.Description {
	t := e.task
	d := sdk.Description{
		Endpoint: t.Endpoint, Title: t.Title, Doc: t.Doc, Version: sdk.Version,
		Inputs:       Prompts(),
		Parameters:   Parameters(defaults, scheduler),
		Output:       sdk.Output{Kind: sdk.ImageOutput, MediaType: sdk.PNG, Width: t.Width, Height: t.Height},
		Config:       ConfigSchema(),
		Capabilities: sdk.Capabilities{MaxConcurrency: 1, Progress: true, Previews: true, Cancellation: true, Deterministic: true},
	}
	if t.Inputs != nil {
		d.Inputs = append(d.Inputs, t.Inputs(defaults)...)
	}
	if t.Parameters != nil {
		d.Parameters = append(d.Parameters, t.Parameters(defaults)...)
	}
	return d
}

// Configure implements sdk.Endpoint.
func (e *endpoint) Configure(ctx context.Context, c sdk.Config) (sdk.Description, error) {
	var err error
	if e.model, err = Inspect(c.Values.String("model"), e.task.Needs...); err != nil {
		return sdk.Description{}, sdk.InvalidInput("model", err.Error())
	}
	session, err := SessionOptions(ctx, c)
	if err != nil {
		return sdk.Description{}, err
	}
	e.options = Options{Session: session, Half: c.Values.String("precision") == "fp16", CUDANoise: c.Values.String("noise") == "cuda"}
	d := e.describe(e.model.Defaults, e.model.SchedulerName())
	d.MemoryBytes, d.Notes = e.model.Memory(), e.model.Notes()
	return d, nil
}

// Load implements sdk.Endpoint.
func (e *endpoint) Load(ctx context.Context, progress sdk.LoadProgress) error {
	var err error
	e.pipeline, err = Load(ctx, e.model, e.options, func(f float64, stage string) { progress(0.8*f, stage) })
	if err != nil {
		return err
	}
	if e.model.Unchecked() {
		slog.Warn("the model names a safety checker and has none as ONNX: pictures are not checked", "model", e.model.Dir)
	}
	progress(0.8, "warming up")
	if err := e.pipeline.warm(ctx); err != nil {
		return err
	}
	progress(1, "ready")
	return nil
}

// warm paints once, so that the first request is as fast as the others.
func (p *Pipeline) warm(ctx context.Context) error {
	d := p.model.Defaults
	r := Request{Steps: 1, Guidance: d.Guidance, Scheduler: p.model.SchedulerName()}
	gray := imaging.Flat(d.Size, d.Size, 128, 128, 128)
	var err error
	switch {
	case p.graphs["controlnet"] != nil:
		_, err = p.Scribble(ctx, r, gray, 1, silent{})
	case p.graphs[p.model.family.encoder] != nil:
		_, err = p.Inpaint(ctx, r, gray, imaging.Flat(d.Size, d.Size, 255), 0, silent{})
	default:
		_, err = p.TextToImage(ctx, r, d.Size, d.Size, silent{})
	}
	return err
}

// Infer implements sdk.Endpoint.
func (e *endpoint) Infer(ctx context.Context, in sdk.Request, progress sdk.Progress) (sdk.Result, error) {
	q := Query{Values: in.Values, Images: map[string]imaging.Pixels{}, Progress: progress, Request: Request{
		Prompt: in.Text("prompt"), Negative: in.Text("negative_prompt"),
		Steps: int(in.Values.Int("steps")), Guidance: in.Values.Float("guidance_scale"),
		Seed: uint32(in.Values.Int("seed")), Scheduler: in.Values.String("scheduler"),
	}}
	var warnings []string
	for name := range in.Images {
		var err error
		if q.Images[name], err = ReadImage(in, name); err != nil {
			return sdk.Result{}, err
		}
		if declared, _ := e.Describe().Input(name); declared.Kind == sdk.ImageInput && transparent(q.Images[name]) {
			warnings = append(warnings, name+" is transparent in places: painting takes its colours as if it were not")
		}
	}
	painting, err := e.task.Paint(ctx, e.pipeline, q)
	if err != nil {
		return sdk.Result{}, err
	}
	painting.Warnings = append(painting.Warnings, warnings...)
	return e.pipeline.answer(ctx, painting)
}

// Close implements sdk.Endpoint.
func (e *endpoint) Close() error {
	if e.pipeline == nil {
		return nil
	}
	return e.pipeline.Close()
}

func transparent(p imaging.Pixels) bool {
	for i := 3; p.Channels == 4 && i < len(p.Pix); i += 4 {
		if p.Pix[i] < 255 {
			return true
		}
	}
	return false
}

// ImageInput is an image that a task takes, of at most the area that the model paints.
func ImageInput(d Defaults, doc string) sdk.Input {
	return sdk.Input{Name: "image", Kind: sdk.ImageInput, Required: true, MaxPixels: d.Pixels(), Doc: doc}
}

// ReadImage decodes an image input of a request. The host has checked that it is there and how large it is.
func ReadImage(in sdk.Request, name string) (imaging.Pixels, error) {
	image, _ := in.Image(name)
	p, err := imaging.Read(image.Data, image.Width*image.Height)
	if err != nil {
		return p, sdk.InvalidInput(name, err.Error())
	}
	return p, nil
}
