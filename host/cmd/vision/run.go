package main

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

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
			h, _, ok := a.open(c.Context(), a.files(args), log, func(cfg *config.Config) {
				if c.Flags().Changed("listen") {
					cfg.Host.Listen = listen
				}
			})
			if !ok {
				closeHost(h)
				return errShown
			}
			defer closeHost(h)
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
