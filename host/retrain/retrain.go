package retrain

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"slices"
	"time"

	"github.com/vision19/vision/reward/arena"
	"github.com/vision19/vision/reward/compare"
	"github.com/vision19/vision/reward/rows"
)

//go:embed base/*.rows.gz
var bases embed.FS

// Base is the sample of a kind's pairs that this version brings along: of those that the shipped model was trained on, and of those that it was not.
// reward/train makes it.
func Base(kind compare.Kind) ([]rows.Row, error) {
	data, err := bases.ReadFile("base/" + string(kind) + ".rows.gz")
	if err != nil {
		return nil, fmt.Errorf("no pairs of the kind %q are brought along: %w", kind, err)
	}
	return rows.Decode(bytes.NewReader(data))
}

// Options are how to retrain.
type Options struct {
	Kind     compare.Kind
	Base     []rows.Row   // nil: Base
	Python   string       // "": DefaultPython
	DryRun   bool         // say what would be done
	Seeds    int          // of the arena; 0: DefaultSeeds
	Progress func(string) // nil, or told what is being done
	arena    arena.Options
}

// DefaultSeeds are enough for every bar of the arena to hold with the shipped model.
const DefaultSeeds = 8

// Outcome is what has become of a candidate.
type Outcome string

// The outcomes.
const (
	Kept     Outcome = "kept"     // the model in use stays
	Replaced Outcome = "replaced" // the candidate is in use
)

// Report is what was found.
type Report struct {
	Kind      compare.Kind `json:"kind"`
	Outcome   Outcome      `json:"outcome"`
	DryRun    bool         `json:"dry_run"` // nothing was changed: Outcome is what would have become
	Reasons   []string     `json:"reasons"` // for keeping
	Learned   int          `json:"learned"` // audited pairs that were trained on
	HeldOut   int          `json:"held_out"`
	Weights   weighing     `json:"weights"`
	Current   *Figures     `json:"current"`
	Candidate *Figures     `json:"candidate"` // nil when there was nothing to learn; without a name unless it is in use
	Lines     []Line       `json:"kinds"`
	Contests  []Contest    `json:"arena"` // none when it has lost before, or when the arena has no pictures of the kind
	Warnings  []string     `json:"warnings"`
}

// weighing is how many pairs of the base set an audited pair counted for.
type weighing struct {
	Same      float64 `json:"same"`
	Different float64 `json:"different"`
}

// Retrain trains a candidate on the base set and the store's pairs, and puts it in use when it does better than the model in use, both on held-out pairs
// and in the arena. It is the only thing that trains. The error is ErrPython without XGBoost, or the context's.
func (s *Store) Retrain(ctx context.Context, o Options) (r Report, err error) {
	r = Report{Kind: o.Kind, Outcome: Kept, DryRun: o.DryRun, Reasons: []string{}, Lines: []Line{}, Contests: []Contest{}, Warnings: []string{}}
	o = o.defaults()
	base := o.Base
	if len(base) == 0 {
		if base, err = Base(o.Kind); err != nil {
			return r, err
		}
	}
	pairs, warnings, err := s.Pairs()
	if err != nil {
		return r, err
	}
	for _, w := range warnings {
		r.Warnings = append(r.Warnings, w.Error())
	}
	model, name, err := s.Current(o.Kind)
	if err != nil {
		return r, err
	}
	audits := audited(pairs, o.Kind, 1+slices.MaxFunc(base, func(a, b rows.Row) int { return a.Request - b.Request }).Request)
	for _, row := range audits {
		if row.HeldOut {
			r.HeldOut++
		} else {
			r.Learned++
		}
	}
	current, err := newSide(model, base, audits)
	if err != nil {
		return r, err
	}
	figures := current.figures(name)
	r.Current = &figures
	if r.Learned == 0 {
		r.Reasons = append(r.Reasons, "there are no labelled pairs to learn from")
		return r, nil
	}
	return r, s.challenge(ctx, o, &r, current, base, audits)
}

func (o Options) defaults() Options {
	if o.Python == "" {
		o.Python = DefaultPython
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	if o.arena.Miners == 0 {
		o.arena.Miners, o.arena.Periods = 64, 40
	}
	o.arena.Seed, o.arena.Seeds, o.arena.References = 1, o.Seeds, arena.On
	if o.Seeds == 0 {
		o.arena.Seeds = DefaultSeeds
	}
	return o
}

// challenge trains a candidate, judges it, and puts it in use if it wins.
func (s *Store) challenge(ctx context.Context, o Options, r *Report, current side, base, audits []rows.Row) error {
	w := weights(base, audits)
	r.Weights = weighing{w[auditedSame], w[auditedDifferent]}
	o.Progress(fmt.Sprintf("%s: training on %d pairs of the base set and %d audited ones", o.Kind, trained(base), r.Learned))
	trees, tau, err := fit(ctx, o.Python, o.Kind, slices.Concat(base, audits), w, o.Progress)
	if err != nil {
		return err
	}
	model, err := compare.NewModel(trees, compare.Card{Name: string(o.Kind), Kind: o.Kind, Tau: tau})
	if err != nil {
		return fmt.Errorf("the candidate: %w", err)
	}
	candidate, err := newSide(model, base, audits)
	if err != nil {
		return err
	}
	figures := candidate.figures("")
	r.Candidate, r.Lines, r.Reasons = &figures, lines(current, candidate), append(r.Reasons, faults(current, candidate)...)
	if len(r.Reasons) > 0 {
		return nil
	}
	if o.Kind == compare.Image { // the only kind of which the arena has strategies
		o.Progress(fmt.Sprintf("%s: both models judge in the arena", o.Kind))
		contests, reasons, err := contest(ctx, o.arena, current, candidate)
		r.Contests, r.Reasons = contests, append(r.Reasons, reasons...)
		if err != nil || len(reasons) > 0 {
			return err
		}
	}
	r.Outcome = Replaced
	if o.DryRun {
		return nil
	}
	card := candidate.card
	card.Notes = []string{fmt.Sprintf("trained %s on %d pairs of the base set and %d audited ones; took the place of %s",
		time.Now().UTC().Format(time.DateOnly), trained(base), r.Learned, r.Current.Name)}
	if figures.Name, err = s.save(trees, card); err != nil {
		return err
	}
	return s.Use(o.Kind, figures.Name)
}

// trained counts the rows that train.
func trained(base []rows.Row) (n int) {
	for _, r := range base {
		if r.Trains() {
			n++
		}
	}
	return n
}
