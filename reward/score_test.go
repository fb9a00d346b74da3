package reward

import (
	"math"
	"slices"
	"testing"
)

// settle scores a line of group with latencies, where the truth is A and all else has a cosine of x to it.
func settle(r Rules, line string, x float64, f Fallback, latencies ...float64) Comparison {
	c, contents := group(line)
	c.Reference, c.Fallback, c.Audited = Ran, f, true
	for i := range latencies {
		c.Seats[i].LatencyMS = latencies[i]
	}
	compare := func(i, j int) Pair {
		p := letters(contents)(i, j)
		if !p.Same {
			p.Cosine = x
		}
		return p
	}
	return r.Settle(c, r.Decide(c, compare), compare)
}

func TestSettle_scores_head_to_head(t *testing.T) {
	for name, c := range map[string]struct {
		line      string
		latencies []float64
		want      []float64
	}{
		"the faster of two":           {"A A", []float64{900, 1000}, []float64{1.25, 0.75}},
		"within the noise":            {"A A", []float64{1000, 1029}, []float64{1, 1}},
		"beyond the noise":            {"A A", []float64{1000, 1031}, []float64{1.25, 0.75}},
		"alone":                       {"A", nil, []float64{1}},
		"the other is wrong":          {"A B", []float64{9000, 10}, []float64{1.25, 0.72}},
		"the other failed":            {"A *", []float64{9000, 10}, []float64{1.25, 0}},
		"the other is ignored":        {"A -", nil, []float64{1, 0}},
		"both wrong":                  {"B C", nil, []float64{0.72, 0.72}},
		"three by rank":               {"A A A", []float64{100, 200, 300}, []float64{1.25, 1, 0.75}},
		"three, two of them equal":    {"A A A", []float64{100, 101, 300}, []float64{1.125, 1.125, 0.75}},
		"an added one is not ranked":  {"A B 'A", []float64{200, 100, 1}, []float64{1.25, 0.72, 0}},
		"an added one that fails":     {"A B '*", nil, []float64{1.25, 0.72, 0}},
		"unknown latencies are equal": {"A A", []float64{math.NaN(), 1}, []float64{1, 1}},
	} {
		got := settle(rules(t, ""), c.line, 0.96, Cosine, c.latencies...)
		for i, want := range c.want {
			if math.Abs(got.Seats[i].Score-want) > 1e-12 {
				t.Errorf("%s: seat %d scores %v, want %v", name, i, got.Seats[i].Score, want)
			}
		}
	}
}

func TestSettle_says_which_seats_count(t *testing.T) {
	c := settle(rules(t, ""), "A B * - 'A 'B '* '-", 0.96, Cosine)
	scored := []bool{true, true, true, false, false, false, true, false}
	judged := []Outcome{Correct, Wrong, "", "", Correct, Wrong, "", ""}
	doubts := []float64{0, 20, 0, 0, 0, 20, 0, 0} // the two B agreed at c = 0.05
	for i, s := range c.Seats {
		if s.Scored != scored[i] || s.Outcome != judged[i] || s.Doubt != doubts[i] {
			t.Errorf("seat %d: %+v", i, s)
		}
	}
	if c := settle(rules(t, ""), "A B", 0.96, Cosine); c.Seats[1].Doubt != 1 {
		t.Errorf("nobody agreed with it: %+v", c.Seats[1])
	}
}

func TestSettle_gives_nothing_of_a_void_group(t *testing.T) {
	r := rules(t, "")
	c, contents := group("A B *")
	c.Reference, c.Seats[0].Score, c.Seats[0].Scored = ReferenceFailed, 1, true
	got := r.Settle(c, r.Decide(c, letters(contents)), letters(contents))
	for _, s := range got.Seats {
		if s.Scored || s.Score != 0 || s.Outcome != Unjudged || s.Doubt != 0 {
			t.Errorf("%+v", s)
		}
	}
	if !got.Void || c.Seats[0].Score != 1 {
		t.Errorf("void %t, and the input has changed: %v", got.Void, c.Seats[0])
	}
}

