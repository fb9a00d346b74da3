package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/vision19/vision/host/api"
	"github.com/vision19/vision/host/config"
)

func (a *app) psCommand() *cobra.Command {
	return a.jsonFlag(&cobra.Command{
		Use:   "ps",
		Short: "Show the plugins of the running host",
		Args:  exactArgs(0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			plugins, err := client.Plugins(c.Context())
			if err != nil {
				return err
			}
			if a.json {
				return printJSON(os.Stdout, map[string]any{"plugins": plugins})
			}
			return printPlugins(plugins)
		},
	})
}

// printPlugins prints one line a process, and one for a plugin without any.
func printPlugins(plugins []api.Plugin) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tENDPOINT\tSTATE\tPID\tDEVICE\tMEMORY\tRESTARTS\tQUEUE\tRUNNING\tSANDBOX\tLAST ERROR")
	for _, p := range plugins {
		rows := p.Replicas
		if len(rows) == 0 {
			rows = []api.Replica{{Name: p.Name, State: p.State, Device: p.Device}}
		}
		for i, r := range rows {
			state, queue := r.State, "" // the replicas have one queue
			if i == 0 {
				queue = strconv.Itoa(p.Queue)
			}
			if p.Stage != "" && r.State == p.State {
				state = loading(p)
			}
			reason, _, _ := strings.Cut(r.LastError, "\n")
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\t%d\t%s\t%d\t%s\t%s\n",
				r.Name, p.Endpoint, state, r.PID, r.Device, config.FormatSize(r.Bytes), r.Restarts, queue, r.Running, sandbox(r.Sandbox), reason)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, p := range plugins {
		if p.Override != "" {
			fmt.Fprintf(os.Stderr, "DEVELOPMENT OVERRIDE: %s runs %s\n", p.Name, p.Override)
		}
	}
	return nil
}

// sandbox says in a word what a process is kept from, and at length what it is not.
func sandbox(s *api.Sandbox) string {
	if s == nil {
		return "-"
	}
	return fmt.Sprintf("files: %s, network: %s", s.Files, s.Network)
}
