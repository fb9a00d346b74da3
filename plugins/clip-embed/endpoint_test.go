package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/imaging"
	"github.com/vision19/vision/sdk/onnx"
)

// steps records how far a call has come.
type steps struct{ done []int }

func (s *steps) Step(done, total int) { s.done = append(s.done, done) }
func (s *steps) WantsPreview() bool   { return false }
func (s *steps) Preview(sdk.Image)    {}

// ready is the endpoint with the bundled model.
func ready(t *testing.T, threads int) (*endpoint, sdk.Description) {
	t.Helper()
	if _, err := onnx.Find(); err != nil {
		t.Skip("skipped, run make first:", err)
	}
	model, err := filepath.Abs("../../examples/models/tiny-clip")
	if err != nil {
		t.Fatal(err)
	}
	e := &endpoint{}
	values, faults := e.Describe().Config.Validate(map[string]any{"model": model})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	d, err := e.Configure(t.Context(), sdk.Config{Values: values, Device: sdk.Device{Name: "cpu0", Kind: "cpu", Threads: threads}})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Load(t.Context(), func(float64, string) {}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e, d
}

// request has so many pictures and texts, which differ from those of another number.
func request(t *testing.T, number, images, texts int) sdk.Request {
	t.Helper()
	r := sdk.Request{ID: fmt.Sprint(number), Texts: map[string][]string{}, Images: map[string][]sdk.Image{}}
	for i := range images {
		p := imaging.Flat(20+number, 16, byte(40*number), byte(20*i), 200)
		for k := range len(p.Pix) / 2 {
			p.Pix[k] = byte(k * (number + i + 1))
		}
		data, err := p.PNG()
		if err != nil {
			t.Fatal(err)
		}
		r.Images["image"] = append(r.Images["image"], sdk.Image{MediaType: sdk.PNG, Width: p.Width, Height: p.Height, Data: data})
	}
	for i := range texts {
		r.Texts["text"] = append(r.Texts["text"], strings.Repeat("a red circle ", number+i)+"on a blue background")
	}
	return r
}

func batch(t *testing.T, requests ...sdk.Request) []sdk.Call {
	var calls []sdk.Call
	for _, r := range requests {
		calls = append(calls, sdk.Call{Context: t.Context(), Request: r, Progress: &steps{}})
	}
	return calls
}

// differ is the largest difference between the numbers of two results.
func differ(a, b sdk.Result) float64 {
	if len(a.Embeddings) != len(b.Embeddings) {
		return math.Inf(1)
	}
	most := 0.0
	for i, v := range a.Embeddings {
		for k := range v {
			most = max(most, math.Abs(float64(v[k]-b.Embeddings[i][k])))
		}
	}
	return most
}

func TestInferBatch_gives_each_call_what_Infer_would(t *testing.T) {
	e, d := ready(t, 2)
	if d.Capabilities.MaxBatch != maxBatch || d.Check() != nil {
		t.Errorf("batches of %d, %v", d.Capabilities.MaxBatch, d.Check())
	}
	odd := request(t, 6, 0, 2)
	odd.Texts["text"][1] = "a zyxwvq"
	calls := batch(t, request(t, 0, 1, 0), request(t, 1, 0, 1), request(t, 2, 17, 3), request(t, 3, 2, 0), request(t, 4, 1, 20), request(t, 5, 3, 1), odd)
	for i, got := range e.InferBatch(t.Context(), calls) {
		r := calls[i].Request
		want, err := e.Infer(t.Context(), r, &steps{})
		if err != nil || got.Err != nil {
			t.Fatal(err, got.Err)
		}
		if by := differ(got.Result, want); !(by <= 1e-6) {
			t.Errorf("call %d differs by %g", i, by)
		}
		if fmt.Sprint(got.Result.Warnings) != fmt.Sprint(want.Warnings) {
			t.Errorf("call %d warns of %q, alone of %q", i, got.Result.Warnings, want.Warnings)
		}
		if err := d.CheckResult(r, got.Result); err != nil {
			t.Errorf("call %d: %v", i, err)
		}
		total := len(r.Images["image"]) + len(r.Texts["text"])
		if done := calls[i].Progress.(*steps).done; len(done) == 0 || done[len(done)-1] != total {
			t.Errorf("call %d reports %v of %d", i, done, total)
		}
		for k := range i {
			if differ(got.Result, e.InferBatch(t.Context(), calls[k:k+1])[0].Result) < 1e-3 {
				t.Errorf("calls %d and %d are alike: the test tests nothing", i, k)
			}
		}
	}
}

func TestInferBatch_a_call_that_fails_leaves_the_others_alone(t *testing.T) {
	e, _ := ready(t, 1)
	broken, over := request(t, 1, 3, 1), request(t, 2, 2, 2)
	cut := &broken.Images["image"][1]
	cut.Data = cut.Data[:len(cut.Data)/2]
	calls := batch(t, request(t, 0, 1, 1), broken, over, request(t, 3, 1, 1))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	calls[2].Context = ctx
	got := e.InferBatch(t.Context(), calls)
	if err := got[1].Err; !errors.Is(err, sdk.ErrInvalidInput) || sdk.AsError(err).Param != "image" || !strings.Contains(err.Error(), "number 2") {
		t.Error(err)
	}
	if !errors.Is(got[2].Err, context.Canceled) {
		t.Error(got[2].Err)
	}
	for _, i := range []int{0, 3} {
		want, err := e.Infer(t.Context(), calls[i].Request, &steps{})
		if by := differ(got[i].Result, want); err != nil || got[i].Err != nil || !(by <= 1e-6) {
			t.Errorf("call %d differs by %g, %v, %v", i, by, got[i].Err, err)
		}
	}
}

func TestInferBatch_what_overcomes_the_model_fails_alone(t *testing.T) {
	e, _ := ready(t, 1)
	e.model.Preprocessor.Scale = 1e38 // beyond what the model computes with, but for black
	black, err := imaging.Flat(16, 16, 0, 0, 0).PNG()
	if err != nil {
		t.Fatal(err)
	}
	good := sdk.Request{Images: map[string][]sdk.Image{"image": {{MediaType: sdk.PNG, Width: 16, Height: 16, Data: black}}}}
	got := e.InferBatch(t.Context(), batch(t, request(t, 1, 1, 0), good))
	if got[0].Err == nil || got[1].Err != nil || len(got[1].Result.Embeddings) != 1 {
		t.Errorf("%v, %v", got[0].Err, got[1].Err)
	}
}

func TestInferBatch_ends_with_its_context(t *testing.T) {
	e, _ := ready(t, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	calls := batch(t, request(t, 0, 1, 1), request(t, 1, 0, 1))
	for i := range calls {
		calls[i].Context = ctx
	}
	for i, got := range e.InferBatch(ctx, calls) {
		if !errors.Is(got.Err, context.Canceled) {
			t.Errorf("call %d: %v", i, got.Err)
		}
	}
}
