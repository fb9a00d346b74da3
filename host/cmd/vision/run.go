package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"github.com/vision19/vision/host"
	"github.com/vision19/vision/host/config"
)

func (a *app) runCommand() *cobra.Command {
	var listen string
	c := &cobra.Command{
		Use:   "run [FILE.hcl ...]",
		Short: "Run what the files declare, until interrupted",
		RunE: func(c *cobra.Command, args []string) error {
			log, err := a.logger(slog.LevelInfo)
			if err != nil {
				return err
			}
			load := func() (*config.Config, hcl.Diagnostics) {
				cfg, diags := config.Load(a.files(args)...)
				if c.Flags().Changed("listen") {
					cfg.Host.Listen = listen
				}
				return cfg, diags
			}
			h, _, ok := a.openWith(c.Context(), load, host.Options{Log: log, Load: load})
			if !ok {
				closeHost(h)
				return errShown
			}
			defer closeHost(h)
			go reloadOnHangup(c.Context(), h)
			return h.Run(c.Context(), func(address string) {
				if address != "" {
					fmt.Fprintf(os.Stdout, "listening on http://%s\n", address)
				}
			})
		},
	}
	c.Flags().StringVar(&listen, "listen", config.DefaultListen, "`ADDRESS` of the HTTP API; port 0 is any free one")
	return c
}

// reloadOnHangup does on SIGHUP what `vision reload` does, and prints on stderr what was wrong.
func reloadOnHangup(ctx context.Context, h *host.Host) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	for {
		select {
		case <-hangup:
			report := h.Reload(ctx)
			fmt.Fprint(os.Stderr, report.Diagnostics)
			for _, failure := range report.Errors {
				fmt.Fprintln(os.Stderr, "vision:", failure)
			}
		case <-ctx.Done():
			return
		}
	}
}
