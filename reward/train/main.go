// Command train makes the reward models that the host ships: it renders requests with the real plugins of this repository, as honest miners and
// as cheats would, pairs the pictures, has XGBoost learn which pairs are the same, and checks what it has learned on pairs that it has not seen.
// README.md beside it is the recipe.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
)

// options are what the stages share.
type options struct {
	work     string // where renders, rows and reports go
	requests int    // of the image kind
	seed     uint64
	workers  int
	ship     bool // although a bar is missed
}

// stages in their order. Each goes on from what lies in the work folder.
var stages = []struct {
	name string
	run  func(context.Context, options) error
}{
	{"models", makeModels},
	{"render", render},
	{"pair", pair},
	{"seedless", seedless},
	{"fit", fit},
	{"check", check},
}

func main() {
	var o options
	flag.StringVar(&o.work, "work", "reward/train/work", "`DIR` of renders, rows and reports")
	flag.IntVar(&o.requests, "requests", 3200, "how many requests are rendered for pictures")
	flag.Uint64Var(&o.seed, "seed", 3, "of the requests")
	flag.IntVar(&o.workers, "workers", 4, "requests that are under way at once")
	flag.BoolVar(&o.ship, "ship", false, "ship models that miss a bar too; their cards say so")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "train:", err)
		os.Exit(1)
	}
}

// run runs the named stages, all without a name.
func run(ctx context.Context, o options, names []string) error {
	known := map[string]bool{}
	for _, s := range stages {
		known[s.name] = true
	}
	wanted := map[string]bool{}
	for _, name := range names {
		if !known[name] {
			return fmt.Errorf("no stage %q: models, render, pair, seedless, fit, check", name)
		}
		wanted[name] = true
	}
	if o.requests < 10 {
		return errors.New("-requests must be at least 10: they are split by tenths")
	}
	for _, s := range stages {
		if len(names) > 0 && !wanted[s.name] {
			continue
		}
		if err := s.run(ctx, o); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}
