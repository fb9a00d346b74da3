package retrain

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/vision19/vision/reward/compare"
	"github.com/vision19/vision/reward/rows"
)

// Pair is what an audit has found about two answers to one request.
type Pair struct {
	Time     time.Time          `json:"time"`
	Kind     compare.Kind       `json:"kind"`             // image or strict
	Request  string             `json:"request"`          // its identifier
	Prompt   string             `json:"prompt,omitempty"` // its checksum decides whether the pair is held out; without it, that of the request does
	Same     bool               `json:"same"`             // whether they come from the same parameters
	Source   string             `json:"source"`           // what labelled it: audit
	What     string             `json:"what,omitempty"`   // what is known of the answer that is not the truth
	Features map[string]float64 `json:"features"`         // by compare.Names, as compare.Verdict has them
}

// ErrPair is a pair that nothing can be learned from.
var ErrPair = errors.New("not a labelled pair")

// maxLine bounds a pair in JSON, in bytes. Features take a kilobyte; the longest prompt of an endpoint is some thousand characters.
const maxLine = 16 << 10

// decodePair reads one line. The error is ErrPair.
func decodePair(line []byte) (Pair, error) {
	var p struct {
		Pair
		Same *bool `json:"same"` // a pair without a label must not pass for a cheat
	}
	if len(line) > maxLine {
		return Pair{}, fmt.Errorf("%w: it has %d bytes, at most %d are allowed", ErrPair, len(line), maxLine)
	}
	if err := json.Unmarshal(line, &p); err != nil {
		return Pair{}, fmt.Errorf("%w: %w", ErrPair, err)
	}
	if p.Same == nil {
		return Pair{}, fmt.Errorf("%w: it says neither \"same\": true nor false", ErrPair)
	}
	p.Pair.Same = *p.Same
	return p.Pair, p.check()
}

// check reports what is wrong, as an ErrPair.
func (p Pair) check() error {
	if p.Kind != compare.Image && p.Kind != compare.Strict {
		return fmt.Errorf("%w: its kind is %q; it must be image or strict", ErrPair, p.Kind)
	}
	if p.Request == "" && p.Prompt == "" {
		return fmt.Errorf("%w: it names no request", ErrPair)
	}
	if len(p.Features) == 0 {
		return fmt.Errorf("%w: it has no features; pictures of different sizes have none", ErrPair)
	}
	for name, x := range p.Features {
		if !slices.Contains(compare.Names(), name) {
			return fmt.Errorf("%w: there is no feature %q", ErrPair, name)
		}
		if math.IsNaN(x) || math.Abs(x) > math.MaxFloat32 { // XGBoost computes in float32
			return fmt.Errorf("%w: its %s is %g", ErrPair, name, x)
		}
	}
	return nil
}

// The kinds that audited pairs have among the rows.
const (
	auditedSame      = "audited same"
	auditedDifferent = "audited different"
)

// audited makes rows of the pairs of a kind. Their requests are counted from first on.
func audited(pairs []Pair, kind compare.Kind, first int) (out []rows.Row) {
	requests := map[string]int{}
	for _, p := range pairs {
		if p.Kind != kind {
			continue
		}
		id := cmp.Or(p.Prompt, p.Request)
		if _, known := requests[id]; !known {
			requests[id] = first + len(requests)
		}
		r := rows.Row{Request: requests[id], HeldOut: rows.HeldOut(id), Kind: auditedDifferent, Label: rows.Cheat}
		if p.Same {
			r.Kind, r.Label = auditedSame, rows.Honest
		}
		for _, name := range compare.Names() {
			x, known := p.Features[name]
			if !known {
				x = math.NaN()
			}
			r.Features = append(r.Features, x)
		}
		out = append(out, r)
	}
	return out
}

// auditWeight is how many pairs of the base set an audited pair counts for in training: audits are few, and show what miners really send.
const auditWeight = 5

// weights are those of the audited kinds. Those of a label never weigh more than all of the base set with that label, so that no number of audits, wrong
// ones among them, makes a model forget what the base set shows.
func weights(base, audits []rows.Row) map[string]float64 {
	count := func(all []rows.Row, label rows.Label) (n float64) {
		for _, r := range all {
			if r.Trains() && r.Label == label {
				n++
			}
		}
		return n
	}
	weight := func(label rows.Label) float64 {
		return min(auditWeight, count(base, label)/max(1, count(audits, label)))
	}
	return map[string]float64{auditedSame: weight(rows.Honest), auditedDifferent: weight(rows.Cheat)}
}
