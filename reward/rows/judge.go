package rows

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/vision19/vision/reward/compare"
)

// bars are the most that a kind may err, as a share of its pairs.
var bars = map[compare.Kind]map[string]float64{
	compare.Image:     {"honest": 1e-3, "other-seed": 1e-3, "other-checkpoint": 1e-3, "other-prompt": 1e-3, "half-steps": 1e-2},
	compare.Strict:    {"honest": 1e-3, "bicubic": 1e-2, "lanczos": 1e-2, "other-input": 1e-3, "low-res": 1e-3},
	compare.Embedding: {"honest": 1e-3, "other-input": 1e-3},
}

// MinAUC is what each model must reach on the held-out pairs.
const MinAUC = 0.999

// Bar is the most that a kind of pairs may err, as a share, and whether there is such a bar.
func Bar(k compare.Kind, kind string) (bar float64, barred bool) {
	bar, barred = bars[k][kind]
	return bar, barred
}

// Scored is a pair with what a model says of it.
type Scored struct {
	Row
	P float64 // the probability that the two are the same, or the cosine
}

// Wrong tells whether the model errs at a threshold.
func (s Scored) Wrong(tau float64) bool { return (s.P >= tau) != (s.Label == Honest) }

// Score evaluates the held-out pairs, as the host does.
func Score(m *compare.Model, all []Row) (out []Scored, err error) {
	for _, r := range all {
		if !r.HeldOut {
			continue
		}
		p, err := m.Probability(r.Features)
		if err != nil {
			return nil, err
		}
		out = append(out, Scored{r, p})
	}
	return out, nil
}

// Judge fills in what held-out pairs say of a model: its AUC and its rates, of all kinds, of all honest ones and of all cheats.
func Judge(card *compare.Card, scored []Scored) {
	rates := map[string]*compare.Rate{}
	count := func(kind string, label Label, wrong bool) {
		rate := rates[kind]
		if rate == nil {
			_, barred := Bar(card.Kind, kind)
			rate = &compare.Rate{Kind: kind, Same: label == Honest, Unseen: slices.Contains(unseen, kind), Barred: barred}
			rates[kind] = rate
		}
		rate.Pairs++
		if wrong {
			rate.Wrong++
		}
	}
	var positives, negatives []float64
	for _, r := range scored {
		wrong := r.Wrong(card.Tau)
		count(r.Kind, r.Label, wrong)
		switch r.Label {
		case Honest:
			if r.Kind != Emulated {
				count("honest", Honest, wrong)
			}
			positives = append(positives, r.P)
		case Cheat:
			count("all cheats", Cheat, wrong)
			negatives = append(negatives, r.P)
		}
	}
	card.AUC = auc(positives, negatives)
	card.Rates = nil
	for _, rate := range rates {
		rate.Upper = upper(rate.Wrong, rate.Pairs)
		card.Rates = append(card.Rates, *rate)
	}
	slices.SortFunc(card.Rates, func(a, b compare.Rate) int {
		if a.Same != b.Same {
			if a.Same {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.Kind, b.Kind)
	})
}

// Check tells which bars a card misses.
func Check(card compare.Card) error {
	var faults []error
	for _, r := range card.Rates {
		rate := float64(r.Wrong) / float64(r.Pairs)
		if bar, barred := Bar(card.Kind, r.Kind); barred && rate > bar {
			faults = append(faults, fmt.Errorf("%s: of %s, %.3g are wrong, the bar is %g", card.Name, r.Kind, rate, bar))
		}
	}
	if card.AUC < MinAUC {
		faults = append(faults, fmt.Errorf("%s: the AUC is %.5f, the bar is %g", card.Name, card.AUC, MinAUC))
	}
	return errors.Join(faults...)
}

// LogLoss is the mean of -ln of the probability that a model gives to what is right, over pairs that count; 0 of none.
func LogLoss(scored []Scored) float64 {
	sum, n := 0.0, 0
	for _, r := range scored {
		p := r.P
		switch r.Label {
		case Reported:
			continue
		case Cheat:
			p = 1 - p
		}
		sum -= math.Log(max(p, 1e-15)) // a single certain error must not decide alone
		n++
	}
	return sum / float64(max(n, 1))
}

// auc is the probability that a positive ranks above a negative, ties counting half (Mann and Whitney); 0 without any of either.
func auc(positives, negatives []float64) float64 {
	if len(positives) == 0 || len(negatives) == 0 {
		return 0
	}
	slices.Sort(negatives)
	sum := 0.0
	for _, p := range positives {
		below, _ := slices.BinarySearch(negatives, p)
		upTo, _ := slices.BinarySearch(negatives, math.Nextafter(p, 2))
		sum += float64(below) + float64(upTo-below)/2
	}
	return sum / float64(len(positives)) / float64(len(negatives))
}

// upper is the 95 % upper bound of a rate of which wrong of n were seen: the p at which so few would be seen once in twenty.
func upper(wrong, n int) float64 {
	if wrong >= n {
		return 1
	}
	low, high := float64(wrong)/float64(n), 1.0
	for range 60 {
		if p := (low + high) / 2; AtMost(wrong, n, p) > 0.05 {
			low = p
		} else {
			high = p
		}
	}
	return high
}

// AtMost is the binomial probability of at most k of n at a rate p, which lies between 0 and 1.
func AtMost(k, n int, p float64) float64 {
	sum := 0.0
	for i := range k + 1 {
		a, _ := math.Lgamma(float64(n + 1))
		b, _ := math.Lgamma(float64(i + 1))
		c, _ := math.Lgamma(float64(n - i + 1))
		sum += math.Exp(a - b - c + float64(i)*math.Log(p) + float64(n-i)*math.Log1p(-p))
	}
	return sum
}
