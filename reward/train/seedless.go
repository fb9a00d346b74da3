package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"

	"github.com/vision19/vision/reward/compare"
	"github.com/vision19/vision/reward/rows"
	"github.com/vision19/vision/sdk/imaging"
)

// The endpoints without a seed: upscaled pictures are compared strictly, embeddings by their cosine.

// seedlessBlocks are the ways to run them; tiles are what a miner with little memory chooses.
var seedlessBlocks = []struct{ endpoint, name, models, config string }{
	{"upscale", "reference", "examples/models", ""},
	{"upscale", "plain", "examples/models", "threads = 2\n optimization = \"off\""},
	{"upscale", "half", "models/half", ""},
	{"upscale", "tile", "examples/models", "tile = 64"},
	{"upscale", "int8", "models/int8", ""},
	{"clip-embed", "reference", "examples/models", ""},
	{"clip-embed", "plain", "examples/models", "threads = 2\n optimization = \"off\""},
	{"clip-embed", "half", "models/half", ""},
	{"clip-embed", "int8", "models/int8", ""},
}

// perturbed differs from a picture by the smallest step in two pixels, as a validator makes requests unique.
func perturbed(rng *rand.Rand, p imaging.Pixels) imaging.Pixels {
	out := imaging.Pixels{Width: p.Width, Height: p.Height, Channels: p.Channels, Pix: append([]byte(nil), p.Pix...)}
	for range 2 {
		i := rng.IntN(len(out.Pix))
		if out.Pix[i] == 255 {
			out.Pix[i]--
		} else {
			out.Pix[i]++
		}
	}
	return out
}

// seedless renders and pairs, in one go: neither takes long. The pictures are those of text-to-image.
func seedless(ctx context.Context, o options) error {
	pictures := paintings(o)
	if len(pictures) < 2 {
		return errors.New("fewer than two pictures of text-to-image have been rendered")
	}
	h, err := startHost(ctx, o)
	if err != nil {
		return err
	}
	defer h.stop()
	n := max(10, o.requests/5)
	numbers := make([]int, n)
	for i := range numbers {
		numbers[i] = i
	}
	var strict, embedding collection
	done := newProgress("seedless", n)
	err = each(ctx, o.workers, numbers, func(i int) error {
		defer done.step()
		rng := randomness(o, request{Endpoint: "seedless", Number: i}, "request")
		input, other := pictures[i%len(pictures)], pictures[(i+1)%len(pictures)]
		more, err := upscaled(ctx, h, rng, i, input, other)
		if err != nil {
			return fmt.Errorf("upscale %d: %w", i, err)
		}
		strict.add(more...)
		if more, err = embedded(ctx, h, rng, i, input, other); err != nil {
			return fmt.Errorf("clip-embed %d: %w", i, err)
		}
		embedding.add(more...)
		return nil
	})
	if err != nil {
		return err
	}
	if err := strict.write(o.work, compare.Strict); err != nil {
		return err
	}
	return embedding.write(o.work, compare.Embedding)
}

// paintings are the finished pictures of text-to-image, without those of one colour: whatever is done to these, they stay the same.
func paintings(o options) (out []imaging.Pixels) {
	for _, r := range split(o.requests) {
		if r.Endpoint != shares[0].endpoint {
			continue
		}
		if p, err := load(filepath.Join(o.folder(r), reference+".png")); err == nil && !plain(p) { // the safety check may have refused it
			out = append(out, p)
		}
	}
	return out
}

// plain tells whether every channel stays within a few steps.
func plain(p imaging.Pixels) bool {
	const steps = 8
	low, high := [3]byte{255, 255, 255}, [3]byte{}
	for i, v := range p.Pix {
		low[i%3], high[i%3] = min(low[i%3], v), max(high[i%3], v)
	}
	return high[0]-low[0] <= steps && high[1]-low[1] <= steps && high[2]-low[2] <= steps
}

