// Command eval asks the shipped plugins for held-out scenes of the captions' world and checks what comes back. `make eval` runs it from the
// repository's root; it writes bin/eval/eval.json and a contact sheet for each endpoint. Arguments name the endpoints to ask, all without any;
// eval.json then has their rows only.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/vision19/vision/host"
	"github.com/vision19/vision/host/config"
)

const out = "bin/eval"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "eval:", err)
		os.Exit(1)
	}
}

// suites are asked in this order.
var suites = []suite{textToImage, imageToImage, inpaint, uncrop, scribble, upscale, clipEmbed}

func run(ctx context.Context, args []string) error {
	chosen, err := choose(args)
	if err != nil {
		return err
	}
	c, diags := config.Load(config.DefaultFile)
	if diags.HasErrors() {
		return diags
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	var all []row
	missed := 0
	printHeader(os.Stdout)
	for _, s := range chosen {
		results, err := evaluate(ctx, c, s)
		if err != nil {
			return err
		}
		for _, r := range s.rows(results) {
			r.print(os.Stdout)
			all = append(all, r)
			if !r.Holds {
				missed++
			}
		}
		if err := save(all, s.endpoint, s.sheet(results)); err != nil {
			return err
		}
	}
	fmt.Printf("rows: %s/eval.json, contact sheets: %s/ENDPOINT.png\n", out, out)
	if missed > 0 {
		return fmt.Errorf("%d bars are not reached", missed)
	}
	return nil
}

// choose finds the suites that the arguments name, separated by commas or as words of their own.
func choose(args []string) ([]suite, error) {
	var names []string
	for _, s := range suites {
		names = append(names, s.endpoint)
	}
	wanted := strings.FieldsFunc(strings.Join(args, ","), func(r rune) bool { return r == ',' })
	if len(wanted) == 0 {
		return suites, nil
	}
	var chosen []suite
	for _, name := range wanted {
		i := slices.Index(names, name)
		if i < 0 {
			return nil, fmt.Errorf("no endpoint %q; there are %s", name, strings.Join(names, ", "))
		}
		chosen = append(chosen, suites[i])
	}
	return chosen, nil
}

// evaluate runs a suite on a host that runs its plugin only.
func evaluate(ctx context.Context, c *config.Config, s suite) ([]result, error) {
	h, diags := host.New(ctx, c, host.Options{StateDir: filepath.Join(out, "state")})
	if h != nil {
		defer h.Close(context.WithoutCancel(ctx))
	}
	if diags.HasErrors() {
		return nil, diags
	}
	if err := h.StartOnly(s.endpoint); err != nil {
		return nil, err
	}
	if err := h.AwaitReady(ctx); err != nil {
		return nil, err
	}
	d, _ := h.Describe(s.endpoint)
	began, count := time.Now(), 0
	// One more than the plugin takes: while a case is painted, another is judged.
	return s.run(ctx, h, d.Capabilities.Concurrency()+1, func() {
		if count++; count%64 == 0 || count == s.cases {
			fmt.Fprintf(os.Stderr, "eval: %s %d of %d, %.0f s\n", s.endpoint, count, s.cases, time.Since(began).Seconds())
		}
	})
}
