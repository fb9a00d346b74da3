// Command bench measures what the host costs, each figure as a ratio to a peer that is measured in the same run, turn by turn.
// `make bench` runs it from the repository's root; it prints a table and writes bin/bench.json.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"time"

	"github.com/vision19/vision/host"
	"github.com/vision19/vision/host/config"
)

// row is one figure.
type row struct {
	Name  string   `json:"name"`
	Value float64  `json:"value"`
	Unit  string   `json:"unit"`
	Bar   *float64 `json:"bar"`
	Holds bool     `json:"holds"`
	Peer  string   `json:"peer"`
}

// below makes a row that holds when the value is at most the bar.
func below(name string, value, bar float64, peer string) row {
	return row{Name: name, Value: value, Unit: "ratio", Bar: &bar, Holds: value <= bar, Peer: peer}
}

// above makes a row that holds when the value is at least the bar.
func above(name string, value, bar float64, peer string) row {
	return row{Name: name, Value: value, Unit: "ratio", Bar: &bar, Holds: value >= bar, Peer: peer}
}

// work is where the bench keeps models, binaries and state.
const work = "bin/bench"

func main() {
	debug.SetGCPercent(400) // as `vision` has it
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	measure := run
	if len(os.Args) == 3 && os.Args[1] == replayArgument {
		measure = func(ctx context.Context) error { return serveReplay(ctx, os.Args[2]) }
	}
	if err := measure(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	if err := os.MkdirAll(work, 0o755); err != nil {
		return err
	}
	for name, pkg := range map[string]string{"bench": "./examples/bench/plugin", "echo": "./host/internal/testplugin"} {
		if out, err := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(work, name), pkg).CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", pkg, err, out)
		}
	}
	var rows []row
	for _, measure := range []func(context.Context) ([]row, error){pngOverStdlib, pluginOverRaw, dispatchOverNode, batchingOverSingle, endpointOverNode, recoverOverColdStart, compareOverPython, scoring, decodeOverPolkadotJS} {
		more, err := measure(ctx)
		if err != nil {
			return err
		}
		for _, r := range more {
			printRow(r)
		}
		rows = append(rows, more...)
	}
	data, err := json.MarshalIndent(rows, "", " ")
	if err != nil {
		return err
	}
	if err := os.WriteFile("bin/bench.json", data, 0o644); err != nil {
		return err
	}
	for _, r := range rows {
		if !r.Holds {
			return errors.New("a bar does not hold")
		}
	}
	return nil
}

func printRow(r row) {
	bar, verdict := "-", ""
	if r.Bar != nil {
		bar, verdict = fmt.Sprintf("%.2f", *r.Bar), "holds"
		if !r.Holds {
			verdict = "FAILS"
		}
	}
	fmt.Printf("%-34s %8.3f %-6s bar %-6s %-6s over %s\n", r.Name, r.Value, r.Unit, bar, verdict, r.Peer)
}

// start runs a host on a configuration and waits until its plugins are ready.
func start(ctx context.Context, hcl string) (*host.Host, error) {
	path := filepath.Join(work, "bench.hcl")
	if err := os.WriteFile(path, []byte(hcl), 0o644); err != nil {
		return nil, err
	}
	c, diags := config.Load(path)
	if diags.HasErrors() {
		return nil, diags
	}
	h, diags := host.New(ctx, c, host.Options{StateDir: filepath.Join(work, "state")})
	if diags.HasErrors() {
		return nil, diags
	}
	h.Start()
	if err := h.AwaitReady(ctx); err != nil {
		h.Close(ctx)
		return nil, err
	}
	return h, nil
}

func median(times []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(times))
	return sorted[len(sorted)/2]
}

func ratio(a, b time.Duration) float64 { return float64(a) / float64(b) }
