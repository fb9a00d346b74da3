package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/vision19/vision/host"
	"github.com/vision19/vision/host/api"
	"github.com/vision19/vision/host/telemetry"
)

func (a *app) logsCommand() *cobra.Command {
	var follow bool
	var lines int
	c := &cobra.Command{
		Use:   "logs [PLUGIN]",
		Short: "Show the last lines of the running host's plugins, or of one",
		Long: "Show the last lines that the running host's plugins have written, or those of one plugin, in the order of their times.\n" +
			"With --json they are one document, {\"lines\":[...]}; with --json and --follow each line is a document of its own.",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return &usageError{errors.New("usage: vision logs [PLUGIN]")}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if lines < 0 {
				return &usageError{fmt.Errorf("--lines is %d: a number of lines, 0 or more", lines)}
			}
			client, err := a.client()
			if err != nil {
				return err
			}
			out := newLogPrinter(os.Stdout, a.json, follow)
			err = client.Logs(c.Context(), strings.Join(args, ""), lines, follow, out.line)
			switch {
			case c.Context().Err() != nil: // Ctrl-C is how one stops reading
			case errors.Is(err, api.ErrNotFound):
				return &usageError{err}
			case err != nil:
				return err
			case follow:
				fmt.Fprintln(os.Stderr, "vision: the host has stopped")
			}
			return out.close()
		},
	}
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what comes, until interrupted")
	c.Flags().IntVarP(&lines, "lines", "n", api.DefaultLogLines, "begin with the last `N` lines")
	return a.jsonFlag(c)
}

// client reaches the running host.
func (a *app) client() (*api.Client, error) {
	running, err := host.FindRunning(a.state)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("no host runs on %s; start one with `vision run`", a.state)
	} else if err != nil {
		return nil, err
	}
	return api.NewClient(running.Socket, running.Token), nil
}

// logPrinter prints log lines, each as soon as it comes when they are followed.
type logPrinter struct {
	out    *bufio.Writer
	err    error
	follow bool
	colour bool
	json   bool
	kept   []telemetry.Line // for one JSON document
}

func newLogPrinter(out *os.File, json, follow bool) *logPrinter {
	colour := term.IsTerminal(int(out.Fd())) && os.Getenv("NO_COLOR") == "" // https://no-color.org
	return &logPrinter{out: bufio.NewWriter(out), follow: follow, colour: colour, json: json, kept: []telemetry.Line{}}
}

func (p *logPrinter) line(l telemetry.Line) {
	switch {
	case p.json && !p.follow:
		p.kept = append(p.kept, l)
	case p.json:
		p.err = errors.Join(p.err, printJSON(p.out, l))
	default:
		p.err = errors.Join(p.err, printLine(p.out, l, p.colour))
	}
	if p.follow {
		p.err = errors.Join(p.err, p.out.Flush())
	}
}

// close prints what is left.
func (p *logPrinter) close() error {
	if p.json && !p.follow {
		p.err = errors.Join(p.err, printJSON(p.out, map[string]any{"lines": p.kept}))
	}
	return errors.Join(p.err, p.out.Flush())
}

// printLine prints "15:04:05.000 text-to-image[1234] WARN text", the time in the local zone.
func printLine(w io.Writer, l telemetry.Line, colour bool) error {
	process, level := l.Process, l.Level.String()
	if l.PID != 0 {
		process += fmt.Sprintf("[%d]", l.PID)
	}
	if colour {
		level = levelColour(l.Level) + level + "\x1b[0m"
	}
	_, err := fmt.Fprintf(w, "%s %s %s %s\n", l.Time.Local().Format("15:04:05.000"), process, level, printable(l.Text))
	return err
}

// levelColour is an ANSI escape: red, yellow, green, and faint for what is below info.
func levelColour(level slog.Level) string {
	switch {
	case level >= slog.LevelError:
		return "\x1b[31m"
	case level >= slog.LevelWarn:
		return "\x1b[33m"
	case level >= slog.LevelInfo:
		return "\x1b[32m"
	}
	return "\x1b[2m"
}

// printable replaces control characters: a plugin's line must not command the terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\t' {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}
