package main

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/imaging"
)

// maxBatch is how many requests are embedded together: with one picture each, what the encoder runs at a time.
const maxBatch = 16

// maxPixels bounds what is decoded at a time: 32 MiB, or one picture.
const maxPixels = 8 << 20

// InferBatch implements sdk.Batcher: the pictures of all calls go through the model together, and then their texts.
func (e *endpoint) InferBatch(ctx context.Context, calls []sdk.Call) []sdk.Outcome {
	outcomes, err := e.embed(ctx, calls)
	switch {
	case err == nil:
	case len(calls) == 1:
		outcomes[0] = sdk.Outcome{Err: err}
	default: // one picture may have overcome the model: the others need not suffer for it
		for i, call := range calls {
			outcomes[i] = e.InferBatch(call.Context, calls[i:i+1])[0]
		}
	}
	return outcomes
}

// picture is one of a call's pictures.
type picture struct {
	call, number int // indices
	sdk.Image
	prepared []float32
	err      error
}

// embed gives each call its vectors. A picture that cannot be read fails its own call; the error is the model's, and all calls'.
func (e *endpoint) embed(ctx context.Context, calls []sdk.Call) ([]sdk.Outcome, error) {
	outcomes := make([]sdk.Outcome, len(calls))
	var pictures []picture
	for c, call := range calls {
		for i, image := range call.Request.Images["image"] {
			pictures = append(pictures, picture{call: c, number: i, Image: image})
		}
	}
	for some := range slices.Chunk(pictures, e.encoder.AtOnce()) {
		e.prepare(calls, some)
		var prepared [][]float32
		var owners []int // the call of each
		for _, p := range some {
			if p.err != nil && outcomes[p.call].Err == nil {
				outcomes[p.call].Err = p.err
			}
			if p.err == nil {
				prepared, owners = append(prepared, p.prepared), append(owners, p.call)
			}
		}
		vectors, err := e.encoder.Prepared(ctx, prepared)
		if err != nil {
			return outcomes, err
		}
		give(calls, outcomes, owners, vectors)
	}
	var texts []string
	var owners []int
	for c, call := range calls {
		if outcomes[c].Err == nil {
			own := call.Request.Texts["text"]
			texts, owners = append(texts, own...), append(owners, slices.Repeat([]int{c}, len(own))...)
			outcomes[c].Result.Warnings = e.encoder.Warnings(own)
		}
	}
	vectors, err := e.encoder.Texts(ctx, texts)
	give(calls, outcomes, owners, vectors)
	return outcomes, err
}

// prepare decodes pictures and brings them into the model's form, on as many threads as the model has: this takes a good part of the time.
func (e *endpoint) prepare(calls []sdk.Call, pictures []picture) {
	largest := 1
	for _, p := range pictures {
		largest = max(largest, p.Width*p.Height)
	}
	turns := make(chan struct{}, max(1, min(e.options.Threads, maxPixels/largest)))
	var all sync.WaitGroup
	for i := range pictures {
		p := &pictures[i]
		turns <- struct{}{}
		all.Go(func() {
			defer func() {
				if r := recover(); r != nil { // here, where the SDK does not see it, it would end the process
					p.err = fmt.Errorf("image number %d: the preparation panicked: %v", p.number+1, r)
				}
				<-turns
			}()
			if p.err = calls[p.call].Context.Err(); p.err != nil {
				return
			}
			pixels, err := imaging.Read(p.Data, p.Width*p.Height)
			if err == nil {
				p.prepared, err = e.model.Preprocessor.Apply(pixels)
			}
			if err != nil {
				p.err = sdk.InvalidInput("image", fmt.Sprintf("number %d: %v", p.number+1, err))
			}
		})
	}
	all.Wait()
}

// give appends each vector to its owner's and reports how far every call is.
func give(calls []sdk.Call, outcomes []sdk.Outcome, owners []int, vectors [][]float32) {
	for k, v := range vectors {
		r := &outcomes[owners[k]].Result
		r.Embeddings = append(r.Embeddings, v)
	}
	for c, call := range calls {
		call.Progress.Step(len(outcomes[c].Result.Embeddings), len(call.Request.Images["image"])+len(call.Request.Texts["text"]))
	}
}
