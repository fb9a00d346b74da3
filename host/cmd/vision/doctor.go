package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"github.com/vision19/vision/host"
	"github.com/vision19/vision/host/config"
	"github.com/vision19/vision/host/device"
	"github.com/vision19/vision/host/launch"
	"github.com/vision19/vision/sdk"
)

// check is one line of the doctor's report.
type check struct {
	Name    string `json:"name"`
	Status  string `json:"status"` // ok, warn, fail
	Finding string `json:"finding"`
	Cure    string `json:"cure"`
}

func (a *app) doctorCommand() *cobra.Command {
	model := ""
	cmd := a.jsonFlag(&cobra.Command{
		Use:   "doctor",
		Short: "Look for what would keep this machine from running the configuration, or the plugins from serving a model",
		Args:  exactArgs(0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			checks := a.examine
			if model != "" {
				checks = func(ctx context.Context) []check { return a.examineModel(ctx, model) }
			}
			return a.report(checks(c.Context()))
		},
	})
	cmd.Flags().StringVar(&model, "model", "", "check the model folder `DIR` with every declared plugin, and nothing else")
	return cmd
}

// report prints the checks; an error says that one of them fails.
func (a *app) report(checks []check) error {
	failed := false
	for _, k := range checks {
		failed = failed || k.Status == "fail"
	}
	if a.json {
		if err := printJSON(os.Stdout, map[string]any{"checks": checks}); err != nil {
			return err
		}
	} else {
		for _, k := range checks {
			fmt.Printf("%-4s  %s: %s\n", k.Status, k.Name, strings.ReplaceAll(k.Finding, "\n", "\n      "))
			if k.Cure != "" {
				fmt.Printf("      cure: %s\n", k.Cure)
			}
		}
	}
	if failed {
		return errors.New("something is wrong")
	}
	return nil
}

// examineModel asks the declared plugins about a model folder. It fails if none of them can serve it: a folder is seldom for all.
func (a *app) examineModel(ctx context.Context, dir string) []check {
	name := "model " + dir
	fail := func(err error) []check { return []check{{Name: name, Status: "fail", Finding: err.Error()}} }
	abs, err := filepath.Abs(dir)
	if err != nil {
		return fail(err)
	}
	h, _, ok := a.open(ctx, a.files(nil), slog.New(slog.DiscardHandler), nil)
	defer closeHost(h)
	if !ok {
		return fail(errShown)
	}
	verdicts, err := h.CheckModel(ctx, abs)
	if err != nil {
		return fail(err)
	}
	var checks []check
	var notes []string // of all plugins: they see the same files
	served := false
	for _, v := range verdicts {
		k := check{Name: "plugin " + v.Plugin, Status: "ok", Finding: "serves it"}
		if v.Err != nil {
			k.Status, k.Finding, k.Cure = "warn", sdk.AsError(v.Err).Message, "do what the finding says, or give this endpoint another folder"
		}
		served = served || v.Err == nil
		same := slices.IndexFunc(checks, func(c check) bool { return v.Err != nil && c.Finding == k.Finding })
		if same >= 0 { // one fault, of several endpoints
			checks[same].Name += ", " + v.Plugin
			continue
		}
		checks = append(checks, k)
		for _, note := range v.Notes {
			if !slices.Contains(notes, note) {
				notes = append(notes, note)
			}
		}
	}
	if !served {
		return append(checks, check{Name: name, Status: "fail", Finding: "no declared plugin can serve it", Cure: "do what the findings say"})
	}
	return append(checks, check{Name: name, Status: "ok", Finding: "weights are not loaded by this check\n" + strings.Join(notes, "\n")})
}

func (a *app) examine(ctx context.Context) []check {
	checks := append([]check{memoryCheck(), gpuCheck(ctx), a.hostCheck()}, sandboxChecks(launch.Support())...)
	cfg, diags := config.Load(a.files(nil)...)
	h, more := host.New(ctx, cfg, host.Options{StateDir: a.state, Log: slog.New(slog.DiscardHandler)})
	defer closeHost(h)
	if h != nil {
		_, wrong := h.Inspect(ctx, "")
		more = append(more, wrong...)
	}
	for _, d := range append(diags, more...) {
		place, status := "configuration", "fail"
		if d.Subject != nil {
			place = config.Place(*d.Subject)
		}
		if d.Severity == hcl.DiagWarning {
			status = "warn"
		}
		checks = append(checks, check{Name: place, Status: status, Finding: strings.ReplaceAll(d.Summary+": "+d.Detail, "\n", " "), Cure: "do what the finding says; `vision validate` shows the line"})
	}
	if !append(diags, more...).HasErrors() {
		for _, p := range cfg.Plugins {
			checks = append(checks, check{Name: "plugin " + p.Name, Status: "ok", Finding: "starts, describes itself and accepts its configuration"})
		}
	}
	return append(checks, a.portCheck(cfg.Host.Listen))
}

func memoryCheck() check {
	total, available, err := device.Memory()
	switch {
	case err != nil:
		return check{"memory", "warn", err.Error(), "declare a device block with memory"}
	case available < 1<<30:
		return check{"memory", "warn", fmt.Sprintf("%s of %s available", config.FormatSize(available), config.FormatSize(total)), "end other programs, or take plugins out"}
	}
	return check{"memory", "ok", fmt.Sprintf("%s of %s available", config.FormatSize(available), config.FormatSize(total)), ""}
}

func gpuCheck(ctx context.Context) check {
	inventory, err := device.Find(ctx)
	switch {
	case err != nil:
		return check{"gpu", "fail", err.Error(), "run nvidia-smi by hand; mend the driver"}
	case len(inventory.GPUs) == 0:
		return check{"gpu", "ok", "no NVIDIA GPU found: plugins run on the CPU", ""}
	}
	var found []string
	for _, g := range inventory.GPUs {
		found = append(found, g.String())
	}
	return check{"gpu", "ok", strings.Join(found, "\n"), ""}
}

// sandboxChecks say what plugin processes can be kept from on this machine; what they cannot be is a warning of its own.
func sandboxChecks(r launch.Report) []check {
	var checks []check
	for _, c := range []struct{ name, holds, cure string }{
		{"files", r.Files, "a Linux kernel of 5.13 or newer with Landlock enabled (lsm=...,landlock) confines them"},
		{"network", r.Network, "run the host as root, or allow unprivileged user namespaces; Landlock alone, from Linux 6.7 on, refuses TCP"},
		{"memory", r.Memory, "delegate a control group (v2) to the host: systemd's Delegate=yes"},
		{"children", r.Children, "delegate a control group (v2) to the host: systemd's Delegate=yes"},
	} {
		k := check{Name: "sandbox", Status: "ok", Finding: c.name + ": " + c.holds}
		if strings.HasPrefix(c.holds, "open") {
			k.Status, k.Cure = "warn", c.cure
		}
		checks = append(checks, k)
	}
	return checks
}

func (a *app) hostCheck() check {
	running, err := host.FindRunning(a.state)
	if err != nil {
		return check{"host", "ok", "none runs on " + a.state, ""}
	}
	return check{"host", "ok", fmt.Sprintf("process %d runs on %s, listening on %s", running.PID, a.state, running.Listen), ""}
}

func (a *app) portCheck(address string) check {
	if running, err := host.FindRunning(a.state); err == nil && running.Listen == address {
		return check{"port", "ok", address + " is the running host's", ""}
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return check{"port", "fail", err.Error(), "stop what listens there, or choose another: host { listen = \"127.0.0.1:0\" }"}
	}
	l.Close()
	return check{"port", "ok", address + " is free", ""}
}
