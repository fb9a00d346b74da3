package sdktest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/schema"
)

func firstIsFast(ctx context.Context, s *suite) (string, error) {
	if _, err := s.ready(ctx); err != nil {
		return "", err
	}
	usual := median(s.pace.again)
	detail := fmt.Sprintf("first %s, then %s", short(s.pace.first), short(usual))
	if s.pace.first > 5*usual+200*time.Millisecond {
		return "", fmt.Errorf("%s: Load must warm the model up, so that the first answer takes at most five times the usual and 200 ms", detail)
	}
	return detail, nil
}

// What the sampled requests take at most together, without Options.Long, and how many there are at least and at most.
const (
	sampleTime = 12 * time.Second
	minSamples = 8
	maxSamples = 50
)

func answersSampled(ctx context.Context, s *suite) (string, error) {
	x, err := s.ready(ctx)
	if err != nil {
		return "", err
	}
	g, began, n := generator{x.d}, time.Now(), 0
	for ; n < maxSamples && (s.o.Long || n < minSamples || time.Since(began) < sampleTime); n++ {
		f := g.sample(uint64(n))
		r, err := f.check(x.d, rand.New(rand.NewPCG(uint64(n), 4)))
		if err != nil {
			return "", fmt.Errorf("the description refuses what it says that is sampled: %w", err)
		}
		result, err := x.answer(ctx, r)
		if err != nil {
			return "", fmt.Errorf("sampled request %d, %s: %w", n+1, show(r), err)
		}
		if err := reported(x.d, result); err != nil {
			return "", fmt.Errorf("sampled request %d, %s: %w", n+1, show(r), err)
		}
	}
	return fmt.Sprintf("%d requests in %s", n, short(time.Since(began))), nil
}

// reported checks the values that a result says were really used.
func reported(d sdk.Description, r sdk.Result) error {
	var known schema.Schema
	for name := range r.Values {
		p, ok := d.Parameters.Lookup(name)
		if !ok {
			return fmt.Errorf("the result tells a value of %q, which is no parameter", name)
		}
		known = append(known, p)
	}
	if _, faults := known.Validate(r.Values); len(faults) > 0 {
		return fmt.Errorf("the result tells a value that the schema excludes: %w", faults)
	}
	return nil
}

// show writes a request into an error.
func show(r sdk.Request) string {
	var parts []string
	for name, v := range r.Values {
		text := fmt.Sprint(v)
		parts = append(parts, name+" = "+clip(text, 40))
	}
	for name, texts := range r.Texts {
		parts = append(parts, fmt.Sprintf("%s = %q", name, clip(strings.Join(texts, " | "), 40)))
	}
	for name, images := range r.Images {
		if len(images) > 0 {
			parts = append(parts, fmt.Sprintf("%s = %d of %d x %d px", name, len(images), images[0].Width, images[0].Height))
		}
	}
	return "(" + strings.Join(parts, ", ") + ")"
}

func answersEdges(ctx context.Context, s *suite) (string, error) {
	x, err := s.ready(ctx)
	if err != nil {
		return "", err
	}
	base := s.cheapDraft()
	var drafts []draft
	for _, p := range x.d.Parameters {
		for _, value := range edges(p) {
			drafts = append(drafts, base.with(fmt.Sprintf("%s = %s", p.Name, clip(fmt.Sprint(value), 20)), p.Name, value))
		}
	}
	for _, in := range x.d.Inputs {
		if in.Kind != sdk.TextInput {
			continue
		}
		limit := in.TextLimit()
		drafts = append(drafts,
			base.withTexts("the longest "+in.Name, in.Name, clip(strings.Repeat("é ", limit/2+1), limit)),
			base.withTexts(in.Name+" of a few scripts", in.Name, clip("Grün 赤い كلب 🟥 \u202e\u0000\t\"'<>{}\\", limit)))
		if !in.Required {
			drafts = append(drafts, base.withTexts("an empty "+in.Name, in.Name, ""))
		}
		if in.Count() > 1 {
			drafts = append(drafts, base.withTexts("as many of "+in.Name+" as it takes", in.Name, repeat(prompt, min(in.Count(), manyInputs))...))
		}
	}
	if len(drafts) == 0 {
		return "", skip("it has neither parameters with bounds nor texts")
	}
	return s.attempts(ctx, drafts)
}

func repeat(text string, n int) []string {
	return strings.Split(strings.Repeat(text+"\n", n-1)+text, "\n")
}

