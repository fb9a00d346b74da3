package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"

	"github.com/vision19/vision/reward/compare"
	"github.com/vision19/vision/reward/rows"
	"github.com/vision19/vision/sdk/imaging"
)

// answer is one picture that a miner may send.
type answer struct {
	kind   string
	label  rows.Label
	pixels imaging.Pixels
	*compare.Picture
}

// pair compares every honest answer to a request with every other answer to it.
func pair(ctx context.Context, o options) error {
	h, err := startHost(ctx, o)
	if err != nil {
		return err
	}
	defer h.stop()
	cache, err := newCache(ctx, o, h)
	if err != nil {
		return err
	}
	all := split(o.requests)
	numbers := make([]int, len(all))
	for i := range numbers {
		numbers[i] = i
	}
	var image collection
	done := newProgress("pair", len(all))
	err = each(ctx, o.workers, numbers, func(i int) error {
		defer done.step()
		more, err := pairOne(ctx, o, h, cache, i, all[i])
		image.add(more...)
		return err
	})
	if err != nil {
		return err
	}
	tellSame(image.all)
	return image.write(o.work, compare.Image)
}

// pairOne makes the rows of one request; of one that was refused there are none.
func pairOne(ctx context.Context, o options, h *host, cache *cache, number int, r request) ([]rows.Row, error) {
	answers, r, err := answersTo(o, cache, number, r)
	if err != nil || answers == nil {
		return nil, err
	}
	if err := embed(ctx, h, answers); err != nil {
		return nil, fmt.Errorf("%s %d: %w", r.Endpoint, r.Number, err)
	}
	prompt, _ := r.Parameters["prompt"].(string)
	painted := 1.0
	if mask, ok := r.Images["mask"]; ok {
		painted = compare.Marked(mask)
	}
	return pairs(number, rows.HeldOut(prompt), painted, answers)
}

// pairs compares the answers to one request.
func pairs(number int, held bool, painted float64, answers []answer) (out []rows.Row, err error) {
	for i, a := range answers {
		if a.label != rows.Honest {
			continue
		}
		for _, b := range answers[i+1:] {
			if !held && (rows.Unseen(a.kind) || rows.Unseen(b.kind)) {
				continue // whoever it is compared with
			}
			f, err := compare.Features(a.Picture, b.Picture, painted)
			if err != nil {
				return nil, fmt.Errorf("%s and %s: %w", a.kind, b.kind, err)
			}
			kind := b.kind
			if b.label == rows.Honest {
				i := slices.IndexFunc(noises, func(n string) bool { return n == a.kind || n == b.kind })
				kind = noises[i]
			}
			out = append(out, rows.Row{Request: number, HeldOut: held, Kind: kind, Label: b.label, Features: f})
		}
	}
	return out, nil
}

// lossless is a picture that was written anew without loss.
const lossless = "lossless"

// noises are the kinds of honest answers, besides the reference. The first that has part in a pair names it.
var noises = []string{rows.Emulated, "plain", "tile", "fp16", lossless}

// answersTo collects the answers to a request, the honest ones first, and fills it; nil when the safety check refused it.
func answersTo(o options, cache *cache, number int, r request) (out []answer, filled request, err error) {
	dir := o.folder(r)
	state, err := os.ReadFile(filepath.Join(dir, "done"))
	if err != nil {
		return nil, r, fmt.Errorf("%w; the stage render comes first", err)
	}
	if string(state) != "complete" {
		return nil, r, nil
	}
	if r, err = r.fill(o); err != nil {
		return nil, r, err
	}
	found := map[string]imaging.Pixels{}
	var original imaging.Pixels
	for _, x := range renderings {
		p, err := load(filepath.Join(dir, x.kind+".png"))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, r, err
		}
		if x.kind == reference {
			original = p
		}
		if x.kind == "low-res" && p.Width == original.Width && p.Height == original.Height {
			continue // it could not be any smaller
		}
		if p.Width != original.Width || p.Height != original.Height {
			p = p.Resize(original.Width, original.Height, imaging.Bicubic)
		}
		label := rows.Cheat
		if x.honest {
			label = rows.Honest
		} else if reportedKinds[x.kind] {
			label = rows.Reported
		}
		found[x.kind] = p
		out = append(out, answer{kind: x.kind, label: label, pixels: p})
	}
	rng := randomness(o, r, "derived")
	out = slices.Insert(out, 1, answer{kind: lossless, label: rows.Honest, pixels: original})
	out = append(out, answer{kind: "cached", pixels: cache.nearest(number)}, answer{kind: "cropped", pixels: cropped(rng, original)}, answer{kind: "edited", pixels: edited(rng, original)})
	if other, ok := found["other-prompt"]; ok { // the safety check may have refused it
		out = append(out, answer{kind: "blended", pixels: blended(original, other, 0.2)})
	}
	slices.SortStableFunc(out, func(a, b answer) int { return rank(a.label) - rank(b.label) })
	return out, r, nil
}

