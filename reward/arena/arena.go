// Package arena plays populations of miners against the rules of package reward, and says what each strategy earns. Every decision, score and
// weight comes from reward's own functions; only the pictures and the latencies are drawn, from a Gallery.
package arena

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/vision19/vision/reward"
)

// References says whether the validator has a plugin of its own for the task.
type References string

// The choices. With Both, the bars are held to the strategies with references.
const (
	On   References = "on"
	Off  References = "off"
	Both References = "both"
)

// Options say what is played.
type Options struct {
	Miners     int
	Periods    int
	Seed       uint64   // of the first run; the next has the next
	Seeds      int      // runs
	Strategies []string // nil: all
	References References
	Rules      reward.Rules
	Gallery    Gallery
	Workers    int                   // at once; below 1: as many as there are processors. The report does not depend on it
	Progress   func(done, total int) // nil, or called after each run, never twice at once
}

// The bounds of the options. Below the least number of miners a ring of ten in a hundred is one; the most are four subnets' full, or a week of periods.
const (
	MinMiners, MaxMiners   = 16, 1024
	MinPeriods, MaxPeriods = 4, 500
	MaxSeeds               = 1000
)

// ErrOptions is when the options cannot be played.
var ErrOptions = errors.New("the arena cannot play this")

// Check reports what is wrong with the options, as an ErrOptions.
func (o Options) Check() error {
	for _, b := range []struct {
		name             string
		value, low, high int
	}{{"miners", o.Miners, MinMiners, MaxMiners}, {"periods", o.Periods, MinPeriods, MaxPeriods}, {"seeds", o.Seeds, 1, MaxSeeds}} {
		if b.value < b.low || b.value > b.high {
			return fmt.Errorf("%w: %s is %d; it must be from %d to %d", ErrOptions, b.name, b.value, b.low, b.high)
		}
	}
	if choices := []References{On, Off, Both}; !slices.Contains(choices, o.References) {
		return fmt.Errorf("%w: references is %q; it must be on, off or both", ErrOptions, o.References)
	}
	for _, name := range o.Strategies {
		if !slices.Contains(Strategies(), name) {
			return fmt.Errorf("%w: strategy %q is unknown; there are %s", ErrOptions, name, strings.Join(Strategies(), ", "))
		}
	}
	if o.Gallery == nil {
		return fmt.Errorf("%w: there is no gallery", ErrOptions)
	}
	if err := o.Rules.Check(); err != nil {
		return fmt.Errorf("%w: %w", ErrOptions, err)
	}
	return nil
}

// Result is what a strategy earns under one way of judging.
type Result struct {
	Weight float64 `json:"relative_weight"` // mean over the last quarter of the periods; 1 is what an honest miner earns, or a clean twin
	Low    float64 `json:"low"`             // of the 95 % interval of the mean over seeds; with one seed the mean
	High   float64 `json:"high"`
	Holds  bool    `json:"holds"`

	course []float64 // by period, mean over seeds
}

// Row is a strategy's results.
type Row struct {
	Name string `json:"name"`
	Result
	Bar           *float64 `json:"bar"`            // nil: not held to anything
	Rule          string   `json:"rule,omitempty"` // "high <= bar" or "low >= bar"
	ReferencesOff *Result  `json:"references_off,omitempty"`
	V2            *Result  `json:"v2,omitempty"`
}

// Report is what was played and what came of it.
type Report struct {
	Seeds      int        `json:"seeds"`
	Periods    int        `json:"periods"`
	Miners     int        `json:"miners"`
	Seed       uint64     `json:"seed"`
	References References `json:"references"`
	Strategies []Row      `json:"strategies"`
}

// Failed lists the strategies whose bar does not hold.
func (r Report) Failed() (names []string) {
	for _, row := range r.Strategies {
		if !row.Holds {
			names = append(names, row.Name)
		}
	}
	return names
}

