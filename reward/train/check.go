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

// measured is a model with what held-out pairs say of it.
type measured struct {
	card   compare.Card
	trees  []byte // none of embeddings
	all    []rows.Row
	scored []rows.Scored
}

// check measures what was trained, with the evaluation that the host uses, and ships it with cards when every bar holds. Else it writes nothing.
func check(_ context.Context, o options) error {
	var models []measured
	var faults []error
	for _, measure := range []func(options) (measured, error){measureImage, measureStrict, measureEmbedding} {
		m, err := measure(o)
		if err != nil {
			return err
		}
		if missed := report(os.Stdout, m.card); missed != nil {
			m.card.Notes = strings.Split(missed.Error(), "\n")
			faults = append(faults, missed)
		}
		models = append(models, m)
	}
	if err := errors.Join(faults...); err != nil && !o.ship {
		return fmt.Errorf("nothing is shipped: %w", err)
	}
	var cards []compare.Card
	for _, m := range models {
		cards = append(cards, m.card)
		if err := m.ship(); err != nil {
			return err
		}
	}
	return writeCards(cards)
}

func measureImage(o options) (measured, error)  { return measureTrees(o, compare.Image) }
func measureStrict(o options) (measured, error) { return measureTrees(o, compare.Strict) }

// measureTrees measures what fit has made.
func measureTrees(o options, kind compare.Kind) (m measured, err error) {
	base := filepath.Join(o.work, string(kind)+".xgboost.")
	if m.trees, err = os.ReadFile(base + "json"); err != nil {
		return m, fmt.Errorf("%w; the stage fit comes first", err)
	}
	tau, err := readTau(base + "tau")
	if err != nil {
		return m, err
	}
	model, err := compare.NewModel(m.trees, compare.Card{Name: string(kind), Kind: kind, Tau: tau})
	if err != nil {
		return m, err
	}
	if m.all, err = readRows(o.work, string(kind)); err != nil {
		return m, err
	}
	if m.scored, err = rows.Score(model, m.all); err != nil {
		return m, err
	}
	m.card = model.Card()
	rows.Judge(&m.card, m.scored)
	return m, nil
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

// ship puts a model where the host embeds it from, and what the retraining and the arena take of its pairs where those do.
func (m measured) ship() error {
	about, err := json.MarshalIndent(m.card, "", "  ")
	if err != nil {
		return err
	}
	base := filepath.Join(models, m.card.Name)
	if err := os.WriteFile(base+".card.json", append(about, '\n'), 0o644); err != nil || m.trees == nil {
		return err
	}
	err = errors.Join(os.WriteFile(base+".xgboost.json", m.trees, 0o644), writeBase(m.card.Kind, m.all))
	if m.card.Kind == compare.Image {
		err = errors.Join(err, record(m.card, m.scored))
	}
	return err
}

// measureEmbedding measures the cosines of embeddings: tau lies halfway, in powers of ten of the distance from 1, between honest pairs and what
// comes closest of the cheats that any threshold could tell.
func measureEmbedding(o options) (m measured, err error) {
	if m.all, err = readRows(o.work, string(compare.Embedding)); err != nil {
		return m, err
	}
	last := len(compare.Names()) - 1
	farthest, nearest := 1e-9, 1.0
	for _, r := range m.all {
		d := math.Max(r.Features[last], 0)
		switch {
		case r.HeldOut:
			m.scored = append(m.scored, rows.Scored{Row: r, P: 1 - d})
		case r.Label == rows.Honest:
			farthest = math.Max(farthest, d)
		case r.Label == rows.Cheat:
			nearest = math.Min(nearest, d)
		}
	}
	tau := 1 - math.Sqrt(farthest*math.Max(nearest, farthest))
	m.card = compare.Card{Name: string(compare.Embedding), Kind: compare.Embedding, Tau: tau, Features: []string{"clip"}}
	rows.Judge(&m.card, m.scored)
	return m, nil
}

// record writes what the arena's fast mode draws answers from.
func record(card compare.Card, scored []rows.Scored) error {
	f, err := os.Create("reward/arena/pairs.json.gz")
	if err != nil {
		return err
	}
	return errors.Join(rows.WriteGallery(f, card, scored), f.Close())
}
