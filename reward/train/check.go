package main

import (
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/vision19/vision/reward/compare"
)

// models is where the shipped ones lie.
const models = "reward/compare/models"

// fit has XGBoost train the models of pictures.
func fit(ctx context.Context, o options) error {
	for _, kind := range []compare.Kind{compare.Image, compare.Strict} {
		rows, target := filepath.Join(o.work, string(kind)+".json"), filepath.Join(o.work, string(kind)+".xgboost.json")
		if err := command(ctx, python, "reward/train/fit.py", rows, target); err != nil {
			return err
		}
	}
	return nil
}

// bars are the most that a kind may err, as a share of its pairs.
var bars = map[compare.Kind]map[string]float64{
	compare.Image:     {"honest": 1e-3, "other-seed": 1e-3, "other-checkpoint": 1e-3, "other-prompt": 1e-3, "half-steps": 1e-2},
	compare.Strict:    {"honest": 1e-3, "bicubic": 1e-2, "lanczos": 1e-2, "other-input": 1e-3, "low-res": 1e-3},
	compare.Embedding: {"honest": 1e-3, "other-input": 1e-3},
}

// minAUC is what each model of pictures must reach on the held-out pairs.
const minAUC = 0.999

// check measures what was trained, with the evaluation that the host uses, and ships it with a card when it holds every bar.
func check(_ context.Context, o options) error {
	var faults []error
	for _, kind := range []compare.Kind{compare.Image, compare.Strict} {
		trees, err := os.ReadFile(filepath.Join(o.work, string(kind)+".xgboost.json"))
		if err != nil {
			return err
		}
		tau, err := readTau(filepath.Join(o.work, string(kind)+".xgboost.tau"))
		if err != nil {
			return err
		}
		m, err := compare.NewModel(trees, compare.Card{Name: string(kind), Kind: kind, Tau: tau})
		if err != nil {
			return err
		}
		t, all, err := readRows(o.work, string(kind))
		if err != nil {
			return err
		}
		scored, err := score(m, all)
		if err != nil {
			return err
		}
		card := m.Card()
		judge(&card, t, scored)
		if err := report(os.Stdout, card); err != nil {
			faults = append(faults, err)
			continue
		}
		if kind == compare.Image {
			if err := record(scored, card.Features, tau); err != nil {
				return err
			}
		}
		if err := ship(card, trees); err != nil {
			return err
		}
	}
	return errors.Join(errors.Join(faults...), checkEmbedding(o))
}

func readTau(path string) (float64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(strings.TrimSpace(string(text)), 64)
}

// scoredRow is a held-out pair with what a model says of it.
type scoredRow struct {
	row
	p float64 // or the cosine
}

// score evaluates the held-out pairs.
func score(m *compare.Model, all []row) (out []scoredRow, err error) {
	for _, r := range all {
		if !r.heldOut {
			continue
		}
		p, err := m.Probability(r.features)
		if err != nil {
			return nil, err
		}
		out = append(out, scoredRow{r, p})
	}
	return out, nil
}

