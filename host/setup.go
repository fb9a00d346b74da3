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
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/vision19/vision/host/catalog"
	"github.com/vision19/vision/host/config"
	"github.com/vision19/vision/host/device"
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
	bytes       int64
	device      device.Device
}

// setup is a configuration that has been checked against the plugins and the devices.
type setup struct {
	config  *config.Config
	devices []device.Device
	parts   []part
}

// prepare checks a configuration and reports every fault at once. What is wrong with one plugin does not hide another's faults.
func (h *Host) prepare(ctx context.Context, c *config.Config) (setup, hcl.Diagnostics) {
	s := setup{config: c}
	var diags hcl.Diagnostics
	for _, d := range c.Devices {
		s.devices = append(s.devices, device.Device{Name: d.Name, Kind: d.Kind, UUID: d.UUID, Budget: d.Memory})
	}
	if len(s.devices) == 0 {
		cpu, err := device.CPU()
		if err != nil {
			diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "No device", Detail: err.Error() + "."})
		}
		s.devices = []device.Device{cpu}
	}
	for _, p := range c.Plugins {
		part, faults := h.part(ctx, p)
		diags = append(diags, faults...)
		s.parts = append(s.parts, part)
	}
	return s, append(diags, s.place()...)
}

// part resolves and describes one plugin and decodes its config block.
func (h *Host) part(ctx context.Context, p config.Plugin) (part, hcl.Diagnostics) {
	out := part{plugin: p, bytes: p.Memory}
	if p.Binary == "" {
		return out, nil // its absence is a fault already
	}
	binary, err := h.catalog.Resolve(p.Binary, p.SHA256)
	if digest := new(catalog.DigestError); errors.As(err, &digest) {
		return out, hcl.Diagnostics{config.Fault(p.SHA256Range, "Another binary than the pinned one", "%s.", err)}
	} else if err != nil {
		return out, hcl.Diagnostics{config.Fault(p.BinaryRange, "No plugin binary", "%s.", err)}
	}
	out.binary = binary
	if out.description, err = h.describe(ctx, binary, p.Name); err != nil {
		return out, hcl.Diagnostics{config.Fault(p.BinaryRange, "The plugin does not describe itself", "%s.", err)}
	}
	if out.bytes == 0 {
		out.bytes = out.description.MemoryBytes
	}
	var diags hcl.Diagnostics
	out.values, diags = p.Decode(out.description.Config)
	return out, diags
}

// describeTime bounds a start for a description.
const describeTime = 15 * time.Second

// describe asks a binary what it is, once in the life of its bytes.
func (h *Host) describe(ctx context.Context, b catalog.Binary, name string) (sdk.Description, error) {
	if d, ok := h.catalog.Description(b); ok {
		return d, nil
	}
	ctx, cancel := context.WithTimeout(ctx, describeTime)
	defer cancel()
	process, err := h.launch(ctx, b, name, nil)
	if err != nil {
		return sdk.Description{}, err
	}
	defer process.Kill()
	d, _, err := process.Client().Describe(ctx)
	if err != nil {
		return sdk.Description{}, process.Explain(err)
	}
	return d, h.catalog.Remember(b, d)
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

func (h *Host) inspect(ctx context.Context, p part) (sdk.Description, error) {
	ctx, cancel := context.WithTimeout(ctx, describeTime)
	defer cancel()
	process, err := h.launch(ctx, p.binary, p.plugin.Name, p.device.Env())
	if err != nil {
		return sdk.Description{}, err
	}
	defer process.Kill()
	return process.Client().Configure(ctx, p.config())
}

// config is what the plugin is configured with.
func (p part) config() sdk.Config {
	return sdk.Config{
		Values: p.values,
		Device: sdk.Device{Name: p.device.Name, Kind: p.device.Kind, MemoryBytes: p.bytes, Threads: device.Threads()},
	}
}

// launch starts a plugin process with a scratch folder of its own.
func (h *Host) launch(ctx context.Context, b catalog.Binary, name string, env []string) (*launch.Process, error) {
	scratch := filepath.Join(h.run.dir, "scratch", name)
	if err := os.MkdirAll(scratch, 0o700); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return launch.Start(ctx, launch.Spec{
		Name: name, Binary: b.Path, SocketDir: h.run.dir, ScratchDir: scratch, Env: env, Log: h.log.With("plugin", name),
	})
}

// place plans the parts and reports what does not fit.
func (s *setup) place() hcl.Diagnostics {
	var diags hcl.Diagnostics
	p := s.plan(nil)
	for i := range s.parts {
		placement := p.Plugins[i]
		part := &s.parts[i]
		for _, d := range s.devices {
			if d.Name == placement.Device {
				part.device = d
			}
		}
		unknown := part.plugin.Device != config.AutoDevice && !slices.ContainsFunc(s.devices, func(d device.Device) bool { return d.Name == part.plugin.Device })
		if placement.Action == plan.Refuse && part.description.Endpoint != "" && !unknown {
			diags = append(diags, config.Fault(part.plugin.MemoryRange, "The plugin does not fit",
				"%s. Lower the plugin's memory if it takes less, raise the device's, or take another plugin out.", placement.Reason))
		}
	}
	return diags
}

func (s *setup) plan(running []plan.Running) plan.Plan {
	var devices []plan.Device
	for _, d := range s.devices {
		devices = append(devices, plan.Device{Name: d.Name, Budget: d.Budget})
	}
	wants := make([]plan.Want, len(s.parts))
	for i, p := range s.parts {
		wants[i] = plan.Want{Name: p.plugin.Name, Endpoint: p.description.Endpoint, Device: p.plugin.Device, Bytes: p.bytes, Digest: p.digest()}
		if p.description.Endpoint == "" {
			wants[i].Problem = "the binary is missing, or does not describe itself"
		}
	}
	return plan.Make(devices, wants, running)
}

// digest identifies the binary and its configuration.
func (p part) digest() string {
	h := sha256.New()
	fmt.Fprintln(h, p.binary.SHA256, p.bytes)
	for _, name := range slices.Sorted(maps.Keys(p.values)) {
		fmt.Fprintf(h, "%s=%#v\n", name, p.values[name])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// DescribeBinary asks a plugin binary what it is, without a configuration.
func (h *Host) DescribeBinary(ctx context.Context, path string) (sdk.Description, error) {
	b, err := h.catalog.Resolve(path, "")
	if err != nil {
		return sdk.Description{}, err
	}
	return h.describe(ctx, b, filepath.Base(path))
}
