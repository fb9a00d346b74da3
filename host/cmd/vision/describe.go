package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/vision19/vision/host"
	"github.com/vision19/vision/host/api"
	"github.com/vision19/vision/host/config"
	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/schema"
)

func (a *app) describeCommand() *cobra.Command {
	return a.jsonFlag(&cobra.Command{
		Use:   "describe PLUGIN",
		Short: "Show what a plugin takes and answers: a name from the configuration, or a binary's path",
		Args:  exactArgs(1, "PLUGIN"),
		RunE: func(c *cobra.Command, args []string) error {
			log, err := a.logger(silent)
			if err != nil {
				return err
			}
			d, err := a.describe(c, args[0], log)
			if err != nil {
				return err
			}
			if a.json {
				return printJSON(os.Stdout, api.NewDescription(d))
			}
			return printDescription(d)
		},
	})
}

// describe asks a binary by its path, or a declared plugin with its configuration.
func (a *app) describe(c *cobra.Command, target string, log *slog.Logger) (sdk.Description, error) {
	if info, err := os.Stat(target); err == nil && info.Mode().IsRegular() {
		return a.describeBinary(c, target, log)
	}
	h, cfg, ok := a.open(c.Context(), a.files(nil), log, nil)
	defer closeHost(h)
	if !ok {
		return sdk.Description{}, errShown
	}
	if _, found := cfg.Plugin(target); !found {
		var names []string
		for _, p := range cfg.Plugins {
			names = append(names, p.Name)
		}
		return sdk.Description{}, &usageError{fmt.Errorf("%s is neither a file nor declared; declared are %s", target, strings.Join(names, ", "))}
	}
	descriptions, diags := h.Inspect(c.Context(), target)
	show(cfg, diags)
	if diags.HasErrors() {
		p, _ := cfg.Plugin(target)
		return sdk.Description{}, &usageError{fmt.Errorf("`vision describe %s` shows what the plugin takes, without a configuration", p.Binary)}
	}
	return descriptions[target], nil
}

func printDescription(d sdk.Description) error {
	fmt.Printf("%s %s: %s\n%s\n\n", d.Endpoint, d.Version, d.Title, d.Doc)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "INPUT\tKIND\tTAKES\tDESCRIPTION")
	for _, i := range d.Inputs {
		takes := fmt.Sprintf("at most %d", i.Count())
		if i.Kind != sdk.TextInput {
			takes += fmt.Sprintf(", %d px each", i.PixelLimit())
		}
		if i.Content == sdk.Lines {
			takes += ", white lines on black"
		}
		if i.Required {
			takes = "required, " + takes
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", i.Name, i.Kind, takes, i.Doc)
	}
	fmt.Fprintln(w, "\nPARAMETER\tDEFAULT\tTAKES\tDESCRIPTION")
	printParameters(w, d.Parameters)
	fmt.Fprintln(w, "\nCONFIG\tDEFAULT\tTAKES\tDESCRIPTION")
	printParameters(w, d.Config)
	fmt.Fprintf(w, "\noutput\t%s\t%s\n", d.Output.Kind, d.Output.MediaType)
	if err := w.Flush(); err != nil {
		return err
	}
	for _, note := range d.Notes {
		fmt.Println("found:", note)
	}
	return nil
}

func printParameters(w *tabwriter.Writer, s schema.Schema) {
	for _, p := range s {
		value := fmt.Sprint(p.Default)
		switch {
		case p.Random:
			value = "random"
		case p.Required:
			value = "required"
		case p.Default == nil:
			value = "-"
		case p.Default == "":
			value = `""`
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", p.Name, value, p.Expectation(), p.Doc)
	}
}

// exactArgs is cobra's, with exit code 2.
func exactArgs(n int, names string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != n {
			return &usageError{errors.New(strings.TrimSpace("usage: " + c.CommandPath() + " " + names))}
		}
		return nil
	}
}

func (a *app) describeBinary(c *cobra.Command, path string, log *slog.Logger) (sdk.Description, error) {
	h, diags := host.New(c.Context(), &config.Config{}, host.Options{StateDir: a.state, Log: log})
	defer closeHost(h)
	if h == nil {
		return sdk.Description{}, diags
	}
	return h.DescribeBinary(c.Context(), path)
}