// cheapDraft is the cheap request, to be changed.
func (s *suite) cheapDraft() draft {
	r := s.pace.cheap
	return draft{what: "a cheap request", request: sdk.Request{Texts: maps.Clone(r.Texts), Images: maps.Clone(r.Images)}, raw: maps.Clone(map[string]any(r.Values))}
}

func takesPictures(ctx context.Context, s *suite) (string, error) {
	x, err := s.ready(ctx)
	if err != nil {
		return "", err
	}
	base, g := s.cheapDraft(), generator{x.d}
	for _, in := range x.d.Inputs {
		if in.Kind != sdk.TextInput && len(base.request.Images[in.Name]) == 0 {
			g.give(base, in, 1, smallSide)
		}
	}
	drafts := odd(x.d, base)
	if len(drafts) == 0 {
		return "", skip("it takes no pictures")
	}
	return s.attempts(ctx, drafts)
}

func largestAnswer(ctx context.Context, s *suite) (string, error) {
	x, err := s.ready(ctx)
	if err != nil {
		return "", err
	}
	if x.d.Output.Kind != sdk.ImageOutput {
		return "", skip("it does not answer with pictures")
	}
	f := s.cheapDraft()
	f.what = "the largest picture"
	for _, e := range []sdk.Extent{x.d.Output.Width, x.d.Output.Height} {
		for _, name := range append([]string{e.Parameter, e.Times}, e.Plus...) {
			p, _ := x.d.Parameters.Lookup(name)
			if values := edges(p); len(values) > 0 {
				f.raw[name] = values[len(values)-1]
			}
		}
	}
	g := generator{x.d}
	for _, in := range x.d.Inputs {
		if len(f.request.Images[in.Name]) > 0 {
			g.give(f, in, 1, 2*largeSide)
		}
	}
	var t tally
	if err := x.attempt(ctx, f, &t); err != nil && !errors.Is(err, errBusy) {
		return "", err
	}
	if t.answered == 0 {
		return "", skip("the largest picture: %s", t)
	}
	return "", nil
}

func sameSeed(ctx context.Context, s *suite) (string, error) {
	x, err := s.ready(ctx)
	if err != nil {
		return "", err
	}
	if !x.d.Capabilities.Deterministic {
		return "", skip("the plugin does not declare that it is deterministic")
	}
	first, err := x.answer(ctx, s.pace.cheap)
	if err != nil {
		return "", err
	}
	if _, err := x.answer(ctx, seeded(x.d, s.pace.usual, 12345)); err != nil {
		return "", err
	}
	second, err := x.answer(ctx, s.pace.cheap)
	if err != nil {
		return "", err
	}
	if fingerprint(first) != fingerprint(second) {
		return "", fmt.Errorf("the request %s is answered with other bytes after another one", show(s.pace.cheap))
	}
	return "", nil
}

func sameInAnotherProcess(ctx context.Context, s *suite) (string, error) {
	x, err := s.ready(ctx)
	if err != nil {
		return "", err
	}
	if !x.d.Capabilities.Deterministic {
		return "", skip("the plugin does not declare that it is deterministic")
	}
	first, err := x.answer(ctx, s.pace.cheap)
	if err != nil {
		return "", err
	}
	s.discard() // two models may not fit
	if x, err = s.ready(ctx); err != nil {
		return "", err
	}
	second, err := x.answer(ctx, s.pace.cheap)
	if err != nil {
		return "", err
	}
	if fingerprint(first) != fingerprint(second) {
		return "", fmt.Errorf("the request %s is answered with other bytes by another process", show(s.pace.cheap))
	}
	return "", nil
}

// seeded is the request with other random values.
func seeded(d sdk.Description, r sdk.Request, seed uint64) sdk.Request {
	r.Values = maps.Clone(r.Values)
	for _, p := range d.Parameters {
		if p.Random {
			r.Values[p.Name] = p.Draw(rand.New(rand.NewPCG(seed, 6)))
		}
	}
	return r
}

func otherSeed(ctx context.Context, s *suite) (string, error) {
	x, err := s.ready(ctx)
	if err != nil {
		return "", err
	}
	random := false
	for _, p := range x.d.Parameters {
		random = random || p.Random
	}
	if !random {
		return "", skip("it has no random parameter")
	}
	answers := map[[32]byte]bool{}
	for seed := range uint64(4) {
		result, err := x.answer(ctx, seeded(x.d, s.pace.usual, seed))
		if err != nil {
			return "", err
		}
		if result.Unsafe {
			return "", skip("its safety check refuses the answers")
		}
		answers[fingerprint(result)] = true
	}
	if len(answers) == 1 {
		return "", fmt.Errorf("four seeds give one answer to %s", show(s.pace.usual))
	}
	return "", nil
}
