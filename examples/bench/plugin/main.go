// Command plugin is the bench's workload as a plugin.
package main

import (
	"context"

	"github.com/vision19/vision/examples/bench/workload"
	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/schema"
)

func main() { sdk.Serve(&endpoint{}) }

type endpoint struct {
	model  string
	runner *workload.Runner
}

// Describe implements sdk.Endpoint.
func (e *endpoint) Describe() sdk.Description {
	return sdk.Description{
		Endpoint: "bench", Title: "Bench", Doc: "Runs the bench's model.", Version: sdk.Version,
		Output:       sdk.Output{Kind: sdk.ImageOutput, MediaType: sdk.RawRGB},
		Config:       schema.Schema{{Name: "model", Type: schema.String, Format: schema.FormatPath, Required: true, Doc: "A model of the bench."}},
		MemoryBytes:  256 << 20,
		Capabilities: sdk.Capabilities{MaxConcurrency: 1, Deterministic: true},
	}
}

// Configure implements sdk.Endpoint.
func (e *endpoint) Configure(_ context.Context, c sdk.Config) (sdk.Description, error) {
	e.model = c.Values.String("model")
	return e.Describe(), nil
}

// Load implements sdk.Endpoint.
func (e *endpoint) Load(context.Context, sdk.LoadProgress) (err error) {
	e.runner, err = workload.Load(e.model)
	return err
}

// Infer implements sdk.Endpoint.
func (e *endpoint) Infer(ctx context.Context, _ sdk.Request, _ sdk.Progress) (sdk.Result, error) {
	pixels, err := e.runner.Run(ctx)
	return sdk.Result{Images: []sdk.Image{{MediaType: sdk.RawRGB, Width: workload.Side, Height: workload.Side, Data: pixels}}}, err
}

// Close implements sdk.Endpoint.
func (e *endpoint) Close() error { return nil }
