package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/vision19/vision/host/retrain"
	"github.com/vision19/vision/reward/compare"
	"github.com/vision19/vision/reward/rows"
)

func (a *app) rewardRetrainCommand() *cobra.Command {
	o := retrain.Options{Progress: func(line string) { fmt.Fprintln(os.Stderr, line) }}
	var dir, kind, base string
	c := a.jsonFlag(&cobra.Command{
		Use:   "retrain --store DIR",
		Short: "Train reward models with what audits have found, and use those that are better",
		Long: "Trains a candidate on the pairs that this version brings along and on the audited ones of the store. It takes the place of the model in use when it\n" +
			"holds the bars, does better on pairs that neither has learned from, and no strategy of the arena earns more by it. The one before stays in the store:\n" +
			"`vision reward use` goes back to it. Training needs Debian's packages python3-xgboost and python3-numpy.",
		Args: exactArgs(0, "--store DIR"),
		RunE: func(c *cobra.Command, _ []string) error {
			if o.Seeds < 2 || o.Seeds > 1000 {
				return &usageError{fmt.Errorf("--seeds is %d; it must be from 2 to 1000", o.Seeds)}
			}
			kinds, err := kindsOf(kind)
			if err != nil {
				return err
			}
			s, err := openStore(dir)
			if err != nil {
				return err
			}
			var reports []retrain.Report
			for _, o.Kind = range kinds {
				if o.Base, err = readBase(base, o.Kind); err != nil {
					return &usageError{fmt.Errorf("--base: %w", err)}
				}
				r, err := s.Retrain(c.Context(), o)
				if c.Context().Err() != nil {
					return errInterrupted
				} else if err != nil {
					return fmt.Errorf("%s: %w", o.Kind, err)
				}
				for _, w := range r.Warnings {
					fmt.Fprintln(os.Stderr, "warning:", w)
				}
				if reports = append(reports, r); a.json {
					continue
				}
				if err := printRetrained(r); err != nil {
					return err
				}
			}
			if a.json {
				return printJSON(os.Stdout, map[string]any{"models": reports})
			}
			return nil
		},
	})
	storeFlag(c, &dir)
	flags := c.Flags()
	flags.StringVar(&kind, "kind", "", "`KIND` of endpoint: image or strict (default both)")
	flags.StringVar(&base, "base", "", "`DIR` of other pairs in place of those that this version brings along: image.rows.gz, strict.rows.gz")
	flags.StringVar(&o.Python, "python", retrain.DefaultPython, "`FILE` of a Python that has xgboost and numpy")
	flags.IntVar(&o.Seeds, "seeds", retrain.DefaultSeeds, "runs of each strategy in the arena")
	flags.BoolVar(&o.DryRun, "dry-run", false, "say what would be done, and change nothing")
	return c
}

// maxBase bounds a file of --base, in bytes. What is brought along has less than one megabyte.
const maxBase = 16 << 20

// readBase reads the pairs that --base names; none without it.
func readBase(dir string, kind compare.Kind) ([]rows.Row, error) {
	if dir == "" {
		return nil, nil
	}
	path := filepath.Join(dir, string(kind)+".rows.gz")
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil {
		return nil, err
	} else if info.Size() > maxBase {
		return nil, errors.New(path + " is too large")
	}
	all, err := rows.Decode(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return all, nil
}

func printRetrained(r retrain.Report) error {
	would := ""
	if r.DryRun {
		would = " (dry run: nothing is changed)"
	}
	if r.Outcome == retrain.Replaced && !r.DryRun {
		fmt.Printf("%s: replaced: %s takes the place of %s\n", r.Kind, r.Candidate.Name, r.Current.Name)
	} else {
		fmt.Printf("%s: %s%s; %s is in use\n", r.Kind, r.Outcome, would, r.Current.Name)
	}
	for _, reason := range r.Reasons {
		fmt.Printf("  %s\n", reason)
	}
	if r.Candidate == nil {
		return nil
	}
	fmt.Printf("\naudited pairs: %d learned from, %d held out; in training one counts for %.3g honest pairs of the base set, or for %.3g cheats\n\n",
		r.Learned, r.HeldOut, r.Weights.Same, r.Weights.Different)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "HELD-OUT PAIRS\tARE\tPAIRS\tIN USE: WRONG\tCANDIDATE: WRONG\tBAR")
	for _, l := range r.Lines {
		are, bar := "different", ""
		if l.Same {
			are = "the same"
		}
		if l.Bar != nil {
			bar = fmt.Sprintf("%g", *l.Bar)
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%s\n", l.Kind, are, l.Pairs, l.Current, l.Candidate, bar)
	}
	fmt.Fprintf(w, "all that count\t\t\t%d\t%d\n", r.Current.Errors, r.Candidate.Errors)
	fmt.Fprintf(w, "log loss\t\t\t%.6f\t%.6f\n", r.Current.LogLoss, r.Candidate.LogLoss)
	fmt.Fprintf(w, "AUC\t\t\t%.6f\t%.6f\t%g\n", r.Current.AUC, r.Candidate.AUC, rows.MinAUC)
	fmt.Fprintf(w, "tau\t\t\t%.6f\t%.6f\n\n", r.Current.Tau, r.Candidate.Tau)
	if err := w.Flush(); err != nil || len(r.Contests) == 0 {
		return err
	}
	fmt.Fprintln(w, "STRATEGY\tBAR\tIN USE: WEIGHT\t95 %\tCANDIDATE: WEIGHT\t95 %")
	for _, c := range r.Contests {
		fmt.Fprintf(w, "%s\t%s\t%.3f\t%s\t%.3f\t%s\n", c.Strategy, barOf(c.Rule, c.Bar), c.Current.Weight, interval(c.Current), c.Candidate.Weight, interval(c.Candidate))
	}
	fmt.Fprintln(w)
	return w.Flush()
}
