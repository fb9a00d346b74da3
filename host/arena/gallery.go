// Package arena is the real mode of the arena: the pictures of honest miners and of cheats are painted by plugins, as they are configured here, and
// compared as a validator compares them. Who answers what, and what it earns, is decided by the same code as in the fast mode (package reward/arena).
package arena

import (
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"

	"github.com/vision19/vision/host/api"
	"github.com/vision19/vision/reward/arena"
	"github.com/vision19/vision/reward/compare"
	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/imaging"
	"github.com/vision19/vision/sdk/schema"
	"github.com/vision19/vision/synth"
)

// Host is what answers requests.
type Host interface {
	Do(context.Context, api.Job, api.Events) (api.Answer, error)
}

// Cast says which plugin plays whom.
type Cast struct {
	Reference  string // the validator, and miners with its hardware
	Hardware   string // honest miners with other hardware: the same model, run in another way; "" the reference
	Checkpoint string // cheats with another model of the same endpoint; "" nobody
	Embedder   string // of pictures, for the fallback's cosine; "" leaves that at 0
}

// Gallery holds how pictures compared that were painted here. It implements the fast mode's Gallery.
type Gallery struct{ looks map[arena.Kind][]arena.Look }

// Draw implements arena.Gallery.
func (g *Gallery) Draw(rng *rand.Rand, kind arena.Kind) arena.Look {
	if kind == arena.ClipSearch { // a search finds one of the pictures that were painted before
		kind = arena.Cached
	}
	looks := g.looks[kind]
	if len(looks) == 0 {
		return arena.Look{}
	}
	return looks[rng.IntN(len(looks))]
}

// Painter paints a gallery.
type Painter struct {
	Host        Host
	Description sdk.Description // of the reference
	Model       *compare.Model
	Cast        Cast
	Progress    func(done, total int) // nil, or called after each request
}

// The bounds of a gallery: with fewer requests than the least there is nothing to draw from, and more than the most take a day.
const (
	MinRequests = 2
	MaxRequests = 2000
)

// CheckRequests reports a number of requests out of its bounds, as an arena.ErrOptions.
func CheckRequests(n int) error {
	if n < MinRequests || n > MaxRequests {
		return fmt.Errorf("%w: requests is %d; it must be from %d to %d", arena.ErrOptions, n, MinRequests, MaxRequests)
	}
	return nil
}

// Paint makes up so many requests and has each answered in every way.
func (p Painter) Paint(ctx context.Context, requests int, seed uint64) (*Gallery, error) {
	if err := CheckRequests(requests); err != nil {
		return nil, err
	}
	if p.Description.Output.Kind != sdk.ImageOutput {
		return nil, fmt.Errorf("%w: %s gives no pictures", arena.ErrOptions, p.Description.Endpoint)
	}
	g := &Gallery{looks: map[arena.Kind][]arena.Look{}}
	rng := rand.New(rand.NewPCG(seed, 1))
	var before *imaging.Pixels
	for painted, refused := 0, 0; painted < requests; {
		r, err := synth.Generator{}.Request(ctx, p.Description, rng)
		if err != nil {
			return nil, err
		}
		truth, ok, err := p.answer(ctx, p.Cast.Reference, r)
		if err != nil {
			return nil, err
		}
		if !ok { // the safety check has refused it
			if refused++; refused > requests {
				return nil, fmt.Errorf("the safety check of %s refuses most of what is made up for it", p.Cast.Reference)
			}
			continue
		}
		if before == nil { // what a cache holds
			before = &truth
			continue
		}
		if err := p.look(ctx, g, r, truth, *before, rng); err != nil {
			return nil, err
		}
		before = &truth
		if painted++; p.Progress != nil {
			p.Progress(painted, requests)
		}
	}
	return g, nil
}

// look paints one request in every way, and notes how each compares with the truth.
func (p Painter) look(ctx context.Context, g *Gallery, r sdk.Request, truth, cached imaging.Pixels, rng *rand.Rand) error {
	honest := p.Cast.Hardware
	if honest == "" {
		honest = p.Cast.Reference
	}
	ways := []struct {
		kind   arena.Kind
		plugin string
		r      sdk.Request
	}{
		{arena.Honest, honest, r}, {arena.OtherCheckpoint, p.Cast.Checkpoint, r},
		{arena.HalfSteps, p.Cast.Reference, p.half(r, rng)}, {arena.OtherSeed, p.Cast.Reference, p.reseeded(r, rng)},
		{arena.OtherPrompt, p.Cast.Reference, p.reworded(r, rng)}, {arena.LowRes, p.Cast.Reference, p.smaller(r, rng)},
	}
	pictures, kinds := []imaging.Pixels{truth, cached}, []arena.Kind{"", arena.Cached}
	for _, w := range ways {
		if w.plugin == "" {
			continue
		}
		picture, ok, err := p.answer(ctx, w.plugin, w.r)
		if err != nil {
			return fmt.Errorf("%s: %w", w.kind, err)
		}
		if ok {
			pictures, kinds = append(pictures, picture), append(kinds, w.kind)
		}
	}
	for i, q := range pictures {
		if q.Width != truth.Width || q.Height != truth.Height {
			pictures[i] = q.Resize(truth.Width, truth.Height, imaging.Bicubic)
		}
	}
	vectors, err := p.embed(ctx, pictures)
	if err != nil {
		return err
	}
	painted, err := compare.Painted(p.Description, r)
	if err != nil {
		return err
	}
	var compared []*compare.Picture
	for i, q := range pictures {
		c, err := compare.NewPicture(q, vectors[i])
		if err != nil {
			return err
		}
		compared = append(compared, c)
	}
	for i, kind := range kinds[1:] {
		v, err := p.Model.Compare(compared[0], compared[i+1], painted)
		if err != nil {
			return err
		}
		look := arena.Look{Same: v.Same}
		if vectors[0] != nil {
			look.Cosine = compare.Cosine(vectors[0], vectors[i+1])
		}
		g.looks[kind] = append(g.looks[kind], look)
	}
	return nil
}

