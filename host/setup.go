package host

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/vision19/vision/host/catalog"
	"github.com/vision19/vision/host/config"
	"github.com/vision19/vision/host/device"
	"github.com/vision19/vision/host/instance"
	"github.com/vision19/vision/host/launch"
	"github.com/vision19/vision/host/plan"
	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/schema"
)

// part is one declared plugin with all that is known before it runs.
type part struct {
	plugin      config.Plugin
	binary      catalog.Binary
	description sdk.Description // without a model
	values      schema.Values
	bytes       int64           // of one process, as declared
	devices     []device.Device // of the planned processes, one each
	demand      bool            // started by the first request
	recordKey   string          // identifies the binary and its configuration, for what is measured of them

	configured atomic.Pointer[sdk.Description] // with the model, once a process has been configured
}

// device is where one process of it would run.
func (p *part) device() device.Device {
	if len(p.devices) == 0 {
		return device.Device{}
	}
	return p.devices[0]
}

// batch is how many requests a process of it takes at once.
func (p *part) batch(d sdk.Description) int {
	most := d.Capabilities.Batch()
	if p.plugin.MaxBatch > 0 {
		most = min(most, p.plugin.MaxBatch)
	}
	return most
}

// setup is a configuration that has been checked against the plugins and the devices.
type setup struct {
	config  *config.Config
	devices []device.Device
	parts   []*part
	made    plan.Plan // of the parts, when they were placed
}

// prepare checks a configuration and reports every fault at once. What is wrong with one plugin does not hide another's faults.
func (h *Host) prepare(ctx context.Context, c *config.Config) (setup, hcl.Diagnostics) {
	s := setup{config: c}
	var diags hcl.Diagnostics
	s.devices, diags = device.Resolve(c.Devices, h.inventory)
	for _, p := range c.Plugins {
		part, faults := h.part(ctx, p)
		diags = append(diags, faults...)
		s.parts = append(s.parts, part)
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	diags = append(diags, s.place(h.running(), h.bytes)...)
	return s, diags
}

// part resolves and describes one plugin and decodes its config block.
func (h *Host) part(ctx context.Context, p config.Plugin) (*part, hcl.Diagnostics) {
	out := &part{plugin: p, bytes: p.Memory}
	if p.Binary == "" {
		return out, nil // its absence is a fault already
	}
	var diags hcl.Diagnostics
	source, pinned := p.Binary, p.SHA256
	if p.DevOverride != "" {
		source, pinned = p.DevOverride, ""
		diags = append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagWarning, Summary: "DEVELOPMENT OVERRIDE", Subject: p.Range.Ptr(),
			Detail: fmt.Sprintf("%s runs %s, unchecked, and not %s. It is not ended when it does not answer, so that a debugger can hold it. Never serve others with this.", p.Name, source, p.Binary),
		})
	}
	binary, err := h.catalog.Resolve(source, pinned)
	if digest := new(catalog.DigestError); errors.As(err, &digest) {
		return out, append(diags, config.Fault(p.SHA256Range, "Another binary than the pinned one", "%s.", err))
	} else if err != nil {
		return out, append(diags, config.Fault(p.BinaryRange, "No plugin binary", "%s.", err))
	}
	out.binary = binary
	if out.description, err = h.describe(ctx, out); err != nil {
		return out, append(diags, config.Fault(p.BinaryRange, "The plugin does not describe itself", "%s.", err))
	}
	if out.bytes == 0 {
		out.bytes = out.description.MemoryBytes
	}
	values, faults := p.Decode(out.description.Config)
	out.values, out.recordKey = values, recordKey(binary, values)
	return out, append(diags, faults...)
}

// describeTime bounds a start for a description.
const describeTime = 15 * time.Second

// describe asks a binary what it is, once in the life of its bytes.
func (h *Host) describe(ctx context.Context, p *part) (sdk.Description, error) {
	if d, ok := h.catalog.Description(p.binary); ok {
		return d, nil
	}
	ctx, cancel := context.WithTimeout(ctx, describeTime)
	defer cancel()
	process, err := h.start(ctx, p, device.Device{}, p.plugin.Name)
	if err != nil {
		return sdk.Description{}, err
	}
	defer process.Kill()
	d, _, err := process.Client().Describe(ctx)
	if err == nil {
		err = instance.CheckDescription(d)
	}
	if err != nil {
		return sdk.Description{}, process.Explain(err)
	}
	return d, h.catalog.Remember(p.binary, d)
}

// Inspect starts the named plugin, or every one with "", and has it check its configuration: files, libraries, devices. It returns the
// descriptions that then hold, and what the plugins find wrong, each at its line.
func (h *Host) Inspect(ctx context.Context, name string) (map[string]sdk.Description, hcl.Diagnostics) {
	out, diags := map[string]sdk.Description{}, hcl.Diagnostics(nil)
	for _, p := range h.setup.parts {
		if (name != "" && p.plugin.Name != name) || p.binary.Path == "" || p.values == nil {
			continue
		}
		d, err := h.inspect(ctx, p)
		if err != nil {
			e := sdk.AsError(err)
			diags = append(diags, config.Fault(p.plugin.At(e.Param), "The plugin refuses its configuration", "%s.", strings.TrimSuffix(e.Error(), ".")))
			continue
		}
		out[p.plugin.Name] = d
	}
	return out, diags
}

func (h *Host) inspect(ctx context.Context, p *part) (sdk.Description, error) {
	ctx, cancel := context.WithTimeout(ctx, describeTime)
	defer cancel()
	process, err := h.start(ctx, p, p.device(), p.plugin.Name)
	if err != nil {
		return sdk.Description{}, err
	}
	defer process.Kill()
	return process.Client().Configure(ctx, p.config(p.device()))
}