func rank(label rows.Label) int {
	if label == rows.Honest {
		return 0
	}
	return 1
}

// embed computes the pictures' features, with the embeddings of the host's own clip-embed.
func embed(ctx context.Context, h *host, answers []answer) error {
	pixels := make([]imaging.Pixels, len(answers))
	for i, a := range answers {
		pixels[i] = a.pixels
	}
	vectors, err := h.embed(ctx, "clip-embed-reference", pixels)
	if err != nil {
		return err
	}
	for i := range answers {
		if answers[i].Picture, err = compare.NewPicture(pixels[i], vectors[i]); err != nil {
			return err
		}
	}
	return nil
}

// maxImages is how many pictures clip-embed takes at once.
const maxImages = 64

// embed has a block of clip-embed embed pictures.
func (h *host) embed(ctx context.Context, plugin string, pixels []imaging.Pixels) ([][]float32, error) {
	var out [][]float32
	for part := range slices.Chunk(pixels, maxImages) {
		var images []string
		for _, p := range part {
			data, err := p.PNG()
			if err != nil {
				return nil, err
			}
			images = append(images, base64.StdEncoding.EncodeToString(data))
		}
		body, err := json.Marshal(map[string]any{"image": images})
		if err != nil {
			return nil, err
		}
		q, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url+"/api/v1/"+plugin, bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		q.Header.Set("Content-Type", "application/json")
		a, err := http.DefaultClient.Do(q)
		if err != nil {
			return nil, err
		}
		var got struct {
			Embeddings [][]float32     `json:"embeddings"`
			Error      json.RawMessage `json:"error"`
		}
		err = json.NewDecoder(a.Body).Decode(&got)
		a.Body.Close()
		if err == nil && len(got.Embeddings) != len(part) {
			err = fmt.Errorf("%s answers %d with %d vectors for %d pictures: %s", plugin, a.StatusCode, len(got.Embeddings), len(part), got.Error)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, got.Embeddings...)
	}
	return out, nil
}

// cache is what a miner has that keeps every picture it has ever painted and answers with the one that is closest in CLIP's space.
type cache struct {
	pixels  []imaging.Pixels
	vectors [][]float32
}

func newCache(ctx context.Context, o options, h *host) (*cache, error) {
	all := split(o.requests)
	c := &cache{pixels: make([]imaging.Pixels, len(all)), vectors: make([][]float32, len(all))}
	var painted []int
	for i, r := range all {
		if p, err := load(filepath.Join(o.folder(r), reference+".png")); err == nil {
			c.pixels[i] = p
			painted = append(painted, i)
		}
	}
	batches := slices.Collect(slices.Chunk(painted, maxImages))
	return c, each(ctx, o.workers, batches, func(batch []int) error {
		var pixels []imaging.Pixels
		for _, i := range batch {
			pixels = append(pixels, c.pixels[i])
		}
		vectors, err := h.embed(ctx, "clip-embed-reference", pixels)
		for k, i := range batch[:len(vectors)] {
			c.vectors[i] = vectors[k]
		}
		return err
	})
}

// nearest is the picture of another request that is closest to a request's own, at its size.
func (c *cache) nearest(number int) imaging.Pixels {
	best, most := -1, -2.0
	size := func(i int) image.Point { return image.Pt(c.pixels[i].Width, c.pixels[i].Height) }
	for i, v := range c.vectors {
		if i == number || v == nil {
			continue
		}
		score := compare.Cosine(v, c.vectors[number])
		if size(i) == size(number) { // what has the size needs no scaling, which would show
			score += 0.02
		}
		if score > most {
			best, most = i, score
		}
	}
	p := c.pixels[best]
	if size(best) != size(number) {
		p = p.Resize(c.pixels[number].Width, c.pixels[number].Height, imaging.Lanczos)
	}
	return p
}
