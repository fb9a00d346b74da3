package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/spf13/cobra"

	"github.com/vision19/vision/host"
	"github.com/vision19/vision/host/api"
	"github.com/vision19/vision/host/config"
	"github.com/vision19/vision/host/device"
	"github.com/vision19/vision/host/instance"
	"github.com/vision19/vision/host/plan"
)

func (a *app) planCommand() *cobra.Command {
	inventory, suggest := "", false
	c := a.jsonFlag(&cobra.Command{
		Use:   "plan [FILE.hcl ...]",
		Short: "Show where each plugin would run, without starting anything",
		Long: "Show what `vision run` or, where a host runs, `vision reload` would do: where each plugin goes, what would be unloaded\n" +
			"for those that are loaded on demand, and what does not fit and by how much. With --suggest, show which of the declared plugins earn most\n" +
			"within the devices' memory: by weight per GiB x requests per second, as far as they have been measured.",
		RunE: func(c *cobra.Command, args []string) error {
			log, err := a.logger(silent)
			if err != nil {
				return err
			}
			options, err := a.surroundings(c.Context(), inventory)
			if err != nil {
				return err
			}
			options.Log = log
			load := func() (*config.Config, hcl.Diagnostics) { return config.Load(a.files(args)...) }
			if suggest {
				load = func() (*config.Config, hcl.Diagnostics) { return loadCandidates(a.files(args)) }
			}
			broken := false
			h, _, ok := a.openWith(c.Context(), func() (*config.Config, hcl.Diagnostics) {
				cfg, diags := load()
				broken = diags.HasErrors()
				return cfg, diags
			}, options)
			defer closeHost(h)
			if h == nil || broken { // of half a file there is no plan
				return errShown
			}
			if suggest {
				err = a.printSuggestion(plan.Suggest(h.Devices(), h.Candidates()))
			} else {
				err = a.printPlan(h.Plan())
			}
			if !ok {
				err = errors.Join(err, errShown)
			}
			return err
		},
	})
	c.Flags().StringVar(&inventory, "inventory", "", "plan for the machine that the JSON `FILE` describes instead of this one")
	c.Flags().BoolVar(&suggest, "suggest", false, "show which of the plugins are worth their memory")
	return c
}

// surroundings is what a plan is made for: another machine, or this one with what runs on it.
func (a *app) surroundings(ctx context.Context, inventory string) (host.Options, error) {
	if inventory != "" {
		machine, err := device.ReadInventory(inventory)
		if err != nil {
			return host.Options{}, &usageError{err}
		}
		return host.Options{Inventory: &machine}, nil
	}
	found, err := host.FindRunning(a.state)
	if errors.Is(err, os.ErrNotExist) {
		return host.Options{}, nil
	} else if err != nil {
		return host.Options{}, err
	}
	plugins, err := api.NewClient(found.Socket, found.Token).Plugins(ctx)
	if err != nil {
		return host.Options{}, fmt.Errorf("ask the running host what it runs: %w", err)
	}
	return host.Options{Running: runningProcesses(plugins)}, nil
}

// runningProcesses is what a host runs, as the planner sees it.
func runningProcesses(plugins []api.Plugin) (out []plan.Running) {
	for _, p := range plugins {
		for _, r := range p.Replicas {
			if r.State == string(instance.Stopped) {
				continue
			}
			_, number, _ := strings.Cut(r.Name, "/")
			replica, _ := strconv.Atoi(number) // 0 is the first, which has no number
			out = append(out, plan.Running{
				Name: p.Name, Replica: replica, Device: r.Device, Digest: r.Digest, Bytes: r.Reserved, Busy: p.Busy, Pinned: r.Pinned,
				Idle: time.Duration(r.IdleMS * float64(time.Millisecond)),
			})
		}
	}
	return out
}

func (a *app) printPlan(p plan.Plan) error {
	if a.json {
		return printJSON(os.Stdout, p)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "PLUGIN\tENDPOINT\tDEVICE\tMEMORY\tACTION\tREASON")
	for _, x := range p.Plugins {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", x.Instance(), x.Endpoint, x.Device, config.FormatSize(x.Bytes), x.Action, x.Reason)
	}
	return printUsage(w, p.Devices)
}

// printUsage ends a table with the devices.
func printUsage(w *tabwriter.Writer, devices []plan.Usage) error {
	fmt.Fprintln(w, "\nDEVICE\tPLANNED\tBUDGET")
	for _, d := range devices {
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
