package retrain

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/vision19/vision/reward/compare"
	"github.com/vision19/vision/reward/rows"
)

// needsPython skips a test where nothing can train.
func needsPython(t *testing.T) {
	t.Helper()
	if out, err := exec.Command(DefaultPython, "-c", "import numpy, xgboost").CombinedOutput(); err != nil {
		t.Skipf("XGBoost is not installed (Debian: python3-xgboost python3-numpy): %v\n%s", err, out)
	}
}

// features are differences: every one at most as large as far, and at least near.
func features(rng *rand.Rand, near, far float64) []float64 {
	out := make([]float64, len(compare.Names()))
	for i := range out {
		out[i] = near + (far-near)*rng.Float64()
	}
	out[slices.Index(compare.Names(), "painted")] = 1
	out[len(out)-1] /= 20 // a cosine's distance from 1
	return out
}

// base are pairs of n requests that hardly overlap: hardware moves a feature by up to 1, a cheat by 3 or more.
func base(n int) (out []rows.Row) {
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range n {
		held := rows.HeldOut(fmt.Sprint("base ", i))
		for _, kind := range []string{"plain", "half", "plain"} {
			out = append(out, rows.Row{Request: i, HeldOut: held, Kind: kind, Label: rows.Honest, Features: features(rng, 0, 1)})
		}
		for _, kind := range []string{"half-steps", "other-checkpoint", "other-seed", "other-prompt", "low-res", "cached"} {
			out = append(out, rows.Row{Request: i, HeldOut: held, Kind: kind, Label: rows.Cheat, Features: features(rng, 3, 10)})
		}
	}
	return out
}

// audit adds n audits to a store: of each an honest pair, and one that moves only what may.
func audit(t *testing.T, s *Store, kind compare.Kind, n int, change func(f map[string]float64), flipped bool) {
	t.Helper()
	rng := rand.New(rand.NewPCG(2, 2))
	var pairs []Pair
	for i := range n {
		for _, same := range []bool{true, false} {
			p := pair(i, same != flipped)
			p.Kind = kind
			for k, x := range features(rng, 0, 1) {
				p.Features[compare.Names()[k]] = x
			}
			if !same {
				change(p.Features)
			}
			pairs = append(pairs, p)
		}
	}
	if err := s.Append(pairs...); err != nil {
		t.Fatal(err)
	}
}

// blurred is a cheat that only its sharpness gives away.
func blurred(f map[string]float64) { f["sharpness"] = 3 + f["sharpness"] }

// options are quick to play.
func options(t *testing.T, kind compare.Kind) Options {
	o := Options{Kind: kind, Base: base(120), Seeds: 2, Progress: func(line string) { t.Log(line) }}
	o.arena.Miners, o.arena.Periods = 16, 6
	return o
}

