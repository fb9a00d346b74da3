package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/vision19/vision/reward"
	"github.com/vision19/vision/reward/arena"
)

func (a *app) arenaCommand() *cobra.Command {
	o, r := arena.Options{}, &realMode{}
	mode, chosen, references, plot := "", "", "", ""
	c := a.jsonFlag(&cobra.Command{
		Use:   "arena",
		Short: "Play honest miners and cheats against the scoring rules, and show what each earns",
		Long: "Play honest miners and cheats against the scoring rules, and show what each earns relative to an honest miner, or, if it is honest itself,\n" +
			"to a clean twin. Beside it: the same without references, and under the rules of the last 2.x code (v2). It fails when a bar does not hold.\n\n" +
			"Strategies: " + strings.Join(arena.Strategies(), ", ") + ".",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if mode != "fast" && mode != "real" {
				return &usageError{fmt.Errorf("--mode is fast or real, not %q", mode)}
			}
			if chosen != "all" {
				o.Strategies = strings.Split(chosen, ",")
			}
			o.References = arena.References(references)
			rules, err := reward.Preset("")
			if err != nil {
				return err
			}
			o.Rules, o.Progress = rules, arenaProgress
			if mode == "real" {
				return a.playReal(c, o, r, plot)
			}
			pairs, err := arena.Recorded()
			if err != nil {
				return err
			}
			o.Gallery = pairs
			return a.playArena(c, o, plot)
		},
	})
	f := c.Flags()
	f.IntVar(&o.Miners, "miners", 64, "miners, those with the strategy included")
	f.IntVar(&o.Periods, "periods", 40, "scoring periods; what counts is the last quarter")
	f.Uint64Var(&o.Seed, "seed", 1, "of the first run")
	f.IntVar(&o.Seeds, "seeds", 20, "runs, each with the next seed")
	f.StringVar(&chosen, "strategies", "all", "all, or a comma-separated `LIST`")
	f.StringVar(&references, "references", "both", "whether the validator runs requests itself: on, off or both")
	f.StringVar(&mode, "mode", "fast", "fast draws pictures from recorded ones, real paints them")
	f.StringVar(&plot, "plot", "", "write an SVG `FILE` with the weights over the periods")
	r.flags(c)
	return c
}

// playArena plays, prints, and fails when a bar does not hold.
func (a *app) playArena(c *cobra.Command, o arena.Options, plot string) error {
	report, err := arena.Run(c.Context(), o)
	switch {
	case errors.Is(err, arena.ErrOptions):
		return &usageError{err}
	case c.Context().Err() != nil:
		return errInterrupted
	case err != nil:
		return err
	}
	if plot != "" {
		if err := writePlot(plot, report); err != nil {
			return err
		}
	}
	if a.json {
		err = printJSON(os.Stdout, report)
	} else {
		err = printArena(report)
	}
	if failed := report.Failed(); err == nil && len(failed) > 0 {
		err = fmt.Errorf("the bar does not hold for %s", strings.Join(failed, ", "))
	}
	return err
}

// arenaProgress says on stderr, ten times, how far it is.
func arenaProgress(done, total int) {
	if done*10/total != (done-1)*10/total {
		fmt.Fprintf(os.Stderr, "arena: %d of %d runs\n", done, total)
	}
}

func writePlot(path string, r arena.Report) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(r.Plot(f), f.Close())
}

func printArena(r arena.Report) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	heads := "STRATEGY\tWEIGHT\t95 %\tBAR\tHOLDS"
	if r.References == arena.Both {
		heads += "\tNO REFERENCES\t95 %\tHOLDS"
	}
	fmt.Fprintln(w, heads+"\tV2\t95 %")
	for _, s := range r.Strategies {
		holds := func(bool) string { return "" }
		if s.Bar != nil {
			holds = yesNo
		}
		fmt.Fprintf(w, "%s\t%.3f\t%s\t%s\t%s", s.Name, s.Weight, interval(s.Result), barOf(s.Rule, s.Bar), holds(s.Holds))
		if off := s.ReferencesOff; off != nil {
			fmt.Fprintf(w, "\t%.3f\t%s\t%s", off.Weight, interval(*off), holds(off.Holds))
		}
		fmt.Fprintf(w, "\t%.3f\t%s\n", s.V2.Weight, interval(*s.V2))
	}
	return w.Flush()
}

func interval(r arena.Result) string { return fmt.Sprintf("%.3f..%.3f", r.Low, r.High) }

// barOf is a strategy's bar; one that is held to nothing has none.
func barOf(rule string, bar *float64) string {
	if bar == nil {
		return ""
	}
	return fmt.Sprintf("%s %.2f", strings.Fields(rule)[1], *bar)
}

func yesNo(holds bool) string {
	if holds {
		return "yes"
	}
	return "NO"
}
