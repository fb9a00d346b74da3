package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"

	real "github.com/vision19/vision/host/arena"
	"github.com/vision19/vision/host/config"
	"github.com/vision19/vision/reward/arena"
	"github.com/vision19/vision/reward/compare"
	"github.com/vision19/vision/sdk"
)

// realMode is which plugins paint for the arena, and how much.
type realMode struct {
	cast     real.Cast
	requests int
}

func (r *realMode) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&r.cast.Reference, "plugin", "text-to-image", "real: the `PLUGIN` that paints")
	f.StringVar(&r.cast.Hardware, "hardware", "", "real: a `PLUGIN` block with the same model run in another way, for honest miners (default the same)")
	f.StringVar(&r.cast.Checkpoint, "checkpoint", "", "real: a `PLUGIN` block with another model; without one smaller-model is not played")
	f.StringVar(&r.cast.Embedder, "embedder", "", "real: a `PLUGIN` that embeds pictures, for the fallback (default none)")
	f.IntVar(&r.requests, "requests", 24, "real: requests that are painted in every way")
}

// names are the plugins that play.
func (r *realMode) names() []string {
	all := []string{r.cast.Reference, r.cast.Hardware, r.cast.Checkpoint, r.cast.Embedder}
	return slices.DeleteFunc(all, func(n string) bool { return n == "" })
}

// playReal paints, and plays with what was painted.
func (a *app) playReal(c *cobra.Command, o arena.Options, r *realMode, plot string) error {
	o.Strategies, o.Gallery = r.playable(o.Strategies), &real.Gallery{}
	if err := o.Check(); err != nil { // before the work, not after it
		return &usageError{err}
	}
	gallery, err := a.paint(c.Context(), r, o.Seed)
	if errors.Is(err, arena.ErrOptions) {
		return &usageError{err}
	} else if err != nil {
		return err
	}
	o.Gallery = gallery
	return a.playArena(c, o, plot)
}

// paint starts the plugins and has them paint.
func (a *app) paint(ctx context.Context, r *realMode, seed uint64) (*real.Gallery, error) {
	if err := real.CheckRequests(r.requests); err != nil {
		return nil, err
	}
	log, err := a.logger(silent)
	if err != nil {
		return nil, err
	}
	missing := ""
	h, _, ok := a.open(ctx, a.files(nil), log, func(c *config.Config) {
		if c == nil {
			return
		}
		for _, name := range r.names() {
			if _, declared := c.Plugin(name); !declared {
				missing = name
			}
		}
		c.Plugins = slices.DeleteFunc(c.Plugins, func(p config.Plugin) bool { return !slices.Contains(r.names(), p.Name) })
	})
	defer closeHost(h)
	if missing != "" {
		return nil, &usageError{fmt.Errorf("no plugin %q is declared", missing)}
	}
	if !ok {
		return nil, errShown
	}
	descriptions, diags := h.Inspect(ctx, r.cast.Reference)
	if diags.HasErrors() {
		return nil, &usageError{diags}
	}
	d := descriptions[r.cast.Reference]
	if d.Output.Kind != sdk.ImageOutput {
		return nil, &usageError{fmt.Errorf("%s gives no pictures", r.cast.Reference)}
	}
	h.Start()
	stopWatching := watchLoading(h)
	err = h.AwaitReady(ctx)
	stopWatching()
	if errors.Is(err, sdk.ErrInvalidInput) {
		return nil, &usageError{err}
	} else if err != nil {
		return nil, err
	}
	model, err := compare.Shipped(compare.KindOf(d))
	if err != nil {
		return nil, &usageError{err}
	}
	return real.Painter{Host: h, Description: d, Model: model, Cast: r.cast, Progress: paintingProgress}.Paint(ctx, r.requests, seed)
}

// paintingProgress says on stderr, ten times, how far it is.
func paintingProgress(done, total int) {
	if done*10/total != (done-1)*10/total {
		fmt.Fprintf(os.Stderr, "arena: %d of %d requests painted\n", done, total)
	}
}

// playable leaves out what nobody plays.
func (r *realMode) playable(strategies []string) []string {
	if strategies == nil {
		strategies = arena.Strategies()
	}
	if r.cast.Checkpoint == "" {
		strategies = slices.DeleteFunc(slices.Clone(strategies), func(s string) bool { return s == "smaller-model" })
	}
	return strategies
}