// answer has a plugin answer a request; ok is false when its safety check refuses the picture.
func (p Painter) answer(ctx context.Context, plugin string, r sdk.Request) (picture imaging.Pixels, ok bool, err error) {
	job := api.Job{Target: plugin, Texts: r.Texts, Images: map[string][][]byte{}, Parameters: r.Values}
	for name, images := range r.Images {
		for _, i := range images {
			job.Images[name] = append(job.Images[name], i.Data)
		}
	}
	a, err := p.Host.Do(ctx, job, api.Events{})
	if err != nil || a.Result.Unsafe || len(a.Result.Images) == 0 {
		return imaging.Pixels{}, false, err
	}
	i := a.Result.Images[0]
	if i.MediaType == sdk.RawRGB {
		return imaging.Pixels{Width: i.Width, Height: i.Height, Channels: 3, Pix: i.Data}, true, nil
	}
	picture, err = imaging.Read(i.Data, compare.MaxPixels)
	return picture, err == nil, err
}

// embed embeds pictures; without an embedder all vectors are nil.
func (p Painter) embed(ctx context.Context, pictures []imaging.Pixels) ([][]float32, error) {
	if p.Cast.Embedder == "" {
		return make([][]float32, len(pictures)), nil
	}
	job := api.Job{Target: p.Cast.Embedder, Images: map[string][][]byte{}}
	for _, q := range pictures {
		data, err := q.PNG()
		if err != nil {
			return nil, err
		}
		job.Images["image"] = append(job.Images["image"], data)
	}
	a, err := p.Host.Do(ctx, job, api.Events{})
	if err == nil && len(a.Result.Embeddings) != len(pictures) {
		err = fmt.Errorf("%s answers with %d vectors for %d pictures", p.Cast.Embedder, len(a.Result.Embeddings), len(pictures))
	}
	return a.Result.Embeddings, err
}

// reseeded is the request with other random values.
func (p Painter) reseeded(r sdk.Request, rng *rand.Rand) sdk.Request {
	r.Values = maps.Clone(r.Values)
	for _, x := range p.Description.Parameters {
		if x.Random {
			r.Values[x.Name] = x.Draw(rng)
		}
	}
	return r
}

// half is the request with half the steps; of an endpoint without steps, with another seed.
func (p Painter) half(r sdk.Request, rng *rand.Rand) sdk.Request {
	x, ok := p.Description.Parameters.Lookup("steps")
	if !ok || x.Type != schema.Int || r.Values.Int("steps") < 2 {
		return p.reseeded(r, rng)
	}
	r.Values = maps.Clone(r.Values)
	r.Values["steps"] = r.Values.Int("steps") / 2
	return r
}

// reworded is the request with other words.
func (p Painter) reworded(r sdk.Request, rng *rand.Rand) sdk.Request {
	r.Texts = maps.Clone(r.Texts)
	for _, in := range p.Description.Inputs {
		if in.Kind == sdk.TextInput && len(r.Texts[in.Name]) > 0 {
			r.Texts[in.Name] = []string{synth.Bundled().Prompt(rng, in.TextLimit())}
		}
	}
	return r
}

// smaller is the request at half the size, as far as the endpoint takes it; of one whose size is not the request's, with another seed.
func (p Painter) smaller(r sdk.Request, rng *rand.Rand) sdk.Request {
	out := r
	out.Values = maps.Clone(r.Values)
	shrunk := false
	for _, name := range []string{p.Description.Output.Width.Parameter, p.Description.Output.Height.Parameter} {
		x, ok := p.Description.Parameters.Lookup(name)
		if !ok || x.Min == nil {
			continue
		}
		step := max(x.MultipleOf, 1)
		side := max(math.Ceil(*x.Min/step), math.Floor(float64(r.Values.Int(name))/2/step)) * step
		shrunk = shrunk || int64(side) < r.Values.Int(name)
		out.Values[name] = int64(side)
	}
	if !shrunk {
		return p.reseeded(r, rng)
	}
	return out
}
