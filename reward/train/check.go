package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/vision19/vision/reward/compare"
	"github.com/vision19/vision/reward/rows"
)

// models is where the shipped ones lie.
const models = "reward/compare/models"

// fit has XGBoost train the models of pictures.
func fit(ctx context.Context, o options) error {
	for _, kind := range []compare.Kind{compare.Image, compare.Strict} {
		table, target := filepath.Join(o.work, string(kind)+".json"), filepath.Join(o.work, string(kind)+".xgboost.json")
		if err := command(ctx, python, "host/retrain/fit.py", table, target); err != nil {
			return err
		}
	}
	return nil
}

// check measures what was trained, with the evaluation that the host uses, and ships it with a card when it holds every bar.
func check(_ context.Context, o options) error {
	var faults []error
	var cards []compare.Card
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
		all, err := readRows(o.work, string(kind))
		if err != nil {
			return err
		}
		scored, err := rows.Score(m, all)
		if err != nil {
			return err
		}
		card := m.Card()
		rows.Judge(&card, scored)
		if err := report(os.Stdout, card); err != nil && !o.ship {
			faults = append(faults, err)
			continue
		} else if err != nil {
			card.Notes = strings.Split(err.Error(), "\n")
		}
		if kind == compare.Image {
			if err := record(card, scored); err != nil {
				return err
			}
		}
		if err := writeBase(kind, all); err != nil {
			return err
		}
		if err := ship(card, trees); err != nil {
			return err
		}
		cards = append(cards, card)
	}
	card, err := checkEmbedding(o)
	if err := errors.Join(append(faults, err)...); err != nil {
		return err
	}
	return writeCards(append(cards, card))
}

func readTau(path string) (float64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(strings.TrimSpace(string(text)), 64)
}

// report prints a card, and tells which bars it misses.
func report(to io.Writer, card compare.Card) error {
	fmt.Fprintf(to, "\n%s: tau %.4g, AUC %.6f, %d trees\n", card.Name, card.Tau, card.AUC, card.Trees)
	w := tabwriter.NewWriter(to, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "KIND\tIS\tTRAINED ON\tPAIRS\tWRONG\tRATE\tAT MOST (95 %)\tBAR")
	for _, r := range card.Rates {
		is, seen, bar := "different", "yes", ""
		if r.Same {
			is = "same"
		}
		if r.Unseen {
			seen = "no"
		}
		if b, barred := rows.Bar(card.Kind, r.Kind); barred {
			bar = fmt.Sprintf("%g", b)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%.3g\t%.3g\t%s\n", r.Kind, is, seen, r.Pairs, r.Wrong, float64(r.Wrong)/float64(r.Pairs), r.Upper, bar)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return rows.Check(card)
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
func checkEmbedding(o options) (compare.Card, error) {
	all, err := readRows(o.work, string(compare.Embedding))
	if err != nil {
		return compare.Card{}, err
	}
	last := len(compare.Names()) - 1
	farthest, nearest := 1e-9, 1.0
	var scored []rows.Scored
	for _, r := range all {
		d := math.Max(r.Features[last], 0)
		switch {
		case r.HeldOut:
			scored = append(scored, rows.Scored{Row: r, P: 1 - d})
		case r.Label == rows.Honest:
			farthest = math.Max(farthest, d)
		case r.Label == rows.Cheat:
			nearest = math.Min(nearest, d)
		}
	}
	tau := 1 - math.Sqrt(farthest*math.Max(nearest, farthest))
	card := compare.Card{Name: string(compare.Embedding), Kind: compare.Embedding, Tau: tau, Features: []string{"clip"}}
	rows.Judge(&card, scored)
	if err := report(os.Stdout, card); err != nil {
		return card, err
	}
	return card, ship(card, nil)
}

// record writes what the arena's fast mode draws answers from.
func record(card compare.Card, scored []rows.Scored) error {
	f, err := os.Create("reward/arena/pairs.json.gz")
	if err != nil {
		return err
	}
	return errors.Join(rows.WriteGallery(f, card, scored), f.Close())
}
