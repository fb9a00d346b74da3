package retrain

import (
	"bytes"
	"context"
	"fmt"

	"github.com/vision19/vision/reward"
	"github.com/vision19/vision/reward/arena"
	"github.com/vision19/vision/reward/compare"
	"github.com/vision19/vision/reward/rows"
)

// Figures are what held-out pairs, of the base set and audited ones, say of a model.
type Figures struct {
	Name    string  `json:"name"`
	Tau     float64 `json:"tau"`
	AUC     float64 `json:"auc"` // on the base set
	Errors  int     `json:"errors"`
	LogLoss float64 `json:"log_loss"`
}

// Line is how often both models err on held-out pairs of one kind.
type Line struct {
	Kind      string   `json:"kind"`
	Same      bool     `json:"same"` // whether they are to be the same
	Pairs     int      `json:"pairs"`
	Current   int      `json:"current_wrong"`
	Candidate int      `json:"candidate_wrong"`
	Bar       *float64 `json:"bar"` // the most that may be wrong, as a share; nil: not held to anything
}

// Contest is what a strategy earns in the arena while each of the models judges.
type Contest struct {
	Strategy  string       `json:"strategy"`
	Bar       *float64     `json:"bar"`
	Rule      string       `json:"rule,omitempty"`
	Current   arena.Result `json:"current"`
	Candidate arena.Result `json:"candidate"`
}

// side is one of the two models with what it says of held-out pairs.
type side struct {
	card         compare.Card  // with the rates on the base set, then on audited pairs
	base, audits []rows.Scored // held out
}

func newSide(m *compare.Model, base, audits []rows.Row) (s side, err error) {
	s.card = m.Card()
	if s.base, err = rows.Score(m, base); err != nil {
		return s, err
	}
	if s.audits, err = rows.Score(m, audits); err != nil {
		return s, err
	}
	rows.Judge(&s.card, s.base)
	found := s.card
	rows.Judge(&found, s.audits)
	for _, r := range found.Rates {
		if r.Kind == auditedSame || r.Kind == auditedDifferent { // not their sums, which would have the names of the base set's
			s.card.Rates = append(s.card.Rates, r)
		}
	}
	return s, nil
}

// all are the held-out pairs, in an order that both sides have.
func (s side) all() []rows.Scored { return append(s.base[:len(s.base):len(s.base)], s.audits...) }

func (s side) figures(name string) Figures {
	f := Figures{Name: name, Tau: s.card.Tau, AUC: s.card.AUC, LogLoss: rows.LogLoss(s.all())}
	for _, r := range s.all() {
		if r.Label != rows.Reported && r.Wrong(s.card.Tau) {
			f.Errors++
		}
	}
	return f
}

// noise is how rarely chance alone may make a difference that is taken for one.
const noise = 0.05

// faults says why the candidate must not replace the model in use, by held-out pairs: it has to hold the bars on the base set, to be no worse there, and
// to be better over all.
func faults(current, candidate side) (reasons []string) {
	for _, r := range candidate.card.Rates {
		bar, barred := rows.Bar(candidate.card.Kind, r.Kind)
		// A sample has more errors than the bar by chance. It counts when so many would be seen once in twenty at most.
		if barred && float64(r.Wrong) > bar*float64(r.Pairs) && 1-rows.AtMost(r.Wrong-1, r.Pairs, bar) < noise {
			reasons = append(reasons, fmt.Sprintf("of %s, %d of %d are wrong, the bar is %g", r.Kind, r.Wrong, r.Pairs, bar))
		}
	}
	if auc := candidate.card.AUC; auc < rows.MinAUC {
		reasons = append(reasons, fmt.Sprintf("its AUC is %.5f, the bar is %g", auc, rows.MinAUC))
	}
	lost, won := 0, 0 // pairs of the base set on which only one of the two errs
	for i, r := range candidate.base {
		a, b := current.base[i].Wrong(current.card.Tau), r.Wrong(candidate.card.Tau)
		if r.Label == rows.Reported || a == b {
			continue
		}
		if b {
			lost++
		} else {
			won++
		}
	}
	// McNemar's exact test: without a difference, each of these pairs goes either way.
	if lost > won && rows.AtMost(won, lost+won, 0.5) < noise {
		reasons = append(reasons, fmt.Sprintf("on the base set it loses %d pairs and wins %d", lost, won))
	}
	a, b := current.figures(""), candidate.figures("")
	switch {
	case b.Errors > a.Errors:
		reasons = append(reasons, fmt.Sprintf("it errs on %d held-out pairs, the model in use on %d", b.Errors, a.Errors))
	case b.Errors == a.Errors && b.LogLoss >= a.LogLoss:
		reasons = append(reasons, fmt.Sprintf("it errs as often, on %d held-out pairs, and is no surer: log loss %.6f, the model in use %.6f", b.Errors, b.LogLoss, a.LogLoss))
	}
	return reasons
}

// lines sets the rates of both side by side: their cards have the same kinds in the same order.
func lines(current, candidate side) (out []Line) {
	for i, r := range candidate.card.Rates {
		l := Line{Kind: r.Kind, Same: r.Same, Pairs: r.Pairs, Current: current.card.Rates[i].Wrong, Candidate: r.Wrong}
		if bar, barred := rows.Bar(candidate.card.Kind, r.Kind); barred {
			l.Bar = &bar
		}
		out = append(out, l)
	}
	return out
}

// contest plays the same populations with both models as the judge. Reasons say which bar, held by the model in use, the candidate does not hold, and
// which strategy earns otherwise than it should by more than chance: the intervals of the two do not meet. Intervals that merely exclude the other's
// mean would do so by chance for one of thirty strategies in most contests.
func contest(ctx context.Context, o arena.Options, current, candidate side) (out []Contest, reasons []string, err error) {
	if o.Rules, err = reward.Preset(""); err != nil {
		return nil, nil, err
	}
	var reports [2]arena.Report
	for i, s := range []side{current, candidate} {
		var gallery bytes.Buffer
		if err := rows.WriteGallery(&gallery, s.card, s.all()); err != nil {
			return nil, nil, err
		}
		if o.Gallery, err = arena.Read(&gallery); err == nil {
			reports[i], err = arena.Run(ctx, o)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("the arena: %w", err)
		}
	}
	for i, b := range reports[1].Strategies {
		a := reports[0].Strategies[i]
		out = append(out, Contest{Strategy: b.Name, Bar: b.Bar, Rule: b.Rule, Current: a.Result, Candidate: b.Result})
		worse := b.Low > a.High
		if b.Rule == leastRule {
			worse = b.High < a.Low
		}
		switch {
		case a.Holds && !b.Holds:
			reasons = append(reasons, fmt.Sprintf("in the arena the bar of %s does not hold: its weight is %.3f to %.3f", b.Name, b.Low, b.High))
		case b.Bar != nil && worse:
			reasons = append(reasons, fmt.Sprintf("in the arena the weight of %s goes from %.3f to %.3f", b.Name, a.Weight, b.Weight))
		}
	}
	return out, reasons, nil
}

// leastRule is that of strategies that must not earn less.
const leastRule = "low >= bar"