// withModel is a store whose model in use looks at nothing but mae, which is enough for the base set.
func withModel(t *testing.T, kind compare.Kind) *Store {
	t.Helper()
	s := newStore(t)
	name, err := s.save(stump(6, 2), compare.Card{Kind: kind, Tau: 0.5})
	if err == nil {
		err = s.Use(kind, name)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRetrain_learns_a_new_kind_of_cheat_and_replaces(t *testing.T) {
	needsPython(t)
	t.Parallel()
	s := withModel(t, compare.Image)
	audit(t, s, compare.Image, 60, blurred, false)
	o := options(t, compare.Image)
	r, err := s.Retrain(context.Background(), o)
	if err != nil || r.Outcome != Replaced || len(r.Reasons) > 0 || r.Current.Name != "image-1" || r.Candidate.Name != "image-2" {
		t.Fatalf("%+v, %v", r, err)
	}
	if inUse(t, s, compare.Image) != "image-2" || r.Learned+r.HeldOut != 120 || r.Weights.Different != auditWeight {
		t.Errorf("%+v", r)
	}
	found := false
	for _, l := range r.Lines {
		if l.Kind == auditedDifferent {
			found = true
			if l.Pairs != r.HeldOut/2 || l.Current < l.Pairs/2 || l.Candidate > l.Pairs/10 {
				t.Errorf("%+v", l)
			}
		}
	}
	if !found || len(r.Contests) < 20 || r.Candidate.Errors >= r.Current.Errors {
		t.Errorf("%+v", r)
	}
	m, err := s.Load(compare.Image, "image-2")
	if err != nil || len(m.Card().Rates) == 0 || !strings.Contains(strings.Join(m.Card().Notes, " "), "took the place of image-1") {
		t.Errorf("%+v, %v", m.Card(), err)
	}
	// The same pairs teach nothing more.
	if r, err = s.Retrain(context.Background(), o); err != nil || r.Outcome != Kept || inUse(t, s, compare.Image) != "image-2" {
		t.Errorf("%+v, %v", r, err)
	}
	if err := s.Use(compare.Image, "image-1"); err != nil || inUse(t, s, compare.Image) != "image-1" {
		t.Errorf("rolled back: %v", err)
	}
}

func TestRetrain_refuses_a_candidate_that_learned_from_flipped_labels(t *testing.T) {
	needsPython(t)
	t.Parallel()
	s := withModel(t, compare.Strict)
	rng := rand.New(rand.NewPCG(4, 4))
	audit(t, s, compare.Strict, 200, func(f map[string]float64) { // as the cheats of the base set
		for i, x := range features(rng, 3, 10) {
			f[compare.Names()[i]] = x
		}
	}, true)
	r, err := s.Retrain(context.Background(), options(t, compare.Strict))
	if err != nil || r.Outcome != Kept || inUse(t, s, compare.Strict) != "strict-1" {
		t.Fatalf("%+v, %v", r, err)
	}
	reasons := strings.Join(r.Reasons, "\n")
	t.Log(reasons, r.Weights)
	if !strings.Contains(reasons, "the bar is") || r.Weights.Same >= auditWeight || len(r.Contests) > 0 {
		t.Errorf("%s\n%+v", reasons, r)
	}
	if models, err := s.Models(); err != nil || len(models) != 3 {
		t.Errorf("a model that lost is not kept: %v, %v", models, err)
	}
}

func TestRetrain_keeps_the_model_when_there_is_nothing_to_learn(t *testing.T) {
	s := newStore(t)
	o := options(t, compare.Image)
	o.Python = "/nowhere/python3" // is not needed
	r, err := s.Retrain(context.Background(), o)
	if err != nil || r.Outcome != Kept || r.Current.Name != ShippedName || r.Candidate != nil || fmt.Sprint(r.Reasons) != "[there are no labelled pairs to learn from]" {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestRetrain_says_which_packages_are_missing(t *testing.T) {
	s := newStore(t)
	audit(t, s, compare.Image, 10, blurred, false)
	for _, python := range []string{"/bin/false", "/nowhere/python3"} {
		o := options(t, compare.Image)
		o.Python = python
		r, err := s.Retrain(context.Background(), o)
		if !errors.Is(err, ErrPython) || !strings.Contains(err.Error(), "apt-get install python3-xgboost python3-numpy") || r.Outcome != Kept {
			t.Errorf("%s: %v", python, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Retrain(ctx, options(t, compare.Image)); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestWeights_of_audits_never_exceed_those_of_the_base_set(t *testing.T) {
	label := func(n int, l rows.Label) []rows.Row {
		out := make([]rows.Row, n)
		for i := range out {
			out[i].Label = l
		}
		return out
	}
	b := append(label(100, rows.Honest), label(300, rows.Cheat)...)
	for _, x := range []struct {
		honest, cheats  int
		same, different float64
	}{{0, 0, 5, 5}, {1, 1, 5, 5}, {50, 60, 2, 5}, {400, 600, 0.25, 0.5}} {
		w := weights(b, append(label(x.honest, rows.Honest), label(x.cheats, rows.Cheat)...))
		if w[auditedSame] != x.same || w[auditedDifferent] != x.different {
			t.Errorf("%+v: %v", x, w)
		}
	}
	held := label(50, rows.Honest)
	for i := range held {
		held[i].HeldOut = true
	}
	for i := range b[:60] {
		b[i].Kind = "plain" // no model is trained on it
	}
	if w := weights(b, append(held, label(20, rows.Honest)...)); w[auditedSame] != 2 {
		t.Errorf("what does not train has no weight: %v", w)
	}
}

// sides are two models on the same base set, of which one errs on some pairs.
func sides(t *testing.T, currentAt, candidateAt float64, base []rows.Row) (current, candidate side) {
	t.Helper()
	var out [2]side
	for i, at := range []float64{currentAt, candidateAt} {
		m, err := compare.NewModel(stump(6, at), compare.Card{Kind: compare.Image, Tau: 0.5})
		if err == nil {
			out[i], err = newSide(m, base, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return out[0], out[1]
}

func TestFaults_of_a_candidate(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	var all []rows.Row
	for range 400 { // honest pairs below 1 in all features, cheats above 3, and a cheat now and then in between
		all = append(all, rows.Row{HeldOut: true, Kind: "plain", Label: rows.Honest, Features: features(rng, 0, 1)},
			rows.Row{HeldOut: true, Kind: "half-steps", Label: rows.Cheat, Features: features(rng, 3, 9)})
	}
	odd := func(n int) []rows.Row {
		out := all[:len(all):len(all)]
		for range n {
			out = append(out, rows.Row{HeldOut: true, Kind: "cropped", Label: rows.Cheat, Features: features(rng, 1.5, 1.6)})
		}
		return out
	}
	for _, x := range []struct {
		name               string
		current, candidate float64
		rows               []rows.Row
		says               string // "" when there is no fault
	}{
		{"better", 2, 1.2, odd(3), ""},
		{"the same", 2, 2, all, "it errs as often, on 0 held-out pairs, and is no surer"},
		{"worse by chance", 1.2, 2, odd(1), "it errs on 1 held-out pairs, the model in use on 0"},
		{"worse beyond chance", 1.2, 2, odd(6), "on the base set it loses 6 pairs and wins 0"},
		{"refuses the honest", 2, 0.5, all, "of honest, "},
		{"lets cheats pass", 2, 4, all, "of half-steps, "},
		{"knows nothing", 2, 20, all, "its AUC is 0.50000"},
	} {
		got := faults(sides(t, x.current, x.candidate, x.rows))
		if x.says == "" && len(got) > 0 || !strings.Contains(strings.Join(got, "\n"), x.says) {
			t.Errorf("%s: %q", x.name, got)
		}
	}
}

func TestContest_refuses_a_model_that_pays_cheats(t *testing.T) {
	all := base(120)
	current, candidate := sides(t, 2, 2, all)
	for i := range candidate.base { // takes nine in ten low resolutions for the same, which no held-out rate is held to
		if candidate.base[i].Kind == "low-res" && i%10 > 0 {
			candidate.base[i].P = 0.9
		}
	}
	o := options(t, compare.Image).defaults().arena
	_, reasons, err := contest(context.Background(), o, current, candidate)
	if err != nil || !strings.Contains(strings.Join(reasons, "\n"), "low-res") {
		t.Errorf("%q, %v", reasons, err)
	}
	played, reasons, err := contest(context.Background(), o, current, current)
	if err != nil || len(reasons) > 0 || len(played) < 20 {
		t.Errorf("a model is no worse than itself: %q, %v", reasons, err)
	}
	for _, c := range played {
		if math.IsNaN(c.Current.Weight) || c.Current.Weight != c.Candidate.Weight {
			t.Errorf("%+v", c)
		}
	}
}
