package device

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/vision19/vision/host/config"
)

// Inventory is what a machine has. Its JSON form, which ReadInventory reads, is
//
//	{"cpu":{"memory_bytes":N,"available_bytes":N,"cores":N},
//	 "gpus":[{"index":0,"uuid":"GPU-...","name":"...","memory_bytes":N,"free_bytes":N}]}
type Inventory struct {
	CPU  CPU   `json:"cpu"`
	GPUs []GPU `json:"gpus"` // NVIDIA's
}

// CPU is the machine apart from its GPUs.
type CPU struct {
	MemoryBytes    int64 `json:"memory_bytes"`
	AvailableBytes int64 `json:"available_bytes"` // to new work
	Cores          int   `json:"cores"`
}

// GPU is one graphics processor.
type GPU struct {
	Index       int    `json:"index"` // nvidia-smi's, which follows the PCI bus
	UUID        string `json:"uuid"`
	Name        string `json:"name"`
	MemoryBytes int64  `json:"memory_bytes"`
	FreeBytes   int64  `json:"free_bytes"`
}

// String is how faults name a GPU.
func (g GPU) String() string {
	return fmt.Sprintf("index %d, uuid %s (%s, %s)", g.Index, g.UUID, g.Name, config.FormatSize(g.MemoryBytes))
}

// Find looks at this machine: the CPU as the system tells, the GPUs as nvidia-smi on the PATH does. Without nvidia-smi there are no
// GPUs, which is no error. With an error the inventory holds what could be found.
func Find(ctx context.Context) (Inventory, error) {
	inv := Inventory{CPU: CPU{Cores: runtime.NumCPU()}, GPUs: []GPU{}}
	var memoryErr, gpuErr error
	inv.CPU.MemoryBytes, inv.CPU.AvailableBytes, memoryErr = Memory()
	if gpus, err := findGPUs(ctx); err != nil {
		gpuErr = err
	} else if len(gpus) > 0 {
		inv.GPUs = gpus
	}
	return inv, errors.Join(memoryErr, gpuErr)
}

// maxInventory bounds an inventory file; one GPU takes some 200 bytes.
const maxInventory = 1 << 20

// ReadInventory reads an inventory in its JSON form, to plan for a machine that is not this one. Every fault of its values is in the
// error.
func ReadInventory(path string) (Inventory, error) {
	f, err := os.Open(path)
	if err != nil {
		return Inventory{}, fmt.Errorf("read the inventory: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxInventory+1))
	if err != nil {
		return Inventory{}, fmt.Errorf("read the inventory: %w", err)
	}
	if len(data) > maxInventory {
		return Inventory{}, fmt.Errorf("the inventory %s is larger than %s: is it the right file?", path, config.FormatSize(maxInventory))
	}
	inv, err := decodeInventory(data)
	if err != nil {
		return Inventory{}, fmt.Errorf("the inventory %s: %w", path, err)
	}
	return inv, nil
}

func decodeInventory(data []byte) (Inventory, error) {
	inv := Inventory{GPUs: []GPU{}}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&inv); err != nil {
		at := d.InputOffset()
		if syntax := new(json.SyntaxError); errors.As(err, &syntax) {
			at = syntax.Offset
		} else if wrong := new(json.UnmarshalTypeError); errors.As(err, &wrong) {
			at = wrong.Offset
		}
		before := data[:max(0, min(at, int64(len(data))))]
		return Inventory{}, fmt.Errorf("line %d: %w", 1+bytes.Count(before, []byte("\n")), err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Inventory{}, errors.New("there is more after the JSON object: one object with cpu and gpus")
	}
	return inv, inv.check()
}

// check holds the values against each other.
func (inv Inventory) check() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	c := inv.CPU
	if c.MemoryBytes < 1 {
		fault("cpu.memory_bytes is %d: the machine's memory in bytes, at least 1", c.MemoryBytes)
	}
	if c.AvailableBytes < 0 || c.AvailableBytes > max(c.MemoryBytes, 0) {
		fault("cpu.available_bytes is %d: from 0 to memory_bytes, %d", c.AvailableBytes, c.MemoryBytes)
	}
	if c.Cores < 1 {
		fault("cpu.cores is %d: at least 1", c.Cores)
	}
	faults = append(faults, checkGPUs(inv.GPUs)...)
	return errors.Join(faults...)
}

// checkGPUs says what is wrong with a list of GPUs.
func checkGPUs(gpus []GPU) (faults []error) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	uuids, indices := map[string]int{}, map[int]int{}
	for i, g := range gpus {
		if g.Index < 0 {
			fault("gpus[%d].index is %d: at least 0", i, g.Index)
		}
		if first, twice := indices[g.Index]; twice {
			fault("gpus[%d].index is %d, as gpus[%d]'s: each GPU has its own", i, g.Index, first)
		}
		if !isUUID(g.UUID) {
			fault("gpus[%d].uuid is %q: letters, digits and hyphens, as nvidia-smi -L prints it", i, g.UUID)
		}
		if first, twice := uuids[g.UUID]; twice {
			fault("gpus[%d].uuid is %q, as gpus[%d]'s: each GPU has its own", i, g.UUID, first)
		}
		if g.MemoryBytes < 1 {
			fault("gpus[%d].memory_bytes is %d: at least 1", i, g.MemoryBytes)
		}
		if g.FreeBytes < 0 || g.FreeBytes > max(g.MemoryBytes, 0) {
			fault("gpus[%d].free_bytes is %d: from 0 to memory_bytes, %d", i, g.FreeBytes, g.MemoryBytes)
		}
		indices[g.Index], uuids[g.UUID] = i, i
	}
	return faults
}

// isUUID keeps out whatever would mean something else in CUDA_VISIBLE_DEVICES, a list with commas.
func isUUID(text string) bool {
	for _, c := range text {
		if c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return text != "" && len(text) <= 64
}