// config is what the plugin is configured with.
func (p *part) config(d device.Device) sdk.Config {
	return sdk.Config{
		Values: p.values,
		Device: sdk.Device{Name: d.Name, Kind: d.Kind, MemoryBytes: p.bytes, Threads: device.Threads()},
	}
}

// start starts a process for a question or two.
func (h *Host) start(ctx context.Context, p *part, d device.Device, name string) (*launch.Process, error) {
	spec, err := h.spec(p, d, name, name)
	if err != nil {
		return nil, err
	}
	return launch.Start(ctx, spec)
}

// spec says how a process of a part is started, with a scratch folder of its own.
func (h *Host) spec(p *part, d device.Device, name, key string) (launch.Spec, error) {
	scratch := h.scratch(key)
	if err := os.MkdirAll(scratch, 0o700); err != nil {
		return launch.Spec{}, fmt.Errorf("start %s: %w", name, err)
	}
	box := launch.Sandbox{Files: p.plugin.Sandbox.Files, Network: p.plugin.Sandbox.Network, Read: slices.Clone(p.plugin.Sandbox.Read)}
	for _, parameter := range p.description.Config {
		if path := p.values.String(parameter.Name); parameter.Format == schema.FormatPath && path != "" {
			box.Read = append(box.Read, path)
		}
	}
	if d.Kind == "cpu" {
		box.Memory = p.bytes // as declared: by what has been measured, a leak would raise its own limit with every restart
	}
	return launch.Spec{
		Name: name, Binary: p.binary.Path, Source: filepath.Dir(p.binary.Source), SocketDir: h.run.dir, ScratchDir: scratch,
		Env: d.Env(), Sandbox: box, Log: h.log.With("plugin", name),
	}, nil
}

// scratch is the working folder of a process.
func (h *Host) scratch(key string) string { return filepath.Join(h.run.dir, "scratch", key) }

// place plans the parts and tells each its devices. The diagnostics are what does not fit.
func (s *setup) place(running []plan.Running, bytes func(*part) int64) hcl.Diagnostics {
	p := s.make(running, bytes)
	s.made = p
	var diags hcl.Diagnostics
	byName := map[string]*part{}
	for _, part := range s.parts {
		byName[part.plugin.Name] = part
	}
	for _, placement := range p.Plugins {
		part := byName[placement.Name]
		if part == nil || placement.Action == plan.Stop {
			continue
		}
		if i := slices.IndexFunc(s.devices, func(d device.Device) bool { return d.Name == placement.Device }); i >= 0 && placement.Action != plan.Refuse {
			part.devices = append(part.devices, s.devices[i])
			part.demand = placement.Action == plan.Demand
		}
		known := slices.ContainsFunc(s.planned(), func(d plan.Device) bool { return d.Allows(part.plugin.Device) })
		if placement.Action == plan.Refuse && part.description.Endpoint != "" && known {
			reason := placement.Reason
			if taken := bytes(part); taken > part.bytes {
				reason += fmt.Sprintf(" (%s were declared, and %s have been measured)", config.FormatSize(part.bytes), config.FormatSize(taken))
			}
			instead := ""
			fits := func(d plan.Device) bool { return d.Allows(part.plugin.Device) && d.Budget >= bytes(part) }
			if part.plugin.OnFull == config.OnFullError && slices.ContainsFunc(s.planned(), fits) {
				instead = ", or load it on demand with on_full = \"evict\""
			}
			diags = append(diags, config.Fault(part.plugin.MemoryRange, "The plugin does not fit",
				"%s. Lower the plugin's memory if it takes less, raise the device's, or take another plugin out%s.", reason, instead))
		}
	}
	return diags
}

// make plans the parts.
func (s *setup) make(running []plan.Running, bytes func(*part) int64) plan.Plan {
	wants := make([]plan.Want, len(s.parts))
	for i, p := range s.parts {
		wants[i] = plan.Want{
			Name: p.plugin.Name, Endpoint: p.description.Endpoint, Device: p.plugin.Device, Bytes: bytes(p), Digest: p.digest(),
			Replicas: p.plugin.Replicas.Min, Evict: p.plugin.OnFull == config.OnFullEvict, Pinned: p.plugin.KeepAlive == config.Pinned,
		}
		if p.description.Endpoint == "" {
			wants[i].Problem = "the binary is missing, or does not describe itself"
		}
	}
	return plan.Make(s.planned(), wants, running)
}

// planned is the devices as the planner sees them.
func (s *setup) planned() []plan.Device {
	var out []plan.Device
	for _, d := range s.devices {
		out = append(out, plan.Device{Name: d.Name, UUID: d.UUID, Budget: d.Budget})
	}
	return out
}

func recordKey(b catalog.Binary, values schema.Values) string {
	h := sha256.New()
	fmt.Fprintln(h, b.SHA256)
	for _, name := range slices.Sorted(maps.Keys(values)) {
		fmt.Fprintf(h, "%s=%#v\n", name, values[name])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// digest identifies what a process is: binary, configuration, sandbox, what it is given at once, and the memory that it is told it may take.
func (p *part) digest() string {
	h := sha256.New()
	fmt.Fprintln(h, p.recordKey, p.bytes, p.plugin.Sandbox, p.plugin.MaxBatch, p.plugin.DevOverride)
	return hex.EncodeToString(h.Sum(nil))
}

// DescribeBinary asks a plugin binary what it is, without a configuration.
func (h *Host) DescribeBinary(ctx context.Context, path string) (sdk.Description, error) {
	b, err := h.catalog.Resolve(path, "")
	if err != nil {
		return sdk.Description{}, err
	}
	p := &part{plugin: config.Plugin{Name: filepath.Base(path), Sandbox: config.Sandbox{Files: true, Network: true}}, binary: b}
	return h.describe(ctx, p)
}
