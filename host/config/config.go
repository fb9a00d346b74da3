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
	UUID   string // cuda: as nvidia-smi -L prints it, "" when Index names it
	Index  int    // cuda: nvidia-smi's index, -1 when UUID names it
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

	OnFull      string  // OnFullError or OnFullEvict: when its device has no room
	Weight      float64 // the endpoint's share of what a miner earns, for `vision plan --suggest`; 0 when not given
	Replicas    Replicas
	MaxBatch    int           // requests that run as one; 0: what the plugin declares, 1: each alone
	BatchDelay  time.Duration // that a lone request waits for others to run with
	DevOverride string        // a binary that its author is working on, in the place of Binary; absolute, "" for none
	Sandbox     Sandbox

	Range, BinaryRange, SHA256Range, MemoryRange, DeviceRange hcl.Range

	body hcl.Body // of the config block; nil without one
	dir  string   // the folder of the file, for relative paths
}

// Replicas is how many processes serve a plugin.
type Replicas struct {
	Min int // started with the host; 0: the first request starts one
	Max int
}

// Sandbox is what a plugin process is kept from.
type Sandbox struct {
	Files   bool     // it sees its own folders, its model and the system's libraries, nothing else
	Network bool     // it has no network
	Read    []string // further files and folders that it may read; absolute
}

// What a plugin does that finds its device full.
const (
	OnFullError = "error" // it is refused
	OnFullEvict = "evict" // the least recently used idle ones make room
)

// AutoDevice lets the planner choose.
const AutoDevice = "auto"

// Pinned is the KeepAlive of a plugin that is never unloaded.
const Pinned = time.Duration(-1)

// The values of a plugin block that says nothing.
const (
	DefaultKeepAlive = 5 * time.Minute
	DefaultQueue     = 64
)

// The bounds of a plugin block.
const (
	MaxReplicas   = 16          // more processes of one model than a machine has devices are a mistake
	MaxBatch      = 64          // what a plugin may declare, too
	MaxBatchDelay = time.Second // batching may not add more to an answer
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
