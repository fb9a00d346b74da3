// Package config reads plugins.hcl. Every fault is a diagnostic with file, line and column, and all of them are found in
// one run. What a plugin's own config block may hold, the plugin says: see Plugin.Decode.
package config

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
)

// DefaultFile is read when no file is named.
const DefaultFile = "plugins.hcl"

// Config is what the files declare together.
type Config struct {
	Host    Host
	Devices []Device
	Plugins []Plugin

	parser *hclparse.Parser
}

// Host is the host block.
type Host struct {
	Listen string // address of the HTTP API; "" serves none
}

// DefaultListen is where the HTTP API listens unless the host block says otherwise: this machine alone.
const DefaultListen = "127.0.0.1:8080"

// Device is one device block.
type Device struct {
	Name   string
	Kind   string // cpu, cuda
	UUID   string // cuda: as nvidia-smi -L prints it
	Memory int64  // bytes that plugins may take
	Range  hcl.Range
}

// Plugin is one plugin block.
type Plugin struct {
	Name      string
	Binary    string // absolute
	SHA256    string // lower-case hex, or ""
	Device    string // a device's name, or AutoDevice
	Memory    int64  // bytes of one process; 0: what the plugin's description says
	KeepAlive time.Duration
	Queue     int

	Range, BinaryRange, SHA256Range, MemoryRange, DeviceRange hcl.Range

	body hcl.Body // of the config block; nil without one
	dir  string   // the folder of the file, for relative paths
}

// AutoDevice lets the planner choose.
const AutoDevice = "auto"

// Pinned is the KeepAlive of a plugin that is never unloaded.
const Pinned = time.Duration(-1)

// The values of a plugin block that says nothing.
const (
	DefaultKeepAlive = 5 * time.Minute
	DefaultQueue     = 64
)

// MaxQueue bounds a queue: each waiting request holds its inputs in memory, up to the HTTP body's 64 MiB.
const MaxQueue = 4096

// maxFile bounds a configuration file.
const maxFile = 1 << 20

// Load reads and decodes the files. The diagnostics hold every fault; the Config holds whatever could be decoded, so that
// the caller can go on and find the faults that need the plugins.
func Load(paths ...string) (*Config, hcl.Diagnostics) {
	c := &Config{Host: Host{Listen: DefaultListen}, parser: hclparse.NewParser()}
	var diags hcl.Diagnostics
	d := decoder{config: c, names: map[string]hcl.Range{}}
	for _, path := range paths {
		file, moreDiags := c.parse(path)
		diags = append(diags, moreDiags...)
		if file != nil {
			diags = append(diags, d.file(path, file.Body)...)
		}
	}
	return c, append(diags, d.references()...)
}

func (c *Config) parse(path string) (*hcl.File, hcl.Diagnostics) {
	fail := func(summary, detail string) (*hcl.File, hcl.Diagnostics) {
		return nil, hcl.Diagnostics{{Severity: hcl.DiagError, Summary: summary, Detail: detail}}
	}
	info, err := os.Stat(path)
	if err != nil {
		return fail("Cannot read the configuration", fmt.Sprintf("%s. Name a file with --config FILE.hcl, or start in the folder that holds %s.", err, DefaultFile))
	}
	if info.Size() > maxFile {
		return fail("The configuration is too large", fmt.Sprintf("%s has %d bytes; at most %d.", path, info.Size(), maxFile))
	}
	source, err := os.ReadFile(path)
	if err != nil {
		return fail("Cannot read the configuration", err.Error()+".")
	}
	return c.parser.ParseHCL(source, path)
}

// Plugin finds a plugin block by name.
func (c *Config) Plugin(name string) (Plugin, bool) {
	for _, p := range c.Plugins {
		if p.Name == name {
			return p, true
		}
	}
	return Plugin{}, false
}

// absolute resolves a path of the file in dir.
func absolute(dir, path string) string {
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// Fault makes an error diagnostic at a place.
func Fault(at hcl.Range, summary, format string, args ...any) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...), Subject: at.Ptr()}
}
