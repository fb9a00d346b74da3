package main

import (
	"context"
	"fmt"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/diffusion"
	"github.com/vision19/vision/sdk/diffusion/clip"
	"github.com/vision19/vision/sdk/imaging"
	"github.com/vision19/vision/sdk/onnx"
	"github.com/vision19/vision/sdk/schema"
)

// The bounds of a request.
const (
	maxItems  = 64      // images, and as many texts: what one answer is waited for
	maxPixels = 8 << 20 // that are decoded at a time: 32 MiB
)

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
		Capabilities: sdk.Capabilities{MaxConcurrency: 1, Progress: true, Cancellation: true, Deterministic: true},
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
	var result sdk.Result
	images, texts := r.Images["image"], r.Texts["text"]
	total := len(images) + len(texts)
	var batch []imaging.Pixels
	held := 0
	for i, image := range images {
		p, err := imaging.Read(image.Data, image.Width*image.Height)
		if err != nil {
			return result, sdk.InvalidInput("image", fmt.Sprintf("number %d: %v", i+1, err))
		}
		batch, held = append(batch, p), held+image.Width*image.Height
		if i+1 < len(images) && held < maxPixels {
			continue
		}
		vectors, err := e.encoder.Images(ctx, batch)
		if err != nil {
			return result, err
		}
		result.Embeddings = append(result.Embeddings, vectors...)
		batch, held = nil, 0
		progress.Step(len(result.Embeddings), total)
	}
	if len(texts) > 0 {
		vectors, warnings, err := e.encoder.Texts(ctx, texts)
		if err != nil {
			return result, err
		}
		result.Embeddings, result.Warnings = append(result.Embeddings, vectors...), warnings
		progress.Step(total, total)
	}
	return result, nil
}

// Close implements sdk.Endpoint.
func (e *endpoint) Close() error {
	if e.encoder == nil {
		return nil
	}
	return e.encoder.Close()
}
