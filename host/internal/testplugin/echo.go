package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/schema"
)

// echo answers with a raw picture of one colour, its seed's low byte.
type echo struct {
	config sdk.Config
}

// Describe implements sdk.Endpoint.
func (e *echo) Describe() sdk.Description {
	return sdk.Description{
		Endpoint: "echo", Title: "Echo", Doc: "Answers with a picture of one colour.", Version: "1.0.0",
		Inputs: []sdk.Input{
			{Name: "prompt", Kind: sdk.TextInput, Required: true, Doc: "A text, or fault:NAME."},
			{Name: "image", Kind: sdk.ImageInput, MaxCount: 4, MaxPixels: 1 << 28, Doc: "Ignored."},
		},
		Parameters: schema.Schema{
			{Name: "width", Type: schema.Int, Min: schema.Bound(8), Max: schema.Bound(2048), MultipleOf: 8, Default: int64(64), Doc: "Width in px."},
			{Name: "height", Type: schema.Int, Min: schema.Bound(8), Max: schema.Bound(2048), MultipleOf: 8, Default: int64(64), Doc: "Height in px."},
			{Name: "seed", Type: schema.Int, Min: schema.Bound(0), Max: schema.Bound(1<<32 - 1), Random: true, Doc: "Seed."},
			{Name: "steps", Type: schema.Int, Min: schema.Bound(1), Max: schema.Bound(1000), Default: int64(1), Doc: "Steps."},
			{Name: "step_ms", Type: schema.Int, Min: schema.Bound(0), Max: schema.Bound(60000), Default: int64(0), Doc: "Duration of a step."},
		},
		Output: sdk.Output{
			Kind: sdk.ImageOutput, MediaType: sdk.RawRGB, MaxBytes: 2048 * 2048 * 3,
			Width: sdk.Extent{Parameter: "width"}, Height: sdk.Extent{Parameter: "height"},
		},
		Config: schema.Schema{
			{Name: "load_ms", Type: schema.Int, Min: schema.Bound(0), Max: schema.Bound(60000), Default: int64(0), Doc: "Duration of the loading."},
			{Name: "model", Type: schema.String, Format: schema.FormatPath, Default: "", Doc: "A folder; nothing is read from it."},
			{Name: "fault", Type: schema.String, Default: "", Doc: "configure, load, load-allocate, broken: exit at the load while the model folder has a file of that name."},
			{Name: "concurrency", Type: schema.Int, Min: schema.Bound(1), Max: schema.Bound(256), Default: int64(4), Doc: "Requests at once."},
		},
		MemoryBytes:  16 << 20,
		Capabilities: sdk.Capabilities{MaxConcurrency: 4, Progress: true, Cancellation: true, Deterministic: true},
	}
}

// Configure implements sdk.Endpoint.
func (e *echo) Configure(_ context.Context, config sdk.Config) (sdk.Description, error) {
	e.config = config
	d := e.Describe()
	d.Capabilities.MaxConcurrency = int(config.Values.Int("concurrency"))
	if config.Values.String("fault") == "configure" {
		return d, sdk.InvalidInput("model", "has no model_index.json")
	}
	return d, nil
}

// Load implements sdk.Endpoint.
func (e *echo) Load(ctx context.Context, progress sdk.LoadProgress) error {
	switch e.config.Values.String("fault") {
	case "load":
		return sdk.NewError(sdk.CodeOutOfMemory, "the model does not fit", nil)
	case "load-allocate":
		allocate()
	case "broken":
		if _, err := os.Stat(filepath.Join(e.config.Values.String("model"), "broken")); err == nil {
			fmt.Fprintln(os.Stderr, "the model is broken")
			os.Exit(3)
		}
	}
	progress(0.5, "half")
	return wait(ctx, time.Duration(e.config.Values.Int("load_ms"))*time.Millisecond)
}

