package config

import (
	"encoding/hex"
	"math"
	"net"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
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
	a, diags := attributes(block.Body, "kind", "uuid", "memory")
	v := Device{Name: block.Labels[0], Range: block.DefRange}
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
	if v.UUID, at, ok = a.text("uuid"); ok && v.Kind == "cpu" {
		a.fault(at, "A CPU has no UUID", "uuid names a GPU as nvidia-smi -L prints it; leave it out for kind = \"cpu\".")
	} else if !ok && v.Kind == "cuda" {
		a.missing(block.DefRange, "uuid", `uuid = "GPU-...", as nvidia-smi -L prints it`)
	}
	if v.Memory, _, ok = a.size("memory"); !ok {
		a.missing(block.DefRange, "memory", `memory = "6GiB", what plugins may take of it`)
	}
	d.config.Devices = append(d.config.Devices, v)
	return append(diags, a.diags...)
}

func (d *decoder) plugin(dir string, block *hcl.Block) hcl.Diagnostics {
	a, diags := attributes(block.Body, "binary", "sha256", "device", "memory", "keep_alive", "queue", "+config")
	p := Plugin{Name: block.Labels[0], Device: AutoDevice, KeepAlive: DefaultKeepAlive, Queue: DefaultQueue, Range: block.DefRange, dir: dir}
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
	if len(a.blocks) > 0 {
		p.body = a.blocks[0].Body
	}
	for _, extra := range a.blocks[min(1, len(a.blocks)):] {
		a.fault(extra.DefRange, "Declared twice", "a plugin has one config block; the first is at %s.", a.blocks[0].DefRange)
	}
	d.config.Plugins = append(d.config.Plugins, p)
	return append(diags, a.diags...)
}

// references checks what blocks say about each other, once all files are read.
func (d *decoder) references() hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, p := range d.config.Plugins {
		if _, ok := d.names["device "+p.Device]; !ok && p.Device != AutoDevice {
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

// block is the attributes of one block while they are read, and their faults.
type block struct {
	attrs  hcl.Attributes
	blocks hcl.Blocks
	diags  hcl.Diagnostics
}

// attributes reads a body that may hold the named attributes; a name with + is a block. Unknown ones are faults.
func attributes(body hcl.Body, names ...string) (*block, hcl.Diagnostics) {
	s := &hcl.BodySchema{}
	for _, name := range names {
		if kind, ok := strings.CutPrefix(name, "+"); ok {
			s.Blocks = append(s.Blocks, hcl.BlockHeaderSchema{Type: kind})
			continue
		}
		s.Attributes = append(s.Attributes, hcl.AttributeSchema{Name: name})
	}
	content, diags := body.Content(s)
	return &block{attrs: content.Attributes, blocks: content.Blocks}, diags
}

func (b *block) fault(at hcl.Range, summary, format string, args ...any) {
	b.diags = append(b.diags, Fault(at, summary, format, args...))
}

func (b *block) missing(at hcl.Range, name, example string) {
	if _, wrong := b.attrs[name]; !wrong { // a wrong value has its own fault
		b.fault(at, "Missing attribute", "%s is required: %s.", name, example)
	}
}

// name checks a label: it becomes a folder's name and part of a URL.
func (b *block) name(at hcl.Range, name string) {
	if name == "" || len(name) > 64 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" || name[0] == '.' || name[0] == '-' {
		b.fault(at, "Wrong name", "%q is no name: lower-case letters, digits, hyphens, underscores and dots, at most 64.", name)
	}
}

func (b *block) text(name string) (string, hcl.Range, bool) {
	attr, ok := b.attrs[name]
	if !ok {
		return "", hcl.Range{}, false
	}
	var text string
	diags := gohcl.DecodeExpression(attr.Expr, nil, &text)
	b.diags = append(b.diags, diags...)
	return text, attr.Expr.Range(), !diags.HasErrors()
}

// size reads bytes: "600MiB", or a number of bytes.
func (b *block) size(name string) (int64, hcl.Range, bool) {
	text, at, ok := b.text(name)
	if !ok {
		return 0, at, false
	}
	n, err := ParseSize(text)
	if err != nil {
		b.fault(at, "Wrong size", "%s is %q: a size such as \"600MiB\" or \"6GiB\".", name, text)
		return 0, at, false
	}
	return n, at, true
}

func (b *block) keepAlive(name string) (time.Duration, bool) {
	text, at, ok := b.text(name)
	if !ok {
		return 0, false
	}
	if text == "-1" {
		return Pinned, true
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		b.fault(at, "Wrong duration", "%s is %q: a duration such as \"5m\", or \"-1\" to keep it for ever.", name, text)
		return 0, false
	}
	return d, true
}

// whole reads an integer within bounds.
func (b *block) whole(name string, low, high int) (int, bool) {
	attr, ok := b.attrs[name]
	if !ok {
		return 0, false
	}
	value, diags := attr.Expr.Value(nil)
	b.diags = append(b.diags, diags...)
	if diags.HasErrors() {
		return 0, false
	}
	number, err := convert.Convert(value, cty.Number)
	if err == nil && !number.IsNull() && number.IsKnown() {
		if f, _ := number.AsBigFloat().Float64(); f == math.Trunc(f) && f >= float64(low) && f <= float64(high) {
			return int(f), true
		}
	}
	b.fault(attr.Expr.Range(), "Wrong number", "%s must be a whole number from %d to %d.", name, low, high)
	return 0, false
}