// upscaled makes the rows of one picture that is to be enlarged.
func upscaled(ctx context.Context, h *host, rng *rand.Rand, number int, input, other imaging.Pixels) ([]rows.Row, error) {
	scale := pick(rng, 2, 4)
	sent := perturbed(rng, input)
	ask := func(block string, p imaging.Pixels, scale int) (imaging.Pixels, error) {
		data, err := h.ask(ctx, block, request{Endpoint: "upscale", Parameters: map[string]any{"scale": scale}, Images: map[string]imaging.Pixels{"image": p}})
		if err != nil {
			return imaging.Pixels{}, err
		}
		out, err := imaging.Read(data, compare.MaxPixels)
		return out.RGB(), err
	}
	var answers []answer
	add := func(kind string, label rows.Label, p imaging.Pixels, err error) error {
		if err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
		picture, err := compare.NewPicture(p, nil)
		answers = append(answers, answer{kind, label, p, picture})
		return err
	}
	for _, b := range []struct {
		block string
		label rows.Label
	}{{"reference", rows.Honest}, {"plain", rows.Honest}, {"half", rows.Honest}, {"tile", rows.Honest}, {"int8", rows.Reported}} {
		p, err := ask(b.block, sent, scale)
		if err := add(b.block, b.label, p, err); err != nil {
			return nil, err
		}
	}
	original := answers[0].pixels
	low, err := ask("reference", sent.Resize(max(1, sent.Width/2), max(1, sent.Height/2), imaging.Lanczos), scale)
	if err := add("low-res", rows.Cheat, low.Resize(original.Width, original.Height, imaging.Bicubic), err); err != nil {
		return nil, err
	}
	otherScale, err := ask("reference", sent, 6-scale)
	if err := add("other-scale", rows.Cheat, otherScale.Resize(original.Width, original.Height, imaging.Bicubic), err); err != nil {
		return nil, err
	}
	replayed, err := ask("reference", perturbed(rng, input), scale)
	if err := add("replayed", rows.Reported, replayed, err); err != nil {
		return nil, err
	}
	otherInput, err := ask("reference", other.Resize(sent.Width, sent.Height, imaging.Bicubic), scale)
	if err := add("other-input", rows.Cheat, otherInput, err); err != nil {
		return nil, err
	}
	for _, x := range []answer{
		{kind: "bicubic", pixels: sent.Resize(original.Width, original.Height, imaging.Bicubic)},
		{kind: "lanczos", pixels: sent.Resize(original.Width, original.Height, imaging.Lanczos)},
		{kind: "cropped", pixels: cropped(rng, original)},
		{kind: "edited", pixels: edited(rng, original)},
		{kind: "blended", pixels: blended(original, sent, 0.5)}, // with the cheap enlargement
	} {
		if err := add(x.kind, rows.Cheat, x.pixels, nil); err != nil {
			return nil, err
		}
	}
	return pairs(number, rows.HeldOut(strconv.Itoa(number)), 1, answers)
}

// embedded makes the rows of one picture that is to be embedded: their only feature is the cosine's distance from 1.
func embedded(ctx context.Context, h *host, rng *rand.Rand, number int, input, other imaging.Pixels) ([]rows.Row, error) {
	sent := perturbed(rng, input)
	type vector struct {
		kind  string
		label rows.Label
		v     []float32
	}
	var all []vector
	for _, x := range []struct {
		kind, block string
		label       rows.Label
		pixels      imaging.Pixels
	}{
		{reference, "reference", rows.Honest, sent}, {"plain", "plain", rows.Honest, sent}, {"half", "half", rows.Honest, sent}, {"int8", "int8", rows.Reported, sent},
		{"low-res", "reference", rows.Cheat, sent.Resize(max(1, sent.Width/4), max(1, sent.Height/4), imaging.Lanczos)},
		{"replayed", "reference", rows.Reported, perturbed(rng, input)}, {"other-input", "reference", rows.Cheat, other}, {"cropped", "reference", rows.Cheat, cropped(rng, sent)},
		{"edited", "reference", rows.Cheat, edited(rng, sent)}, {"blended", "reference", rows.Cheat, blended(sent, other, 0.2)},
	} {
		v, err := h.embed(ctx, "clip-embed-"+x.block, []imaging.Pixels{x.pixels})
		if err != nil {
			return nil, err
		}
		all = append(all, vector{x.kind, x.label, v[0]})
	}
	var out []rows.Row
	for i, a := range all {
		for _, b := range all[i+1:] {
			if a.label == rows.Honest {
				f := make([]float64, len(compare.Names()))
				f[len(f)-1] = 1 - compare.Cosine(a.v, b.v)
				out = append(out, rows.Row{Request: number, HeldOut: rows.HeldOut(strconv.Itoa(number)), Kind: b.kind, Label: b.label, Features: f})
			}
		}
	}
	return out, nil
}
