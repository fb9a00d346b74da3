package main

import (
	"context"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/diffusion"
	"github.com/vision19/vision/sdk/diffusion/clip"
	"github.com/vision19/vision/sdk/onnx"
	"github.com/vision19/vision/sdk/schema"
)

// maxItems bounds the images of a request, and its texts: what one answer is waited for.
const maxItems = 64

// endpoint is clip-embed on one model.
type endpoint struct {
	model   clip.Model
	options onnx.Options
	encoder *clip.Encoder
}

// Describe implements sdk.Endpoint.
func (e *endpoint) Describe() sdk.Description {
	return sdk.Description{
		Endpoint: "clip-embed", Title: "CLIP embeddings", Version: sdk.Version,
		Doc: "Embeds images and texts as unit vectors of one space: what is alike lies close. The images' vectors come first, each in the order given.",
		Inputs: []sdk.Input{
			{Name: "image", Kind: sdk.ImageInput, MaxCount: maxItems, Doc: "Images to embed."},
			{Name: "text", Kind: sdk.TextInput, MaxCount: maxItems, Doc: "Texts to embed."},
		},
		OneOf:  []string{"image", "text"},
		Output: sdk.Output{Kind: sdk.EmbeddingOutput},
		Config: append(schema.Schema{
			{Name: "model", Type: schema.String, Format: schema.FormatPath, Required: true, Doc: "A folder of a transformers CLIPModel, exported to ONNX."},
		}, diffusion.SessionSchema()...),
		MemoryBytes:  2 << 30,
		Capabilities: sdk.Capabilities{MaxConcurrency: 1, Progress: true, Cancellation: true, Deterministic: true, MaxBatch: maxBatch},
	}
}

// Configure implements sdk.Endpoint.
func (e *endpoint) Configure(ctx context.Context, c sdk.Config) (sdk.Description, error) {
	var err error
	if e.model, err = clip.Inspect(c.Values.String("model")); err != nil {
		return sdk.Description{}, sdk.InvalidInput("model", err.Error())
	}
	if e.options, err = diffusion.SessionOptions(ctx, c); err != nil {
		return sdk.Description{}, err
	}
	d := e.Describe()
	d.Output.Dimensions, d.MemoryBytes, d.Notes = e.model.Dimensions, e.model.Memory(), e.model.Notes()
	return d, nil
}

// Load implements sdk.Endpoint.
func (e *endpoint) Load(ctx context.Context, progress sdk.LoadProgress) error {
	var err error
	e.encoder, err = clip.Load(ctx, e.model, e.options, progress)
	return err
}

// Infer implements sdk.Endpoint.
func (e *endpoint) Infer(ctx context.Context, r sdk.Request, progress sdk.Progress) (sdk.Result, error) {
	one := e.InferBatch(ctx, []sdk.Call{{Context: ctx, Request: r, Progress: progress}})[0]
	return one.Result, one.Err
}

// Close implements sdk.Endpoint.
func (e *endpoint) Close() error {
	if e.encoder == nil {
		return nil
	}
	return e.encoder.Close()
}