func TestSettle_caps_the_fallback_in_every_case(t *testing.T) {
	for name, c := range map[string]struct {
		line     string
		x        float64
		fallback Fallback
		want     float64 // of seat 0
	}{
		"one is right":         {"B A", 0.96, Cosine, 0.72},
		"neither is right":     {"B C", 0.96, Cosine, 0.72},
		"the same picture":     {"B A", 1, Cosine, 0.75},
		"neither, the same":    {"B C", 1, Cosine, 0.75},
		"more than possible":   {"B C", 7, Cosine, 0.75},
		"at the floor":         {"B A", 0.9, Cosine, 0},
		"above the floor":      {"B A", 0.91, Cosine, 0.6825},
		"below the floor":      {"B C", 0.5, Cosine, 0},
		"opposite":             {"B C", -1, Cosine, 0},
		"unknown":              {"B C", math.NaN(), Cosine, 0},
		"upscale":              {"B A", 0.96, Squared, 0.6912},
		"upscale, neither":     {"B C", 0.96, Squared, 0.6912},
		"embeddings":           {"B A", 0.99, Nothing, 0},
		"embeddings, neither":  {"B C", 0.99, Nothing, 0},
		"a wrong claim":        {"B!! A", 0.96, Cosine, 0},
		"a false claim":        {"A!! A", 0.96, Cosine, 0},
		"unsafe, not claimed":  {"B! A", 0.96, Cosine, 0.72},
		"two claims, invented": {"B!! C!!", 0.99, Cosine, 0},
	} {
		if got := settle(rules(t, ""), c.line, c.x, c.fallback).Seats[0].Score; math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestSettle_pays_claims_that_the_reference_shares(t *testing.T) {
	r := rules(t, "")
	c, contents := group("A!! A!")
	c.Reference, c.Unsafe, c.Audited = Ran, true, true
	got := r.Settle(c, r.Decide(c, letters(contents)), letters(contents))
	if got.Seats[0].Score != 1 || got.Seats[1].Score != 1 { // of equal latency
		t.Errorf("%+v", got.Seats)
	}
}

func TestSettle_pays_as_the_original_did_under_history_presets(t *testing.T) {
	for name, c := range map[string]struct {
		preset, line string
		x            float64
		want         []float64
	}{
		"v2, one is right":       {"v2", "A B", 0.96, []float64{1.25, 0.72}},
		"v2, none is right":      {"v2", "B C", 0.96, []float64{0.96, 0.96}},
		"v2, none is like it":    {"v2", "B C", 0.5, []float64{0.25, 0.25}},
		"v2, a failure":          {"v2", "A *", 0.5, []float64{1.25, 0.25}},
		"seed, none is right":    {"seed", "B C", 0.96, []float64{0.864, 0.864}},
		"seed, a failure":        {"seed", "A *", 0.5, []float64{1.1, 0.2}},
		"seed, no noise allowed": {"seed", "A A", 0.5, []float64{1.1, 0.9}},
	} {
		got := settle(rules(t, c.preset), c.line, c.x, Cosine, 1000, 1001)
		for i, want := range c.want {
			if math.Abs(got.Seats[i].Score-want) > 1e-12 {
				t.Errorf("%s: seat %d scores %v, want %v", name, i, got.Seats[i].Score, want)
			}
		}
	}
}

func TestSettle_is_bounded_and_never_pays_wrong_more_than_right(t *testing.T) {
	for _, preset := range Presets() {
		r := rules(t, preset)
		for seed := range uint64(3000) {
			rng := random(seed)
			c, contents, next := crowd(rng)
			c, v, contents := play(t, r, c, contents, next)
			c = r.Settle(c, v, letters(contents))
			worst, best := math.Inf(1), 0.0
			for _, s := range c.Seats {
				if s.Score < 0 || s.Score > 1+r.Bonus || !s.Scored && s.Score != 0 || s.Doubt < 0 || s.Doubt > 1/r.Audit ||
					s.Result == Failure && s.Score > r.Failed || s.Result == Ignored && s.Scored || s.Outcome == Correct && s.Doubt != 0 {
					t.Fatalf("%s, seed %d: %+v", preset, seed, s)
				}
				switch {
				case s.Scored && s.Outcome == Correct:
					worst = min(worst, s.Score)
				case s.Scored:
					best = max(best, s.Score)
				}
			}
			if worst < 1-r.Bonus-1e-12 || best > worst {
				t.Fatalf("%s, seed %d: right earns %v, wrong %v", preset, seed, worst, best)
			}
		}
	}
}

func TestPreferences_are_the_decided_pairs(t *testing.T) {
	r := rules(t, "")
	for line, want := range map[string][]Preference{
		"A A":      nil, // equally fast
		"A B":      {{0, 1}},
		"* A":      {{1, 0}},
		"B C":      nil,
		"A - B":    {{0, 2}},
		"A B 'A":   {{0, 1}},
		"A A B":    {{0, 2}, {1, 2}},
		"A B 'B *": {{0, 1}, {0, 3}},
	} {
		if got := r.Preferences(settle(r, line, 0.5, Cosine)); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", line, got, want)
		}
	}
	if got := r.Preferences(settle(r, "A A", 0.5, Cosine, 200, 100)); !slices.Equal(got, []Preference{{1, 0}}) {
		t.Errorf("the faster is not preferred: %v", got)
	}
}

func TestPrefer_follows_the_gradient(t *testing.T) {
	r := rules(t, "")
	loss := func(w, l float64) float64 { return math.Log1p(math.Exp(-r.Beta * (w - l))) }
	for _, c := range [][2]float64{{0, 0}, {1, -1}, {-2, 2}, {3, 3}} {
		w, l := r.Prefer(c[0], c[1])
		const h = 1e-6
		dw := (loss(c[0]+h, c[1]) - loss(c[0]-h, c[1])) / (2 * h)
		if math.Abs(w-c[0]+r.Step*dw) > 1e-9 || math.Abs(w+l-c[0]-c[1]) > 1e-12 {
			t.Errorf("from %v to %v, %v; the gradient is %v", c, w, l, dw)
		}
	}
	if w, l := r.Prefer(0, 0); math.Abs(w-0.05) > 1e-12 || math.Abs(l+0.05) > 1e-12 {
		t.Errorf("the first step is %v, %v", w, l)
	}
	if w, l := r.Prefer(1e9, -1e9); w != 1e9 || l != -1e9 {
		t.Errorf("a sure win moves to %v, %v", w, l)
	}
}

func TestRefusal_is_a_failure_below_the_declared_capacity(t *testing.T) {
	for _, c := range []struct {
		inFlight, capacity int
		want               Result
	}{{0, 0, Failure}, {1, 0, Ignored}, {0, 1, Failure}, {1, 1, Ignored}, {3, 4, Failure}, {4, 4, Ignored}, {0, -5, Failure}} {
		if got := Refusal(c.inFlight, c.capacity); got != c.want {
			t.Errorf("%d in flight of %d: %s", c.inFlight, c.capacity, got)
		}
	}
}
