package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/vision19/vision/host/retrain"
	"github.com/vision19/vision/reward/compare"
)

// storeFlag adds --store.
func storeFlag(c *cobra.Command, dir *string) {
	c.Flags().StringVar(dir, "store", "", "`DIR` of labelled pairs and reward models, as a validator writes it")
}

// openStore opens a store that exists.
func openStore(dir string) (*retrain.Store, error) {
	if dir == "" {
		return nil, &usageError{errors.New("--store DIR is missing: it names the folder of labelled pairs and reward models")}
	}
	if info, err := os.Stat(dir); err != nil {
		return nil, &usageError{fmt.Errorf("--store: %w", err)}
	} else if !info.IsDir() {
		return nil, &usageError{fmt.Errorf("--store: %s is not a folder", dir)}
	}
	return retrain.Open(dir)
}

// kindsOf are those that --kind asks for, all without it.
func kindsOf(kind string) ([]compare.Kind, error) {
	switch {
	case kind == "":
		return retrain.Kinds, nil
	case slices.Contains(retrain.Kinds, compare.Kind(kind)):
		return []compare.Kind{compare.Kind(kind)}, nil
	}
	return nil, &usageError{fmt.Errorf("--kind is image or strict, not %q", kind)}
}

func (a *app) rewardModelsCommand() *cobra.Command {
	var dir string
	c := a.jsonFlag(&cobra.Command{
		Use:   "models --store DIR",
		Short: "List the reward models, and which is in use",
		Args:  exactArgs(0, "--store DIR"),
		RunE: func(*cobra.Command, []string) error {
			s, err := openStore(dir)
			if err != nil {
				return err
			}
			models, err := s.Models()
			if err != nil {
				return err
			}
			if a.json {
				return printJSON(os.Stdout, map[string]any{"models": models})
			}
			return printModels(models)
		},
	})
	storeFlag(c, &dir)
	return c
}

func printModels(models []retrain.Model) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "KIND\tNAME\tIN USE\tTAU\tAUC\tHONEST WRONG\tCHEATS WRONG\tNOTES")
	for _, m := range models {
		inUse, note := "", ""
		if m.InUse {
			inUse = "yes"
		}
		if len(m.Card.Notes) > 0 {
			note = m.Card.Notes[0]
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%.4f\t%.6f\t%s\t%s\t%s\n", m.Card.Kind, m.Name, inUse, m.Card.Tau, m.Card.AUC, wrong(m.Card, "honest"), wrong(m.Card, "all cheats"), note)
	}
	return w.Flush()
}

// wrong is how many held-out pairs a model errs on.
func wrong(card compare.Card, kind string) string {
	for _, r := range card.Rates {
		if r.Kind == kind {
			return fmt.Sprintf("%d of %d", r.Wrong, r.Pairs)
		}
	}
	return "unknown"
}

func (a *app) rewardUseCommand() *cobra.Command {
	var dir, kind string
	c := &cobra.Command{
		Use:   "use NAME --store DIR",
		Short: "Put another reward model in use: one of the store, or " + retrain.ShippedName,
		Long: "Puts a model in use that `vision reward models` lists, such as the one before. The name " + retrain.ShippedName + " is that of the models that this\n" +
			"version brings along, of both kinds or of --kind.",
		Args: exactArgs(1, "NAME --store DIR"),
		RunE: func(_ *cobra.Command, args []string) error {
			s, err := openStore(dir)
			if err != nil {
				return err
			}
			kinds, err := kindsOf(kind)
			if err != nil {
				return err
			}
			if kind == "" && args[0] != retrain.ShippedName {
				k, err := retrain.KindOf(args[0])
				if err != nil {
					return &usageError{err}
				}
				kinds = []compare.Kind{k}
			}
			for _, k := range kinds {
				if err := s.Use(k, args[0]); errors.Is(err, retrain.ErrName) {
					return &usageError{err}
				} else if err != nil {
					return err
				}
				fmt.Printf("%s: %s is in use\n", k, args[0])
			}
			return nil
		},
	}
	storeFlag(c, &dir)
	c.Flags().StringVar(&kind, "kind", "", "`KIND` of endpoint: image or strict")
	return c
}
