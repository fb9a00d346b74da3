//go:build !linux

package device

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"syscall"
)

// Memory returns the machine's memory, from hw.memsize, and takes half of it as available.
func Memory() (total, available int64, err error) {
	raw, err := syscall.Sysctl("hw.memsize")
	if err != nil {
		return 0, 0, unknownMemory(err)
	}
	data := append([]byte(raw), make([]byte, 8)...) // Sysctl cuts final zeros
	total = int64(binary.LittleEndian.Uint64(data))
	return total, total / 2, nil
}

// ProcessPeak would return the most memory that a process has held at once and what it holds now; only Linux tells it.
func ProcessPeak(pid int) (peak, now int64, err error) {
	return 0, 0, fmt.Errorf("measure the memory of process %d on %s: %w", pid, runtime.GOOS, errors.ErrUnsupported)
}
