package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/vision19/vision/host/api"
	"github.com/vision19/vision/host/config"
	"github.com/vision19/vision/host/plan"
)

func (a *app) reloadCommand() *cobra.Command {
	return a.jsonFlag(&cobra.Command{
		Use:   "reload",
		Short: "Make the running host move to what its files declare now",
		Long: "Make the running host read its files again and move to what they declare now: what has not changed goes on, what has is\n" +
			"started anew before its old process ends. The exit code is 1 when a plugin does not start, which goes on as it was, and 2 when\n" +
			"the files are wrong and nothing has changed.",
		Args: exactArgs(0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			report, err := client.Reload(c.Context())
			if c.Context().Err() != nil {
				return fmt.Errorf("%w: the host goes on with the reload, see `vision ps`", errInterrupted)
			} else if err != nil {
				return err
			}
			if a.json {
				err = printJSON(os.Stdout, report)
			} else {
				err = printReport(report)
			}
			return errors.Join(err, reloadError(report))
		},
	})
}

// printReport prints what has changed, and what is wrong on stderr.
func printReport(r api.ReloadReport) error {
	fmt.Fprint(os.Stderr, r.Diagnostics)
	if !r.Applied {
		_, err := fmt.Println("nothing has changed")
		return err
	}
	var p plan.Plan
	if err := json.Unmarshal(r.Plan, &p); err != nil {
		return fmt.Errorf("read the host's plan: %w", err)
	}
	return printChanges(p)
}

// printChanges prints the plugins that a plan does not leave alone.
func printChanges(p plan.Plan) error {
	w, changed := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0), false
	for _, x := range p.Plugins {
		if x.Action == plan.Keep {
			continue
		}
		if !changed {
			fmt.Fprintln(w, "PLUGIN\tENDPOINT\tDEVICE\tMEMORY\tACTION\tREASON")
			changed = true
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", x.Instance(), x.Endpoint, x.Device, config.FormatSize(x.Bytes), x.Action, x.Reason)
	}
	if !changed {
		fmt.Fprintln(w, "nothing has changed")
	}
	return w.Flush()
}

// reloadError decides the exit code.
func reloadError(r api.ReloadReport) error {
	switch {
	case len(r.Errors) > 0:
		return errors.New(strings.Join(r.Errors, "\nvision: "))
	case !r.Applied:
		return &usageError{errors.New("the configuration is wrong; the host goes on as it was")}
	}
	return nil
}
