package onnx

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const tiny = "../../examples/models/tiny"

// library skips a test where ONNX Runtime's library is not there.
func library(t testing.TB) {
	t.Helper()
	if _, err := Find(); err != nil {
		t.Skip("skipped, run make first:", err)
	}
	if err := Open(); err != nil {
		t.Fatal(err)
	}
}

func TestHalf_every_value_survives_the_round_trip(t *testing.T) {
	for h := range 1 << 16 {
		f := halfToFloat(uint16(h))
		if got := floatToHalf(f); got != uint16(h) && f == f {
			t.Fatalf("%04x is %g is %04x", h, f, got)
		}
		if f != f && floatToHalf(f)&0x7e00 != 0x7e00 {
			t.Fatalf("%04x is no NaN any more", h)
		}
	}
}

func TestHalf_rounds_to_nearest_even(t *testing.T) {
	for in, want := range map[float32]uint16{
		1: 0x3c00, -2: 0xc000, 65504: 0x7bff, 65520: 0x7c00, 65519: 0x7bff, 1e9: 0x7c00, 5.9604645e-8: 1, 2.9802322e-8: 0, 2.98023259e-8: 1,
		1 + 1.0/2048: 0x3c00, 1 + 3.0/2048: 0x3c02, float32(math.Inf(-1)): 0xfc00, 6.1035156e-5: 0x0400,
	} {
		if got := floatToHalf(in); got != want {
			t.Errorf("%g is %04x, want %04x", in, got, want)
		}
	}
}

func TestFind_names_the_cure(t *testing.T) {
	t.Setenv(EnvLibrary, "/nowhere/libonnxruntime.so")
	if _, err := Find(); !errors.Is(err, ErrLibrary) || !strings.Contains(err.Error(), EnvLibrary) {
		t.Error(err)
	}
	t.Setenv(EnvLibrary, "")
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	if _, err := Find(); !errors.Is(err, ErrLibrary) || !strings.Contains(err.Error(), "make onnxruntime") {
		t.Error(err)
	}
}

func TestSession_runs_and_tells_its_inputs(t *testing.T) {
	library(t)
	path := filepath.Join(t.TempDir(), "identity.onnx")
	if err := os.WriteFile(path, identityModel(), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Load(path, Options{Threads: 1, Optimization: "off"})
	if err != nil {
		t.Fatal(err)
	}
	if in, ok := s.Input("x"); !ok || len(in.Shape) != 1 || in.Half() {
		t.Errorf("%+v", s.Inputs())
	}
	var group sync.WaitGroup
	for i := range 32 {
		group.Go(func() {
			out, err := s.Run(t.Context(), map[string]Tensor{"x": NewFloats([]float32{float32(i)}, 1)}, nil)
			if err != nil || out["y"].Floats[0] != float32(i) {
				t.Errorf("%v %v", out, err)
			}
		})
	}
	group.Wait()
	for name, in := range map[string]map[string]Tensor{
		"missing":     {},
		"wrong count": {"x": NewFloats([]float32{1, 2}, 1)},
		"wrong shape": {"x": NewFloats([]float32{1, 2}, 2)},
	} {
		if _, err := s.Run(t.Context(), in, nil); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Error(err)
	}
	if _, err := s.Run(t.Context(), map[string]Tensor{"x": NewFloats([]float32{1}, 1)}, nil); err == nil {
		t.Error("runs after Close")
	}
}

func TestLoad_refuses_what_is_no_model(t *testing.T) {
	library(t)
	path := filepath.Join(t.TempDir(), "broken.onnx")
	if err := os.WriteFile(path, []byte("no model"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, o := range []Options{{}, {Provider: "abacus"}, {Optimization: "most"}} {
		if _, err := Load(path, o); err == nil {
			t.Errorf("%+v is loaded", o)
		}
	}
	if _, err := Load("/nowhere.onnx", Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func TestRun_ends_soon_after_its_context(t *testing.T) {
	library(t)
	const side, products = 768, 300 // a run of seconds
	var nodes []byte
	for i := range products {
		nodes = append(nodes, node("MatMul", "x"+strconv.Itoa(i+1), []string{"x" + strconv.Itoa(i), "w"})...)
	}
	weights := sub(5, tensor("w", kFloat, []int{side, side}, raw(make([]byte, 4*side*side))))
	s := load(t, modelOf(nodes, weights, input("x0", kFloat, side, side), output("x"+strconv.Itoa(products), kFloat, side, side)), Options{})
	inputs := map[string]Tensor{"x0": NewFloats(make([]float32, side*side), side, side)}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := s.Run(ctx, inputs, nil)
		ended <- err
	}()
	select {
	case err := <-ended:
		t.Fatalf("the run was over before it could be cancelled: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := s.Run(ctx, inputs, nil); !errors.Is(err, context.Canceled) {
		t.Error("runs with a context that has ended")
	}
}

func TestProbe_tells_which_providers_work(t *testing.T) {
	library(t)
	if err := Probe(t.Context(), "cpu"); err != nil {
		t.Error(err)
	}
	if err := Probe(t.Context(), "abacus"); err == nil || !strings.Contains(err.Error(), "webgpu") {
		t.Error(err)
	}
	for _, provider := range []string{"cuda", "tensorrt", "webgpu"} {
		if err := Probe(t.Context(), provider); err != nil && !strings.Contains(err.Error(), EnvLibrary) {
			t.Errorf("%s: %v", provider, err)
		}
	}
}
