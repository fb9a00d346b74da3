package device

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Memory returns the machine's memory and what of it is available to new work, in bytes, from /proc/meminfo (proc(5)) and, where
// it is less, the control group's limit.
func Memory() (total, available int64, err error) {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0, 0, unknownMemory(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 {
			continue
		}
		kib, _ := strconv.ParseInt(fields[1], 10, 64)
		switch fields[0] {
		case "MemTotal:":
			total = kib << 10
		case "MemAvailable:":
			available = kib << 10
		}
	}
	if total == 0 {
		return 0, 0, unknownMemory(errors.New("/proc/meminfo has no MemTotal"))
	}
	if limit, ok := groupLimit(); ok && limit < total {
		total, available = limit, min(available, limit)
	}
	return total, available, nil
}

// groupLimit is the memory limit of the control group as seen from inside a container (cgroup v2).
func groupLimit() (int64, bool) {
	data, err := os.ReadFile("/sys/fs/cgroup/memory.max")
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
	return n, err == nil
}

// ProcessPeak returns the most memory that a process has held at once and what it holds now, in bytes of RAM: VmHWM and VmRSS (proc(5)),
// in which the files that it has mapped count, weights among them.
func ProcessPeak(pid int) (peak, now int64, err error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0, fmt.Errorf("measure the memory of process %d: %w", pid, err)
	}
	if peak, now = parseStatus(string(data)); peak == 0 {
		return 0, 0, fmt.Errorf("measure the memory of process %d: its status has no VmHWM, as that of a process that has ended", pid)
	}
	return peak, now, nil
}

func parseStatus(text string) (peak, now int64) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		kib, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil || kib < 0 || kib > 1<<50 {
			continue
		}
		switch fields[0] {
		case "VmHWM:":
			peak = kib << 10
		case "VmRSS:":
			now = kib << 10
		}
	}
	return peak, now
}
