package sdk

import (
	"bytes"
	"os"
	"strconv"
)

// residentBytes is the memory that this process holds in RAM, from /proc/self/statm (proc(5)).
func residentBytes() int64 {
	data, err := os.ReadFile("/proc/self/statm")
	fields := bytes.Fields(data)
	if err != nil || len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(string(fields[1]), 10, 64)
	return pages * int64(os.Getpagesize())
}
