package config

import (
	"encoding/hex"
	"net"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

var fileSchema = &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
	{Type: "host"}, {Type: "device", LabelNames: []string{"name"}}, {Type: "plugin", LabelNames: []string{"name"}},
}}

// decoder turns blocks into a Config and remembers what has been declared where.
type decoder struct {
	config *Config
	names  map[string]hcl.Range // "device cpu0": first declared here
}

func (d *decoder) file(path string, body hcl.Body) hcl.Diagnostics {
	content, diags := body.Content(fileSchema)
	for _, block := range content.Blocks {
		key := block.Type
		if len(block.Labels) > 0 {
			key += " " + block.Labels[0]
		}
		if first, twice := d.names[key]; twice {
			diags = append(diags, Fault(block.DefRange, "Declared twice", "%q is already declared at %s.", key, first))
			continue
		}
		d.names[key] = block.DefRange
		switch block.Type {
		case "host":
			diags = append(diags, d.host(block)...)
		case "device":
			diags = append(diags, d.device(block)...)
		case "plugin":
			diags = append(diags, d.plugin(filepath.Dir(path), block)...)
		}
	}
	return diags
}

func (d *decoder) host(block *hcl.Block) hcl.Diagnostics {
	a, diags := attributes(block.Body, "listen")
	if text, at, ok := a.text("listen"); ok {
		if _, _, err := net.SplitHostPort(text); err != nil && text != "" {
			a.fault(at, "Wrong address", "listen is %q: an address such as %q, with port 0 for any free one.", text, DefaultListen)
		}
		d.config.Host.Listen = text
	}
	return append(diags, a.diags...)
}

func (d *decoder) device(block *hcl.Block) hcl.Diagnostics {
	a, diags := attributes(block.Body, "kind", "uuid", "index", "memory")
	v := Device{Name: block.Labels[0], Index: -1, Range: block.DefRange}
	a.name(block.LabelRanges[0], v.Name)
	if v.Name == AutoDevice {
		a.fault(block.LabelRanges[0], "Wrong name", "%q lets the planner choose a device; no device has that name.", AutoDevice)
	}
	kind, at, ok := a.text("kind")
	switch v.Kind = kind; {
	case !ok:
		a.missing(block.DefRange, "kind", `kind = "cpu" or kind = "cuda"`)
	case kind != "cpu" && kind != "cuda":
		a.fault(at, "Unknown kind of device", "kind is %q: cpu or cuda.", kind)
	}
	hasUUID := false
	if v.UUID, at, hasUUID = a.text("uuid"); hasUUID && v.Kind == "cpu" {
		a.fault(at, "A CPU has no UUID", "uuid names a GPU as nvidia-smi -L prints it; leave it out for kind = \"cpu\".")
	}
	_, hasIndex := a.attrs["index"]
	if n, ok := a.whole("index", 0, maxIndex); ok {
		v.Index = n
		if v.Kind == "cpu" || hasUUID {
			a.fault(a.attrs["index"].Range, "An index too many", "index names a GPU by its number in nvidia-smi, where no uuid does.")
		}
	}
	if v.Kind == "cuda" && !hasUUID && !hasIndex {
		a.missing(block.DefRange, "uuid", `uuid = "GPU-..." as nvidia-smi -L prints it, or index = 0`)
	}
	if v.Memory, _, ok = a.size("memory"); !ok {
		a.missing(block.DefRange, "memory", `memory = "6GiB", what plugins may take of it`)
	}
	d.config.Devices = append(d.config.Devices, v)
	return append(diags, a.diags...)
}

func (d *decoder) plugin(dir string, block *hcl.Block) hcl.Diagnostics {
	a, diags := attributes(block.Body, "binary", "sha256", "device", "memory", "keep_alive", "queue", "on_full", "weight", "max_batch", "batch_delay",
		"dev_override", "+config", "+replicas", "+sandbox")
	p := Plugin{
		Name: block.Labels[0], Device: AutoDevice, KeepAlive: DefaultKeepAlive, Queue: DefaultQueue, OnFull: OnFullError,
		Replicas: Replicas{Min: 1, Max: 1}, Sandbox: Sandbox{Files: true, Network: true}, Range: block.DefRange, dir: dir,
	}
	p.SHA256Range, p.MemoryRange, p.DeviceRange, p.BinaryRange = p.Range, p.Range, p.Range, p.Range
	a.name(block.LabelRanges[0], p.Name)
	if text, at, ok := a.text("binary"); ok {
		p.Binary, p.BinaryRange = absolute(dir, text), at
	} else {
		a.missing(block.DefRange, "binary", `binary = "bin/plugins/text-to-image", relative to this file`)
	}
	if text, at, ok := a.text("sha256"); ok {
		p.SHA256, p.SHA256Range = strings.ToLower(text), at
		if raw, err := hex.DecodeString(text); err != nil || len(raw) != 32 {
			a.fault(at, "Wrong digest", "sha256 is the binary's SHA-256 as 64 hexadecimal digits.")
		}
	}
	if text, at, ok := a.text("device"); ok {
		p.Device, p.DeviceRange = text, at
	}
	if size, at, ok := a.size("memory"); ok {
		p.Memory, p.MemoryRange = size, at
	}
	if keep, ok := a.keepAlive("keep_alive"); ok {
		p.KeepAlive = keep
	}
	if n, ok := a.whole("queue", 1, MaxQueue); ok {
		p.Queue = n
	}
	p.decodePlacement(a)
	if body := a.block("config"); body != nil {
		p.body = body
	}
	d.config.Plugins = append(d.config.Plugins, p)
	return append(diags, a.diags...)
}

// references checks what blocks say about each other, once all files are read.
func (d *decoder) references() hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, p := range d.config.Plugins {
		byUUID := slices.ContainsFunc(d.config.Devices, func(v Device) bool { return v.UUID != "" && v.UUID == p.Device })
		if _, ok := d.names["device "+p.Device]; !ok && p.Device != AutoDevice && !byUUID {
			diags = append(diags, Fault(p.DeviceRange, "Unknown device", "no device %q is declared; the devices are %s.", p.Device, d.devices()))
		}
	}
	return diags
}

func (d *decoder) devices() string {
	names := []string{AutoDevice}
	for _, v := range d.config.Devices {
		names = append(names, v.Name)
	}
	return strings.Join(names, ", ")
}
