package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vision19/vision/host/config"
	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/sdktest"
)

func (a *app) pluginCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "plugin",
		Short: "For authors of plugins: write one, test one, work on one by hand",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return &usageError{fmt.Errorf("unknown command %q; `vision plugin` lists them", args[0])}
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.pluginNewCommand(), a.pluginTestCommand(), a.pluginReplCommand())
	return c
}

// testFlags are what `vision plugin test` is told.
type testFlags struct {
	block      string
	match      string
	long       bool
	unconfined bool
	list       bool
}

func (a *app) pluginTestCommand() *cobra.Command {
	var f testFlags
	c := a.jsonFlag(&cobra.Command{
		Use:   "test PLUGIN",
		Short: "Hold a plugin to its contract: a binary's path, or a name from the configuration",
		Long: `Starts the plugin as a host would, again and again, and checks one promise of the contract after the other. Its config block comes from the
configuration: the block with this binary, or the one that is named like its endpoint; without one its schema's defaults hold.`,
		Args: func(c *cobra.Command, args []string) error {
			if f.list {
				return exactArgs(0, "--list")(c, args)
			}
			return exactArgs(1, "PLUGIN [--config FILE.hcl]")(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			if f.list {
				return listCases()
			}
			return a.pluginTest(c.Context(), args[0], f)
		},
	})
	c.Flags().StringVar(&f.block, "plugin", "", "`NAME` of the plugin block whose configuration is taken")
	c.Flags().StringVar(&f.match, "run", "", "only cases whose names match `REGEXP`")
	c.Flags().BoolVar(&f.long, "long", false, "1,000 requests where 100 are usual, and no bound on the time of sampled requests")
	c.Flags().BoolVar(&f.unconfined, "unconfined", false, "also what needs the program outside the sandbox: that it ends with its host, and lets nobody else in")
	c.Flags().BoolVar(&f.list, "list", false, "only list the cases and what each promises")
	return c
}

func listCases() error {
	for _, c := range sdktest.Cases() {
		fmt.Printf("%s\n    %s\n", c.Name, c.Doc)
	}
	return nil
}

// launched is the subject as a target: every start is a new process, in the sandbox that `vision run` would give it.
type launched struct{ *subject }

// Name implements sdktest.Target.
func (l launched) Name() string { return l.name }

// Start implements sdktest.Target.
func (l launched) Start(ctx context.Context) (sdktest.Process, error) { return l.launch(ctx, nil) }

// unconfined is a target whose program may also be started without a sandbox.
type unconfined struct{ launched }

// Executable is the author's own file.
func (u unconfined) Executable() string { return u.source }

func (a *app) pluginTest(ctx context.Context, name string, f testFlags) error {
	match, err := regexp.Compile(f.match)
	if err != nil {
		return &usageError{fmt.Errorf("--run: %w", err)}
	}
	s, err := a.openSubject(ctx, name)
	if err != nil {
		return err
	}
	defer s.close()
	if s.log, err = a.logger(silent); err != nil {
		return err
	}
	values, err := a.testConfig(ctx, s, f.block)
	if err != nil {
		return err
	}
	var target sdktest.Target = launched{s}
	if f.unconfined {
		target = unconfined{launched{s}}
	}
	out := io.Writer(os.Stdout)
	if a.json {
		out = os.Stderr
	}
	began := time.Now()
	report := sdktest.Run(ctx, target, sdktest.Options{
		Config: values, Device: s.placed(), Long: f.long, Match: match,
		Report: func(r sdktest.Result) { printCase(out, r) },
	})
	if a.json {
		err = printJSON(os.Stdout, report)
	}
	fmt.Fprintf(out, "%d passed, %d failed, %d skipped in %s\n", report.Passed, report.Failed, report.Skipped, time.Since(began).Round(100*time.Millisecond))
	switch {
	case err != nil:
		return err
	case ctx.Err() != nil:
		return errInterrupted
	case report.Failed > 0:
		return fmt.Errorf("%s breaks %d of the contract's promises", s.name, report.Failed)
	case len(report.Cases) == 0:
		return &usageError{fmt.Errorf("no case matches %q; `vision plugin test --list` lists them", f.match)}
	}
	return nil
}

// testConfig asks the plugin what it takes, and returns the values of its block. What is wrong with them is the author's to mend before anything is tested.
func (a *app) testConfig(ctx context.Context, s *subject, block string) (map[string]any, error) {
	pin := s.block.SHA256
	if s.block.DevOverride != "" {
		pin = ""
	}
	binary, err := s.store.Resolve(s.source, pin)
	if err != nil {
		return nil, &usageError{err}
	}
	if s.described, err = s.describe(ctx, binary); err != nil {
		return nil, fmt.Errorf("%s does not start and describe itself as a plugin: %w", s.source, err)
	}
	if err := a.adopt(ctx, s, block); err != nil {
		return nil, err
	}
	values, err := s.values(nil)
	if err != nil {
		text := sdk.AsError(err).Error()
		if !s.declared {
			text += "; a plugin block with this binary gives it, in " + config.DefaultFile + " or in a file named by --config"
		}
		return nil, &usageError{fmt.Errorf("the configuration of %s: %s", s.name, text)}
	}
	return values, nil
}

// adopt gives a subject the block that is named, or, where no block has its binary, the one that is named like its endpoint.
func (a *app) adopt(ctx context.Context, s *subject, name string) error {
	if name == "" && s.declared {
		return nil
	}
	if _, err := os.Stat(a.files(nil)[0]); err != nil && name == "" && len(a.configs) == 0 {
		return nil
	}
	c, diags := config.Load(a.files(nil)...)
	if diags.HasErrors() { // openSubject has shown what it has read; a named block is read for the first time
		show(c, diags)
		return errShown
	}
	wanted := name
	if wanted == "" {
		wanted = s.described.Endpoint
	}
	block, ok := c.Plugin(wanted)
	switch {
	case ok:
		s.block, s.declared = block, true
		s.block.SHA256 = "" // of another file, as it may be
		return s.place(ctx, c)
	case name != "":
		return &usageError{fmt.Errorf("--plugin: no block %q is declared; declared are %s", name, pluginNames(c))}
	}
	return nil
}

// marks are how the results are told on a terminal.
var marks = map[string]string{sdktest.Passed: "ok  ", sdktest.Failed: "FAIL", sdktest.Skipped: "skip"}

func printCase(w io.Writer, r sdktest.Result) {
	lines := slices.Collect(strings.Lines(r.Detail))
	first := ""
	if len(lines) > 0 {
		first = strings.TrimSpace(lines[0])
	}
	fmt.Fprintf(w, "%s  %-48s %7.2fs  %s\n", marks[r.Result], r.Name, r.Took.Seconds(), first)
	if r.Result != sdktest.Failed {
		return
	}
	for _, line := range lines[min(1, len(lines)):] {
		fmt.Fprintf(w, "      %s\n", strings.TrimRight(line, "\n"))
	}
	fmt.Fprintf(w, "      The promise: %s\n", r.Doc)
}
