package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"github.com/vision19/vision/host"
	"github.com/vision19/vision/host/config"
)

// The exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2 // wrong usage or configuration
)

// usageError makes the exit code 2. Its text may be empty when the fault has been printed.
type usageError struct{ error }

var errInterrupted = errors.New("interrupted")

var errShown = &usageError{errors.New("")}

// app is what all commands share.
type app struct {
	configs []string
	state   string
	level   string
	json    bool
}

func newRoot() *cobra.Command {
	a := &app{}
	root := &cobra.Command{
		Use:           "vision",
		Short:         "A plugin host for decentralised image inference",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return &usageError{fmt.Errorf("unknown command %q; `vision help` lists them", args[0])}
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	flags := root.PersistentFlags()
	flags.StringArrayVar(&a.configs, "config", nil, "configuration `FILE.hcl`, repeatable (default "+config.DefaultFile+")")
	state := os.Getenv("VISION_STATE")
	if state == "" {
		state = host.DefaultStateDir()
	}
	flags.StringVar(&a.state, "state", state, "`DIR` of the state; also VISION_STATE")
	flags.StringVar(&a.level, "log-level", "", "`LEVEL` of the log on stderr: debug, info, warn or error (default info for run, none for other commands)")
	root.AddCommand(a.runCommand(), a.planCommand(), a.validateCommand(), a.fmtCommand(), a.describeCommand(), a.doctorCommand(), a.psCommand(), a.generateCommand())
	root.AddCommand(a.lockCommand(), a.logsCommand(), a.reloadCommand(), a.pluginCommand(), a.rewardCommand(), a.arenaCommand(), a.synthCommand())
	root.AddCommand(a.weightsCommand(), a.metagraphCommand(), a.walletCommand(), a.devnetCommand())
	return root
}

// jsonFlag adds --json to a read command.
func (a *app) jsonFlag(c *cobra.Command) *cobra.Command {
	c.Flags().BoolVar(&a.json, "json", false, "one JSON document on stdout")
	return c
}

// files are the configuration files of a command: its arguments, else --config, else the default.
func (a *app) files(args []string) []string {
	switch {
	case len(args) > 0:
		return args
	case len(a.configs) > 0:
		return a.configs
	}
	return []string{config.DefaultFile}
}

// logger logs on stderr from the level that was asked for, or from usual.
func (a *app) logger(usual slog.Level) (*slog.Logger, error) {
	if a.level != "" {
		if err := usual.UnmarshalText([]byte(a.level)); err != nil {
			return nil, &usageError{errors.New("--log-level is debug, info, warn or error")}
		}
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: usual})), nil
}

// silent is above every level: a command that prints its errors need not log them too.
const silent = slog.LevelError + 1

// open loads the configuration and makes a host. Every fault has been printed when ok is false; the host may still plan.
func (a *app) open(ctx context.Context, files []string, log *slog.Logger, change func(*config.Config)) (h *host.Host, c *config.Config, ok bool) {
	return a.openWith(ctx, func() (*config.Config, hcl.Diagnostics) {
		c, diags := config.Load(files...)
		if change != nil {
			change(c)
		}
		return c, diags
	}, host.Options{Log: log})
}

func (a *app) openWith(ctx context.Context, load func() (*config.Config, hcl.Diagnostics), o host.Options) (h *host.Host, c *config.Config, ok bool) {
	c, diags := load()
	o.StateDir = a.state
	h, more := host.New(ctx, c, o)
	diags = append(diags, more...)
	show(c, diags)
	return h, c, h != nil && !diags.HasErrors()
}

// show prints diagnostics with their source lines on stderr.
func show(c *config.Config, diags hcl.Diagnostics) { _ = c.WriteDiagnostics(os.Stderr, diags) }

// closeHost ends a host within the time that its requests have.
func closeHost(h *host.Host) {
	if h != nil {
		h.Close(context.Background())
	}
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
