package main

import (
	"maps"
	"math"
	"math/rand/v2"

	"github.com/vision19/vision/sdk/imaging"
)

// rendering is one way in which a miner may answer a request.
type rendering struct {
	kind   string
	honest bool
	block  string // of the configuration: which model, and how it is run
	change func(rng *rand.Rand, r request) (request, bool)
}

// The blocks of every endpoint's plugin: where its model lies, and what else is configured.
var blocks = []struct{ name, models, config string }{
	{"reference", "examples/models", "threads = 1"},
	{"fp16", "examples/models", "threads = 1\n precision = \"fp16\""},
	{"half", "models/half", "threads = 1"},
	{"plain", "examples/models", "threads = 2\n optimization = \"off\""},
	{"merged", "models/merged", "threads = 1"},
	{"int8", "models/int8", "threads = 1"},
}

// reference is the rendering that stands for the request itself.
const reference = "reference"

// renderings is what is rendered of every request. What cheats make of finished pictures is in derive.go.
var renderings = []rendering{
	{reference, true, "reference", same},
	{"fp16", true, "fp16", same},            // half precision between the graphs
	{"half", true, "half", same},            // half precision within them, operation by operation
	{"plain", true, "plain", same},          // two threads, no graph optimisation
	{"int8", false, "int8", oneIn(5, same)}, // neither honest nor a cheat: reported
	{"other-checkpoint", false, "merged", same},
	{"half-steps", false, "reference", steps(0.5)},
	{"three-quarter-steps", false, "reference", oneIn(5, steps(0.75))}, // reported
	{"other-guidance", false, "reference", with("guidance_scale", func(rng *rand.Rand, old any) any {
		if rng.IntN(2) == 0 {
			return 1.0 // without guidance a step costs half
		}
		return old.(float64) * pick(rng, 0.5, 1.8)
	})},
	{"other-seed", false, "reference", with("seed", func(rng *rand.Rand, _ any) any { return int64(rng.Uint32()) })},
	{"other-prompt", false, "reference", otherPrompt},
	{"low-res", false, "reference", lowRes},
}

func same(_ *rand.Rand, r request) (request, bool) { return r, true }

// oneIn renders only one in so many requests.
func oneIn(n int, change func(*rand.Rand, request) (request, bool)) func(*rand.Rand, request) (request, bool) {
	return func(rng *rand.Rand, r request) (request, bool) {
		if r.Number%n != 0 {
			return r, false
		}
		return change(rng, r)
	}
}

// with is the request with another value of one parameter.
func with(name string, change func(rng *rand.Rand, old any) any) func(*rand.Rand, request) (request, bool) {
	return func(rng *rand.Rand, r request) (request, bool) {
		r.Parameters = maps.Clone(r.Parameters)
		r.Parameters[name] = change(rng, r.Parameters[name])
		return r, true
	}
}

// steps is the request with fewer denoising steps.
func steps(share float64) func(*rand.Rand, request) (request, bool) {
	return with("steps", func(_ *rand.Rand, old any) any { return math.Max(1, math.Floor(old.(float64)*share)) })
}

// otherPrompt is the request with the prompt of the next.
func otherPrompt(_ *rand.Rand, r request) (request, bool) {
	before := r.Parameters["prompt"]
	r.Parameters = maps.Clone(r.Parameters)
	r.Parameters["prompt"] = r.other
	return r, r.other != before
}

// lowRes is the request at half the size; what must be left unchanged of an input cannot be served so.
func lowRes(_ *rand.Rand, r request) (request, bool) {
	if r.Endpoint == "inpaint" || r.Endpoint == "uncrop" {
		return r, false
	}
	before := r.Parameters
	r.Parameters, r.Images = maps.Clone(r.Parameters), maps.Clone(r.Images)
	for _, name := range []string{"width", "height"} {
		if v, ok := r.Parameters[name]; ok {
			r.Parameters[name] = max(64, math.Floor(v.(float64)/16)*8)
		}
	}
	for name, p := range r.Images {
		r.Images[name] = p.Resize(max(32, p.Width/2), max(32, p.Height/2), imaging.Lanczos)
	}
	_, sized := r.Parameters["width"]
	return r, !sized || r.Parameters["width"] != before["width"] || r.Parameters["height"] != before["height"]
}
