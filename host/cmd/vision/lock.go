package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"github.com/vision19/vision/host/catalog"
	"github.com/vision19/vision/host/config"
)

// pin is one line of `vision lock --json`.
type pin struct {
	Name   string `json:"name"`
	Binary string `json:"binary"`
	Old    string `json:"old"` // "" when there was none
	New    string `json:"new"`
	file   string
}

func (a *app) lockCommand() *cobra.Command {
	var check bool
	c := &cobra.Command{
		Use:   "lock [FILE.hcl ...]",
		Short: "Pin each plugin's binary: write its SHA-256 into its block",
		Long: "Pin each plugin's binary: write its SHA-256 into its block, and leave everything else in the files as it is. A binary that has\n" +
			"changed afterwards is refused until it is pinned again.",
		RunE: func(_ *cobra.Command, args []string) error {
			cfg, pins, err := a.pins(a.files(args))
			if err != nil {
				return err
			}
			if !check {
				if err := writePins(cfg, pins); err != nil {
					return err
				}
			}
			if a.json {
				err = printJSON(os.Stdout, map[string]any{"plugins": pins})
			} else {
				err = printPins(pins, check)
			}
			if check && slices.ContainsFunc(pins, func(p pin) bool { return p.Old != p.New }) {
				err = errors.Join(err, errors.New("not every plugin is pinned to its binary; `vision lock` does it"))
			}
			return err
		},
	}
	c.Flags().BoolVar(&check, "check", false, "write nothing, and fail if a pin is missing or differs")
	return a.jsonFlag(c)
}

// pins loads the files and finds every plugin's digest. Every fault has been printed when the error is errShown.
func (a *app) pins(files []string) (*config.Config, []pin, error) {
	cfg, diags := config.Load(files...)
	diags = slices.DeleteFunc(diags, func(d *hcl.Diagnostic) bool { return ofPin(cfg, d) }) // those are renewed
	store, err := catalog.Open(filepath.Join(a.state, "plugins"))
	if err != nil {
		return nil, nil, err
	}
	pins := []pin{}
	for _, p := range cfg.Plugins {
		switch {
		case p.DevOverride != "":
			diags = append(diags, config.Fault(p.Range, "A plugin under development is not pinned",
				"%s runs %s because of dev_override. Take dev_override out, then lock.", p.Name, p.DevOverride))
			continue
		case p.Binary == "":
			continue // its absence is a fault already
		}
		binary, err := store.Resolve(p.Binary, "")
		if err != nil {
			diags = append(diags, config.Fault(p.BinaryRange, "No plugin binary", "%s.", err))
			continue
		}
		if isScript(binary.Path) {
			fmt.Fprintf(os.Stderr, "note: %s is a script: its digest covers this file only, not what it imports\n", p.Binary)
		}
		pins = append(pins, pin{Name: p.Name, Binary: p.Binary, Old: p.SHA256, New: binary.SHA256, file: p.Range.Filename})
	}
	show(cfg, diags)
	if diags.HasErrors() {
		return nil, nil, errShown
	}
	return cfg, pins, nil
}

// ofPin reports whether a fault is that of a pin.
func ofPin(c *config.Config, d *hcl.Diagnostic) bool {
	return d.Subject != nil && slices.ContainsFunc(c.Plugins, func(p config.Plugin) bool { return p.SHA256 != "" && p.SHA256Range == *d.Subject })
}

// isScript reports whether the kernel hands the file to an interpreter.
func isScript(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false // it has just been read
	}
	defer f.Close()
	var start [2]byte
	_, err = io.ReadFull(f, start[:])
	return err == nil && string(start[:]) == "#!"
}

// writePins changes the files that need it: all of them, or, when one cannot be written, none.
func writePins(cfg *config.Config, pins []pin) (err error) {
	digests := map[string]map[string]string{} // by file and plugin
	for _, p := range pins {
		if digests[p.file] == nil {
			digests[p.file] = map[string]string{}
		}
		digests[p.file][p.Name] = p.New
	}
	var ready []replacement
	defer func() {
		for _, r := range ready {
			_ = os.Remove(r.temporary) // gone when it has been renamed
		}
	}()
	for _, file := range slices.Sorted(maps.Keys(digests)) {
		source := cfg.Source(file)
		locked, err := config.Lock(source, file, digests[file])
		if err != nil {
			return &usageError{err}
		}
		if bytes.Equal(locked, source) {
			continue
		}
		r, err := prepareFile(file, locked)
		if err != nil {
			return err
		}
		ready = append(ready, r)
	}
	for _, r := range ready {
		if err := os.Rename(r.temporary, r.path); err != nil {
			return fmt.Errorf("write the pins: %w", err)
		}
	}
	return nil
}

// replacement is a file's new text beside it, not yet in its place.
type replacement struct{ temporary, path string }

// prepareFile writes the new text of a file beside it, with its mode. A link stays one.
func prepareFile(path string, text []byte) (replacement, error) {
	fail := func(err error) (replacement, error) { return replacement{}, fmt.Errorf("write the pins: %w", err) }
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return fail(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return fail(err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".lock-*")
	if err != nil {
		return fail(err)
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Chmod(info.Mode().Perm()), f.Sync(), f.Close()); err != nil {
		_ = os.Remove(f.Name())
		return fail(err)
	}
	return replacement{f.Name(), path}, nil
}

// printPins says of each plugin what has been done, or for a check what is to be done.
func printPins(pins []pin, check bool) error {
	done := "pinned"
	if check {
		done = "not pinned, its binary has"
	}
	var err error
	for _, p := range pins {
		var line string
		switch p.Old {
		case p.New:
			line = "unchanged " + p.New
		case "":
			line = done + " " + p.New
		default:
			line = p.Old + " -> " + p.New
		}
		_, e := fmt.Printf("%s: %s\n", p.Name, line)
		err = errors.Join(err, e)
	}
	return err
}
