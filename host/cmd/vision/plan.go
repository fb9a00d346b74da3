package main

import (
	"errors"
	"fmt"
	"os"
	"text/tabwriter"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/spf13/cobra"

	"github.com/vision19/vision/host/config"
	"github.com/vision19/vision/host/plan"
)

func (a *app) planCommand() *cobra.Command {
	return a.jsonFlag(&cobra.Command{
		Use:   "plan [FILE.hcl ...]",
		Short: "Show where each plugin would run, without starting anything",
		RunE: func(c *cobra.Command, args []string) error {
			log, err := a.logger(silent)
			if err != nil {
				return err
			}
			h, _, ok := a.open(c.Context(), a.files(args), log, nil)
			defer closeHost(h)
			if h == nil {
				return errShown
			}
			p := h.Plan()
			if a.json {
				err = printJSON(os.Stdout, p)
			} else {
				err = printPlan(p)
			}
			if !ok {
				err = errors.Join(err, errShown)
			}
			return err
		},
	})
}

func printPlan(p plan.Plan) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "PLUGIN\tENDPOINT\tDEVICE\tMEMORY\tACTION\tREASON")
	for _, x := range p.Plugins {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", x.Name, x.Endpoint, x.Device, config.FormatSize(x.Bytes), x.Action, x.Reason)
	}
	fmt.Fprintln(w, "\nDEVICE\tPLANNED\tBUDGET")
	for _, d := range p.Devices {
		fmt.Fprintf(w, "%s\t%s\t%s\n", d.Name, config.FormatSize(d.Planned), config.FormatSize(d.Budget))
	}
	return w.Flush()
}

func (a *app) validateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "validate [FILE.hcl ...]",
		Short: "Check the files, the plugins and the plugins' own configuration",
		RunE: func(c *cobra.Command, args []string) error {
			log, err := a.logger(silent)
			if err != nil {
				return err
			}
			h, cfg, ok := a.open(c.Context(), a.files(args), log, nil)
			defer closeHost(h)
			if h == nil {
				return errShown
			}
			_, diags := h.Inspect(c.Context(), "")
			if c.Context().Err() != nil {
				return errInterrupted
			}
			show(cfg, diags)
			if !ok || diags.HasErrors() {
				return errShown
			}
			fmt.Printf("no fault found; plugins declared: %d\n", len(cfg.Plugins))
			return nil
		},
	}
}

func (a *app) fmtCommand() *cobra.Command {
	var check bool
	c := &cobra.Command{
		Use:   "fmt [FILE.hcl ...]",
		Short: "Write the files in the canonical format",
		RunE: func(_ *cobra.Command, args []string) error {
			changed := false
			for _, path := range a.files(args) {
				old, err := os.ReadFile(path)
				if err != nil {
					return &usageError{err}
				}
				if _, diags := hclsyntax.ParseConfig(old, path, hcl.InitialPos); diags.HasErrors() {
					return &usageError{fmt.Errorf("%s cannot be parsed, see `vision validate`: %w", path, diags)}
				}
				formatted := hclwrite.Format(old)
				if string(formatted) == string(old) {
					continue
				}
				changed = true
				fmt.Println(path)
				if check {
					continue
				}
				info, err := os.Stat(path)
				if err != nil {
					return err
				}
				if err := os.WriteFile(path, formatted, info.Mode().Perm()); err != nil {
					return err
				}
			}
			if check && changed {
				return errors.New("not in the canonical format; `vision fmt` writes it")
			}
			return nil
		},
	}
	c.Flags().BoolVar(&check, "check", false, "only list the files that would change, and fail if there are any")
	return c
}