// Run plays every strategy under the rules with or without references, and under preset v2. It errs with ErrOptions or the context's error.
func Run(ctx context.Context, o Options) (Report, error) {
	if err := o.Check(); err != nil {
		return Report{}, err
	}
	variants, err := o.variants()
	if err != nil {
		return Report{}, err
	}
	var chosen []*strategy
	for i := range strategies {
		if len(o.Strategies) == 0 || slices.Contains(o.Strategies, strategies[i].name) {
			chosen = append(chosen, &strategies[i])
		}
	}
	runs := make([]course, len(chosen)*len(variants)*o.Seeds)
	err = o.each(ctx, len(runs), func(i int) {
		seed, pair := i%o.Seeds, i/o.Seeds
		runs[i] = play(variants[pair%len(variants)], chosen[pair/len(variants)], o, o.Seed+uint64(seed))
	})
	if err != nil {
		return Report{}, err
	}
	report := Report{Seeds: o.Seeds, Periods: o.Periods, Miners: o.Miners, Seed: o.Seed, References: o.References}
	for i, s := range chosen {
		row := Row{Name: s.name}
		if s.bound != none {
			row.Bar, row.Rule = &s.bar, "high <= bar"
		}
		if s.bound == least {
			row.Rule = "low >= bar"
		}
		for j := range variants {
			from := (i*len(variants) + j) * o.Seeds
			r := s.result(runs[from : from+o.Seeds])
			switch j {
			case 0:
				row.Result = r
			case len(variants) - 1:
				row.V2 = &r
			default:
				row.ReferencesOff = &r
			}
		}
		report.Strategies = append(report.Strategies, row)
	}
	return report, nil
}

// variants are the ways of judging: first that which the bars are for, last the original.
func (o Options) variants() ([]variant, error) {
	v2, err := reward.Preset("v2")
	if err != nil {
		return nil, err
	}
	out := []variant{{rules: o.Rules, reference: o.References != Off}}
	if o.References == Both {
		out = append(out, variant{rules: o.Rules})
	}
	return append(out, variant{rules: v2, reference: true, believes: true}), nil
}

// each does n things, several at once.
func (o Options) each(ctx context.Context, n int, do func(int)) error {
	workers := o.Workers
	if workers < 1 {
		workers = runtime.GOMAXPROCS(0)
	}
	var next atomic.Int64
	var lock sync.Mutex
	var all sync.WaitGroup
	done := 0
	for range min(workers, n) {
		all.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				do(i)
				lock.Lock()
				if done++; o.Progress != nil {
					o.Progress(done, n)
				}
				lock.Unlock()
			}
		})
	}
	all.Wait()
	return ctx.Err()
}

// course is one run: the weight relative to the others by period, and over the last quarter.
type course struct {
	byPeriod []float64
	weight   float64
}

func play(v variant, s *strategy, o Options, seed uint64) course {
	w := newWorld(v, s, o.Gallery, o.Miners, seed)
	c := course{byPeriod: make([]float64, o.Periods)}
	members, others := 0.0, 0.0
	for p := range o.Periods {
		a, b := w.step()
		c.byPeriod[p] = ratio(a, b)
		if p >= o.Periods-(o.Periods+3)/4 {
			members, others = members+a, others+b
		}
	}
	c.weight = ratio(members, others)
	return c
}

// ratio is 0 when nobody earns anything.
func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// result is the mean of runs with its interval.
func (s *strategy) result(runs []course) Result {
	n := float64(len(runs))
	r := Result{course: make([]float64, len(runs[0].byPeriod))}
	sum, square := 0.0, 0.0
	for _, run := range runs {
		sum += run.weight
		for p, x := range run.byPeriod {
			r.course[p] += x / n
		}
	}
	r.Weight = sum / n
	for _, run := range runs {
		square += (run.weight - r.Weight) * (run.weight - r.Weight)
	}
	wide := 0.0
	if n > 1 {
		wide = student(len(runs)-1) * math.Sqrt(square/(n-1)/n)
	}
	r.Low, r.High = max(0, r.Weight-wide), r.Weight+wide
	r.Holds = s.holds(r.Low, r.High)
	return r
}

// quantiles are the 0.975 quantiles of Student's t with 1 to 10 degrees of freedom.
var quantiles = [...]float64{12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228}

// student is the 0.975 quantile of Student's t. Beyond the table it is the expansion by powers of 1/df (Abramowitz and Stegun 26.7.5), which is
// right to 0.002 there.
func student(df int) float64 {
	if df <= len(quantiles) {
		return quantiles[df-1]
	}
	const z = 1.959964
	n := float64(df)
	return z + (z*z*z+z)/(4*n) + (5*math.Pow(z, 5)+16*z*z*z+3*z)/(96*n*n)
}