// Infer implements sdk.Endpoint.
func (e *echo) Infer(ctx context.Context, r sdk.Request, progress sdk.Progress) (sdk.Result, error) {
	steps := int(r.Values.Int("steps"))
	for k := range steps {
		if err := wait(ctx, time.Duration(r.Values.Int("step_ms"))*time.Millisecond); err != nil {
			return sdk.Result{}, err
		}
		progress.Step(k+1, steps)
	}
	w, h := int(r.Values.Int("width")), int(r.Values.Int("height"))
	data := bytes.Repeat([]byte{byte(r.Values.Int("seed"))}, w*h*3)
	result := sdk.Result{Images: []sdk.Image{{MediaType: sdk.RawRGB, Width: w, Height: h, Data: data}}}
	if name, ok := strings.CutPrefix(r.Text("prompt"), "fault:"); ok {
		return fault(name, result)
	}
	return result, nil
}

// Close implements sdk.Endpoint.
func (e *echo) Close() error {
	slog.Info("closed")
	return nil
}

func wait(ctx context.Context, d time.Duration) error {
	if d == 0 {
		return ctx.Err()
	}
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fault breaks one request.
func fault(name string, good sdk.Result) (sdk.Result, error) {
	if what, argument, ok := strings.Cut(name, ":"); ok {
		return probe(what, argument, good)
	}
	switch name {
	case "panic":
		panic("index out of range")
	case "goroutine-panic":
		go func() { panic("in a goroutine of its own") }()
		time.Sleep(time.Minute)
	case "exit":
		fmt.Fprintln(os.Stderr, "CUDA error 700: an illegal memory access was encountered")
		os.Exit(7)
	case "bad-log":
		// Descriptor 2 itself: go-plugin has put a pipe in the place of os.Stderr.
		_, _ = syscall.Write(2, []byte(`{"@message": 5, "@level": ["x"], "@timestamp": {}}`+"\n"))
	case "long-lines":
		line := strings.Repeat("x", 70<<10) + "\n"
		for range 40 {
			_, _ = syscall.Write(1, []byte(line))
			_, _ = syscall.Write(2, []byte(line))
			fmt.Print(line)
		}
	case "slog":
		slog.Error("from slog", "answer", 42)
	case "hold-pipes":
		hold()
	case "stop":
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		select {} // the signal may take a moment to reach every thread
	case "hang":
		select {}
	case "allocate":
		allocate()
	case "flood":
		line := []byte(strings.Repeat("out of luck ", 80) + "\n")
		for end := time.Now().Add(500 * time.Millisecond); time.Now().Before(end); {
			_, _ = syscall.Write(2, line)
		}
	case "wrong-size":
		good.Images[0].Width += 8
	case "wrong-bytes":
		good.Images[0].Data = good.Images[0].Data[1:]
	case "huge":
		good.Images[0].Data = make([]byte, 64<<20)
	case "huge-text":
		good.Warnings = []string{strings.Repeat("x", 80<<20)}
	case "broken-text":
		good.Warnings = []string{"\xff\xfe"}
	case "no-image":
		good.Images = nil
	case "embedding":
		good.Embeddings = [][]float32{{1}}
	case "out-of-memory":
		return good, sdk.NewError(sdk.CodeOutOfMemory, "Failed to allocate memory", nil)
	case "invalid":
		return good, sdk.InvalidInput("steps", "is too small for this scheduler")
	case "unsafe":
		return good, sdk.NewError(sdk.CodeUnsafe, "the content is unsafe", nil)
	case "unavailable":
		return good, sdk.NewError(sdk.CodeUnavailable, "a server of its own is down", nil)
	case "busy":
		return good, &sdk.Error{Code: sdk.CodeBusy, Message: "warming up", RetryAfter: 3 * time.Second}
	case "error":
		return good, errors.New("cuDNN failed")
	case "environ":
		return good, errors.New(strings.Join(os.Environ(), "\n"))
	}
	return good, nil
}
