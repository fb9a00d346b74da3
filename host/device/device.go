// Package device is what this machine has to compute on: its inventory, a ledger of who holds how much of it, and what has been
// measured.
package device

import (
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/vision19/vision/host/config"
)

// Device is one place where plugins run.
type Device struct {
	Name   string
	Kind   string // cpu, cuda
	UUID   string // cuda
	Budget int64  // bytes that plugins may take
}

// Threads is how many CPU threads one plugin may use by default.
func Threads() int { return max(runtime.NumCPU(), 1) }

// Env restricts a plugin to the device.
func (d Device) Env() []string {
	if d.Kind == "cuda" {
		return []string{"CUDA_DEVICE_ORDER=PCI_BUS_ID", "CUDA_VISIBLE_DEVICES=" + d.UUID}
	}
	return []string{"CUDA_VISIBLE_DEVICES="}
}

// Default is the machine without a device block: its CPU. Plugins may take four fifths of the memory that is free now; the rest is
// for the host and for everything else that runs here.
func (inv Inventory) Default() Device {
	return Device{Name: "cpu0", Kind: "cpu", Budget: inv.CPU.AvailableBytes / 5 * 4}
}

// Resolve finds the declared devices in the inventory; with none declared there is the default one. It returns one Device for each
// that is declared, in their order, also for those that the diagnostics find fault with, so that planning can go on and find more.
func Resolve(declared []config.Device, inv Inventory) ([]Device, hcl.Diagnostics) {
	if len(declared) == 0 {
		return []Device{inv.Default()}, nil
	}
	var diags hcl.Diagnostics
	out := make([]Device, len(declared))
	owner := map[string]string{} // of a GPU, by its UUID
	for i, d := range declared {
		out[i] = Device{Name: d.Name, Kind: d.Kind, UUID: d.UUID, Budget: d.Memory}
		total, what := inv.CPU.MemoryBytes, "the machine"
		if d.Kind == "cuda" {
			if d.UUID == "" && d.Index < 0 {
				continue // it names none, which is a fault of the file
			}
			g, found := inv.gpu(d)
			if !found {
				diags = append(diags, config.Fault(d.Range, "No such GPU", "%s", inv.missing(d)))
				continue
			}
			if first, twice := owner[g.UUID]; twice {
				diags = append(diags, config.Fault(d.Range, "A GPU declared twice",
					"%q is the same GPU as %q, %s: one device block with one memory.", d.Name, first, g))
			}
			owner[g.UUID], out[i].UUID = d.Name, g.UUID
			total, what = g.MemoryBytes, g.String()
		}
		if d.Memory > total {
			diags = append(diags, config.Fault(d.Range, "More memory than there is", "memory is %s, and %s has %s: leave some of it to the system, too.",
				config.FormatSize(d.Memory), what, config.FormatSize(total)))
		}
	}
	return out, diags
}

// gpu finds the GPU that a device block names.
func (inv Inventory) gpu(d config.Device) (GPU, bool) {
	i := slices.IndexFunc(inv.GPUs, func(g GPU) bool {
		if d.UUID != "" {
			return g.UUID == d.UUID
		}
		return g.Index == d.Index
	})
	if i < 0 {
		return GPU{}, false
	}
	return inv.GPUs[i], true
}

// missing says what a device block names in vain, and what there is.
func (inv Inventory) missing(d config.Device) string {
	if len(inv.GPUs) == 0 {
		return "nvidia-smi shows no GPU on this machine: install NVIDIA's driver, or declare a device with kind = \"cpu\"."
	}
	var there []string
	for _, g := range inv.GPUs {
		there = append(there, g.String())
	}
	wanted := "the index " + strconv.Itoa(d.Index)
	if d.UUID != "" {
		wanted = "the UUID " + d.UUID
	}
	return "no GPU has " + wanted + "; there are: " + strings.Join(there, "; ") + "."
}