// judge fills in what the held-out pairs say.
func judge(card *compare.Card, t table, scored []scoredRow) {
	rates := map[string]*compare.Rate{}
	count := func(kind string, label int, wrong bool) {
		rate := rates[kind]
		if rate == nil {
			_, barred := bars[card.Kind][kind]
			rate = &compare.Rate{Kind: kind, Same: label == honest, Unseen: slices.Contains(t.Unseen, kind), Barred: barred}
			rates[kind] = rate
		}
		rate.Pairs++
		if wrong {
			rate.Wrong++
		}
	}
	var positives, negatives []float64
	for _, r := range scored {
		wrong := (r.p >= card.Tau) != (r.label == honest)
		count(r.kind, r.label, wrong)
		switch r.label {
		case honest:
			count("honest", honest, wrong)
			positives = append(positives, r.p)
		case cheat:
			count("all cheats", cheat, wrong)
			negatives = append(negatives, r.p)
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

// auc is the probability that a positive ranks above a negative, ties counting half (Mann and Whitney).
func auc(positives, negatives []float64) float64 {
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
		if p := (low + high) / 2; atMost(wrong, n, p) > 0.05 {
			low = p
		} else {
			high = p
		}
	}
	return high
}

// atMost is the binomial probability of at most k of n.
func atMost(k, n int, p float64) float64 {
	sum := 0.0
	for i := range k + 1 {
		a, _ := math.Lgamma(float64(n + 1))
		b, _ := math.Lgamma(float64(i + 1))
		c, _ := math.Lgamma(float64(n - i + 1))
		sum += math.Exp(a - b - c + float64(i)*math.Log(p) + float64(n-i)*math.Log1p(-p))
	}
	return sum
}

// report prints a card, and tells which bars it misses.
func report(to io.Writer, card compare.Card) error {
	fmt.Fprintf(to, "\n%s: tau %.4g, AUC %.6f, %d trees\n", card.Name, card.Tau, card.AUC, card.Trees)
	w := tabwriter.NewWriter(to, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "KIND\tIS\tTRAINED ON\tPAIRS\tWRONG\tRATE\tAT MOST (95 %)\tBAR")
	var faults []error
	for _, r := range card.Rates {
		is, seen, bar := "different", "yes", ""
		if r.Same {
			is = "same"
		}
		if r.Unseen {
			seen = "no"
		}
		rate := float64(r.Wrong) / float64(r.Pairs)
		if b, ok := bars[card.Kind][r.Kind]; ok {
			if bar = fmt.Sprintf("%g", b); rate > b {
				faults = append(faults, fmt.Errorf("%s: of %s, %.3g are wrong, the bar is %g", card.Name, r.Kind, rate, b))
			}
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%.3g\t%.3g\t%s\n", r.Kind, is, seen, r.Pairs, r.Wrong, rate, r.Upper, bar)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if card.AUC < minAUC {
		faults = append(faults, fmt.Errorf("%s: the AUC is %.5f, the bar is %g", card.Name, card.AUC, minAUC))
	}
	return errors.Join(faults...)
}

// ship puts a model where the host embeds it from.
func ship(card compare.Card, trees []byte) error {
	if err := os.MkdirAll(models, 0o755); err != nil {
		return err
	}
	about, err := json.MarshalIndent(card, "", "  ")
	if err != nil {
		return err
	}
	base := filepath.Join(models, card.Name)
	if trees != nil {
		if err := os.WriteFile(base+".xgboost.json", trees, 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(base+".card.json", append(about, '\n'), 0o644)
}

// checkEmbedding measures the cosines of embeddings: tau lies halfway, in powers of ten of the distance from 1, between honest pairs and what
// comes closest of the cheats that any threshold could tell.
func checkEmbedding(o options) error {
	t, all, err := readRows(o.work, string(compare.Embedding))
	if err != nil {
		return err
	}
	last := len(t.Features) - 1
	farthest, nearest := 1e-9, 1.0
	var scored []scoredRow
	for _, r := range all {
		d := math.Max(r.features[last], 0)
		switch {
		case r.heldOut:
			scored = append(scored, scoredRow{r, 1 - d})
		case r.label == honest:
			farthest = math.Max(farthest, d)
		case r.label == cheat:
			nearest = math.Min(nearest, d)
		}
	}
	tau := 1 - math.Sqrt(farthest*math.Max(nearest, farthest))
	card := compare.Card{Name: string(compare.Embedding), Kind: compare.Embedding, Tau: tau, Features: []string{"clip"}}
	judge(&card, t, scored)
	if err := report(os.Stdout, card); err != nil {
		return err
	}
	return ship(card, nil)
}

// recorded is how many pairs of a kind the arena gets to draw from.
const recorded = 2000

// arenaKinds are those that it draws.
var arenaKinds = []string{"honest", "half-steps", "other-checkpoint", "other-seed", "other-prompt", "low-res", "cached"}

// record writes what the arena's fast mode draws answers from: what the model says of held-out pairs, and their cosines.
func record(scored []scoredRow, features []string, tau float64) error {
	pairs := map[string][][2]float64{}
	clip := len(compare.Names()) - 1
	for _, r := range scored {
		kind := r.kind
		if r.label == honest {
			kind = "honest"
		}
		pairs[kind] = append(pairs[kind], [2]float64{float64(float32(r.p)), 1 - r.features[clip]})
	}
	for kind, rows := range pairs {
		if !slices.Contains(arenaKinds, kind) {
			delete(pairs, kind)
			continue
		}
		// Evenly from all, so that rare ones stay as rare.
		step := max(1, len(rows)/recorded)
		var some [][2]float64
		for i := 0; i < len(rows); i += step {
			some = append(some, rows[i])
		}
		pairs[kind] = some
	}
	f, err := os.Create("reward/arena/pairs.json.gz")
	if err != nil {
		return err
	}
	defer f.Close()
	z := gzip.NewWriter(f)
	if err := json.NewEncoder(z).Encode(map[string]any{"features": features, "tau": tau, "pairs": pairs}); err != nil {
		return err
	}
	return errors.Join(z.Close(), f.Close())
}
