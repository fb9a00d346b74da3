package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vision19/vision/host/catalog"
	"github.com/vision19/vision/host/config"
	"github.com/vision19/vision/host/device"
	"github.com/vision19/vision/host/launch"
	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/schema"
)

// subject is the plugin that a session works on: a binary and, where one declares it, its block of the configuration.
type subject struct {
	name      string
	source    string // the binary, as its author builds it
	block     config.Plugin
	declared  bool
	device    device.Device
	described sdk.Description // without a configuration; of the binary that was launched last

	store    *catalog.Catalog
	dir      string // for sockets and scratch, until close
	log      *slog.Logger
	readable []string // what the process that was launched last may read beside the system
}

// openSubject finds a plugin by its name in the configuration, or by its binary's path. A binary gets the block that declares it, if there is
// a configuration with one.
func (a *app) openSubject(ctx context.Context, target string) (*subject, error) {
	s := &subject{log: slog.New(slog.DiscardHandler), block: config.Plugin{Device: config.AutoDevice, Sandbox: config.Sandbox{Files: true, Network: true}}}
	info, err := os.Stat(target)
	isFile := err == nil && info.Mode().IsRegular()
	c := &config.Config{}
	if _, err := os.Stat(config.DefaultFile); !isFile || len(a.configs) > 0 || err == nil {
		loaded, diags := config.Load(a.files(nil)...)
		show(loaded, diags)
		if diags.HasErrors() {
			return nil, errShown
		}
		c = loaded
	}
	i := slices.IndexFunc(c.Plugins, func(p config.Plugin) bool {
		if !isFile {
			return p.Name == target
		}
		return sameFile(info, p.Binary) || sameFile(info, p.DevOverride)
	})
	switch {
	case i >= 0:
		s.declared, s.block, s.name = true, c.Plugins[i], c.Plugins[i].Name
		s.source = s.block.Binary
		if s.block.DevOverride != "" {
			s.source = s.block.DevOverride
		}
	case isFile:
		s.name, s.source = filepath.Base(target), absolute(target)
	default:
		return nil, &usageError{fmt.Errorf("%s is neither a file nor declared; declared are %s", target, pluginNames(c))}
	}
	if err := s.place(ctx, c); err != nil {
		return nil, err
	}
	if s.store, err = catalog.Open(filepath.Join(a.state, "plugins")); err != nil {
		return nil, err
	}
	// Not below --state: a socket's name is short.
	if s.dir, err = os.MkdirTemp(os.Getenv("XDG_RUNTIME_DIR"), "vision-repl-"); err != nil {
		return nil, fmt.Errorf("make a folder for sockets: %w", err)
	}
	return s, nil
}

func sameFile(info os.FileInfo, path string) bool {
	other, err := os.Stat(path)
	return err == nil && os.SameFile(info, other)
}

func pluginNames(c *config.Config) string {
	var names []string
	for _, p := range c.Plugins {
		names = append(names, p.Name)
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// place chooses the device: the declared one, or the first.
func (s *subject) place(ctx context.Context, c *config.Config) error {
	inventory, err := device.Find(ctx)
	if err != nil {
		return err
	}
	devices, diags := device.Resolve(c.Devices, inventory)
	show(c, diags)
	if diags.HasErrors() {
		return errShown
	}
	i := slices.IndexFunc(devices, func(d device.Device) bool {
		return s.block.Device == config.AutoDevice || d.Name == s.block.Device || d.UUID != "" && d.UUID == s.block.Device
	})
	if i < 0 {
		return &usageError{fmt.Errorf("plugin %s: there is no device %s", s.name, s.block.Device)}
	}
	s.device = devices[i]
	return nil
}

func (s *subject) close() { _ = os.RemoveAll(s.dir) }

// launch starts the binary as it is now, as `vision run` would. given are configuration values that were typed: the files and folders that
// they and the config block name are readable.
func (s *subject) launch(ctx context.Context, given map[string]string) (*launch.Process, error) {
	pin := s.block.SHA256
	if s.block.DevOverride != "" {
		pin = ""
	}
	binary, err := s.store.Resolve(s.source, pin)
	if err != nil {
		return nil, &usageError{err}
	}
	if s.described, err = s.describe(ctx, binary); err != nil {
		return nil, err
	}
	values, _ := s.values(given) // what is wrong configure tells
	s.readable = slices.Clone(s.block.Sandbox.Read)
	for _, p := range s.described.Config {
		if path := values.String(p.Name); p.Format == schema.FormatPath && path != "" {
			s.readable = append(s.readable, path)
		}
	}
	return s.start(ctx, binary)
}

// describe asks the store, or else a process that is ended again: what the config block names can only be read once it is known.
func (s *subject) describe(ctx context.Context, binary catalog.Binary) (sdk.Description, error) {
	if d, ok := s.store.Description(binary); ok {
		return d, nil
	}
	s.readable = nil
	process, err := s.start(ctx, binary)
	if err != nil {
		return sdk.Description{}, err
	}
	defer process.Kill()
	d, _, err := process.Client().Describe(ctx)
	if err != nil {
		return sdk.Description{}, process.Explain(err)
	}
	return d, s.store.Remember(binary, d)
}

func (s *subject) start(ctx context.Context, binary catalog.Binary) (*launch.Process, error) {
	scratch := filepath.Join(s.dir, "scratch")
	if err := os.MkdirAll(scratch, 0o700); err != nil {
		return nil, fmt.Errorf("make a scratch folder: %w", err)
	}
	box := launch.Sandbox{Files: s.block.Sandbox.Files, Network: s.block.Sandbox.Network, Read: s.readable}
	if s.device.Kind == "cpu" {
		box.Memory = s.placed().MemoryBytes
	}
	return launch.Start(ctx, launch.Spec{
		Name: s.name, Binary: binary.Path, Source: filepath.Dir(s.source), SocketDir: s.dir, ScratchDir: scratch,
		Env: s.device.Env(), Sandbox: box, Log: s.log,
	})
}

// placed is the device as the plugin is told it.
func (s *subject) placed() sdk.Device {
	bytes := s.block.Memory
	if bytes == 0 {
		bytes = s.described.MemoryBytes
	}
	return sdk.Device{Name: s.device.Name, Kind: s.device.Kind, MemoryBytes: bytes, Threads: device.Threads()}
}

// values are those of the config block, and those given in their place, checked.
func (s *subject) values(given map[string]string) (schema.Values, error) {
	raw := map[string]any{}
	if s.declared {
		values, diags := s.block.Decode(s.described.Config)
		if diags.HasErrors() {
			return values, diags
		}
		for name, value := range values {
			raw[name] = value
		}
	}
	for name, text := range given {
		p, _ := s.described.Config.Lookup(name)
		value := p.Parse(text)
		if path, ok := value.(string); ok && p.Format == schema.FormatPath && path != "" {
			value = absolute(path)
		}
		raw[name] = value
	}
	values, faults := s.described.Config.Validate(raw)
	return values, sdk.InvalidInputs(faults)
}
