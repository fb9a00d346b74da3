// Package device is what this machine has to compute on.
package device

import (
	"errors"
	"fmt"
	"runtime"
)

// Device is one place where plugins run.
type Device struct {
	Name   string
	Kind   string // cpu, cuda
	UUID   string // cuda
	Budget int64  // bytes that plugins may take
}

// CPU is the whole machine without a declaration: plugins may take four fifths of the memory that is free now; the rest is for
// the host and for everything else that runs here.
func CPU() (Device, error) {
	_, available, err := Memory()
	if err != nil {
		return Device{}, err
	}
	return Device{Name: "cpu0", Kind: "cpu", Budget: available / 5 * 4}, nil
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

var errUnknownMemory = errors.New("the memory of this machine is not known")

func unknownMemory(err error) error {
	return fmt.Errorf("%w; declare a device block with memory: %w", errUnknownMemory, err)
}
