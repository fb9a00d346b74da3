package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/vision19/vision/sdk/imaging"
)

// request is one request as an honest miner gets it.
type request struct {
	Endpoint   string
	Number     int
	Parameters map[string]any            // numbers are float64
	Images     map[string]imaging.Pixels // inputs by name
	other      string                    // the prompt of another request
}

// shares are how many of the requests go to an endpoint: half paint from nothing, the rest begin with a picture.
var shares = []struct {
	endpoint string
	tenths   float64
}{{"text-to-image", 5}, {"image-to-image", 1.7}, {"inpaint", 1.3}, {"scribble", 1}, {"uncrop", 1}}

// split numbers the requests of each endpoint.
func split(n int) (out []request) {
	for _, s := range shares {
		for i := range int(math.Round(float64(n) * s.tenths / 10)) {
			out = append(out, request{Endpoint: s.endpoint, Number: i})
		}
	}
	return out
}

// randomness is the source of one request.
func randomness(o options, r request, purpose string) *rand.Rand {
	h := uint64(14695981039346656037) // FNV-1a
	for _, b := range []byte(r.Endpoint + "/" + purpose) {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return rand.New(rand.NewPCG(o.seed^h, uint64(r.Number)))
}

func pick[T any](rng *rand.Rand, from ...T) T { return from[rng.IntN(len(from))] }

// synthesise has `vision synth` make up what a validator sends to each endpoint, and one request more, whose prompt is another one for the last.
func synthesise(ctx context.Context, o options) error {
	for i, s := range shares {
		count, seed := 1, o.seed<<8+uint64(i)
		for _, r := range split(o.requests) {
			if r.Endpoint == s.endpoint {
				count++
			}
		}
		c := exec.CommandContext(ctx, "bin/vision", "synth", "--seed", strconv.FormatUint(seed, 10), "--count", strconv.Itoa(count), "--out", o.bodies(s.endpoint), s.endpoint)
		c.Stderr = os.Stderr
		if err := c.Run(); err != nil {
			return fmt.Errorf("bin/vision synth %s: %w; `make` builds it", s.endpoint, err)
		}
	}
	return nil
}

// bodies is where the requests to an endpoint lie.
func (o options) bodies(endpoint string) string { return filepath.Join(o.work, "requests", endpoint) }

// body reads one of the requests that were made up.
func body(o options, r request) (map[string]any, error) {
	data, err := os.ReadFile(filepath.Join(o.bodies(r.Endpoint), fmt.Sprintf("%03d.json", r.Number+1)))
	if err != nil {
		return nil, err
	}
	var out map[string]any
	return out, json.Unmarshal(data, &out)
}

// fill reads a request and the prompt of the next. Its pictures are made smaller, so that rendering takes an hour and not four.
func (r request) fill(o options) (request, error) {
	next, err := body(o, request{Endpoint: r.Endpoint, Number: r.Number + 1})
	if err != nil {
		return r, err
	}
	r.other, _ = next["prompt"].(string)
	if r.Parameters, err = body(o, r); err != nil {
		return r, err
	}
	r.Images = map[string]imaging.Pixels{}
	for _, name := range []string{"image", "mask"} {
		text, ok := r.Parameters[name].(string)
		if !ok {
			continue
		}
		delete(r.Parameters, name)
		data, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return r, err
		}
		p, err := imaging.Read(data, imaging.MaxSide*64)
		if err != nil {
			return r, err
		}
		filter := imaging.Lanczos
		if name == "mask" { // which has no gray
			filter = imaging.Nearest
		}
		r.Images[name] = p.Resize(smaller(p.Width), smaller(p.Height), filter)
	}
	return r, nil
}

// smaller is half a side, 64 to 128 px.
func smaller(side int) int { return max(64, min(128, side/2)) }
