package device

import (
	"bufio"
	"errors"
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
