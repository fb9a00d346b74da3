package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/vision19/vision/host"
	"github.com/vision19/vision/host/api"
	"github.com/vision19/vision/host/config"
)

func (a *app) psCommand() *cobra.Command {
	return a.jsonFlag(&cobra.Command{
		Use:   "ps",
		Short: "Show the plugins of the running host",
		Args:  exactArgs(0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			running, err := host.FindRunning(a.state)
			if errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("no host runs on %s; start one with `vision run`", a.state)
			} else if err != nil {
				return err
			}
			plugins, err := api.NewClient(running.Socket).Plugins(c.Context())
			if err != nil {
				return err
			}
			if a.json {
				return printJSON(os.Stdout, map[string]any{"plugins": plugins})
			}
			w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "NAME\tENDPOINT\tSTATE\tPID\tDEVICE\tMEMORY\tRESTARTS\tQUEUE\tRUNNING\tLAST ERROR")
			for _, p := range plugins {
				reason, _, _ := strings.Cut(p.LastError, "\n")
				if p.Stage != "" {
					p.State = loading(p)
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\t%d\t%d\t%d\t%s\n", p.Name, p.Endpoint, p.State, p.PID, p.Device, config.FormatSize(p.Bytes), p.Restarts, p.Queue, p.Running, reason)
			}
			return w.Flush()
		},
	})
}
