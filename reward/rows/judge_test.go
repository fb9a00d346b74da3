package rows

import (
	"math"
	"strings"
	"testing"

	"github.com/vision19/vision/reward/compare"
)

func TestJudge_counts_by_kind_and_label(t *testing.T) {
	s := scored(made(300), func(r Row) float64 {
		if r.Label == Honest {
			return 0.9
		}
		return 0.1
	})
	for i := range s { // of one cheat and one honest pair the model is wrong
		if s[i].Kind == "half-steps" {
			s[i].P = 0.95
			break
		}
	}
	s[0].P = 0.2 // plain
	card := compare.Card{Name: "image", Kind: compare.Image, Tau: 0.5}
	Judge(&card, s)
	n := len(s) / 9
	want := map[string]compare.Rate{
		"honest": {Same: true, Barred: true, Pairs: 2 * n, Wrong: 1}, "plain": {Same: true, Unseen: true, Pairs: n, Wrong: 1}, "fp16": {Same: true, Pairs: n},
		"half-steps": {Barred: true, Pairs: n, Wrong: 1}, "all cheats": {Pairs: 6 * n, Wrong: 1}, "int8": {Pairs: n}, "other-seed": {Barred: true, Pairs: n},
	}
	if len(card.Rates) != 11 || !card.Rates[0].Same || card.Rates[10].Same {
		t.Errorf("%+v", card.Rates)
	}
	for _, r := range card.Rates {
		if w, listed := want[r.Kind]; listed {
			w.Kind, w.Upper = r.Kind, r.Upper
			if r != w || r.Upper <= float64(r.Wrong)/float64(r.Pairs) {
				t.Errorf("%+v, want %+v", r, w)
			}
		}
	}
	err := Check(card)
	if err == nil || !strings.Contains(err.Error(), "image: of honest") || !strings.Contains(err.Error(), "the bar is 0.01") {
		t.Errorf("%v", err)
	}
	// The cheat that passes ranks above every honest pair.
	if want := 1 - 1/float64(6*n); math.Abs(card.AUC-want) > 1e-12 {
		t.Errorf("AUC %v, want %v", card.AUC, want)
	}
}

func TestAUC_is_the_share_of_pairs_in_the_right_order(t *testing.T) {
	for _, x := range []struct {
		positives, negatives []float64
		want                 float64
	}{
		{[]float64{0.9, 0.8}, []float64{0.1, 0.2, 0.3}, 1}, {[]float64{0.1}, []float64{0.9}, 0}, {[]float64{0.5}, []float64{0.5, 0.5}, 0.5},
		{[]float64{0.9, 0.4}, []float64{0.5, 0.4}, 0.625}, {nil, []float64{1}, 0}, {[]float64{1}, nil, 0},
	} {
		if got := auc(x.positives, x.negatives); got != x.want {
			t.Errorf("%v over %v: %g, want %g", x.positives, x.negatives, got, x.want)
		}
	}
}

func TestUpper_is_Clopper_and_Pearsons(t *testing.T) {
	for _, x := range []struct {
		wrong, n int
		want     float64
	}{{0, 100, 1 - math.Pow(0.05, 0.01)}, {0, 1, 0.95}, {5, 5, 1}, {1, 1000, 0.004734}} {
		if got := upper(x.wrong, x.n); math.Abs(got-x.want) > 1e-6 {
			t.Errorf("%d of %d: %g, want %g", x.wrong, x.n, got, x.want)
		}
	}
	if p := AtMost(1, 3, 0.5); math.Abs(p-0.5) > 1e-12 {
		t.Errorf("%g", p)
	}
}

func TestLogLoss_leaves_out_what_is_only_reported(t *testing.T) {
	s := []Scored{{Row{Label: Honest}, 0.5}, {Row{Label: Cheat}, 0.75}, {Row{Label: Reported}, 0}}
	if got, want := LogLoss(s), (math.Log(2)+math.Log(4))/2; math.Abs(got-want) > 1e-12 {
		t.Errorf("%g, want %g", got, want)
	}
	if LogLoss(nil) != 0 || math.IsInf(LogLoss([]Scored{{Row{Label: Honest}, 0}}), 1) {
		t.Error("it is finite")
	}
}

func TestJudge_counts_emulated_noise_apart(t *testing.T) {
	s := scored(made(30), func(Row) float64 { return 0.9 })
	for i := range s {
		if s[i].Label == Honest {
			s[i].Kind, s[i].P = Emulated, 0.1
		}
	}
	card := compare.Card{Name: "image", Kind: compare.Image, Tau: 0.5}
	Judge(&card, s)
	for _, r := range card.Rates {
		if r.Kind == "honest" || r.Kind == Emulated && (!r.Same || r.Wrong != r.Pairs || r.Barred) {
			t.Errorf("%+v", r)
		}
	}
}

func TestShipped_cards_hold_every_bar(t *testing.T) {
	for _, kind := range []compare.Kind{compare.Image, compare.Strict, compare.Embedding} {
		card, err := compare.ShippedCard(kind)
		if err != nil {
			t.Fatal(err)
		}
		if err := Check(card); err != nil || len(card.Notes) > 0 {
			t.Errorf("%v, %q", err, card.Notes)
		}
		pairs := map[string]int{}
		for _, r := range card.Rates {
			pairs[r.Kind] = r.Pairs
		}
		if kind == compare.Image && (pairs["honest"] < 3000 || pairs["all cheats"] < 30000) {
			t.Errorf("the card is of %d honest pairs and %d of cheats", pairs["honest"], pairs["all cheats"])
		}
		for name := range bars[kind] {
			if pairs[name] == 0 {
				t.Errorf("%s: no pair of %s was measured", kind, name)
			}
		}
	}
}
