package device

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/vision19/vision/host/config"
)

// The bounds of one call of nvidia-smi.
const (
	smiTime   = 10 * time.Second // a driver that has to wake eight GPUs takes several
	smiOutput = 1 << 20          // thousands of processes
)

// errNoSMI says that this machine has no NVIDIA driver.
var errNoSMI = errors.New("there is no nvidia-smi on the PATH")

// smi runs nvidia-smi and returns what it prints, without surrounding white space.
func smi(ctx context.Context, args ...string) (string, error) {
	path, err := exec.LookPath("nvidia-smi")
	if err != nil {
		return "", errNoSMI
	}
	ctx, cancel := context.WithTimeout(ctx, smiTime)
	defer cancel()
	out := &bounded{limit: smiOutput}
	cmd := exec.CommandContext(ctx, path, append(args, "--format=csv,noheader,nounits")...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.WaitDelay = time.Second // for whoever inherited its output
	err = cmd.Run()
	text := strings.TrimSpace(out.buffer.String())
	switch {
	case out.full:
		return "", fmt.Errorf("%s printed more than %s", path, config.FormatSize(smiOutput))
	case ctx.Err() != nil:
		return "", fmt.Errorf("%s did not end in time: %w", path, ctx.Err())
	case strings.HasPrefix(text, "No devices were found"): // a driver without a GPU; some versions call that a failure
		return "", nil
	case err != nil:
		return "", fmt.Errorf("%s: %w: it printed %q", path, err, excerpt(text))
	}
	return text, nil
}

// bounded keeps what is written up to a limit, and refuses the rest, which ends the writer. The buffer is not embedded: with its ReadFrom,
// io.Copy would go past Write.
type bounded struct {
	buffer bytes.Buffer
	limit  int
	full   bool
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.buffer.Len()+len(p) > b.limit {
		b.full = true
		return 0, errors.New("too much output")
	}
	return b.buffer.Write(p)
}

// excerpt is what an error shows of an output.
func excerpt(text string) string {
	const most = 300
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "..."
	}
	return text
}

func findGPUs(ctx context.Context) ([]GPU, error) {
	out, err := smi(ctx, "--query-gpu=index,uuid,name,memory.total,memory.free")
	if errors.Is(err, errNoSMI) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("find the GPUs: %w", err)
	}
	gpus, err := parseGPUs(out)
	if err != nil {
		return nil, fmt.Errorf("find the GPUs: %w", err)
	}
	return gpus, nil
}

// parseGPUs reads lines such as "0, GPU-6a96bdcd, NVIDIA A100-SXM4-80GB, 81920, 81050"; memory is in MiB.
func parseGPUs(text string) ([]GPU, error) {
	var out []GPU
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		fields := strings.Split(line, ",")
		last := len(fields) - 1
		if last < 4 {
			return nil, fmt.Errorf("nvidia-smi printed %q: not index, uuid, name, memory.total, memory.free", excerpt(line))
		}
		index, err1 := strconv.Atoi(strings.TrimSpace(fields[0]))
		total, err2 := parseMiB(fields[last-1])
		free, err3 := parseMiB(fields[last])
		if err := errors.Join(err1, err2, err3); err != nil {
			return nil, fmt.Errorf("nvidia-smi printed %q: %w", excerpt(line), err)
		}
		name := strings.TrimSpace(strings.Join(fields[2:last-1], ","))
		out = append(out, GPU{Index: index, UUID: strings.TrimSpace(fields[1]), Name: name, MemoryBytes: total, FreeBytes: free})
	}
	if faults := checkGPUs(out); len(faults) > 0 {
		return nil, fmt.Errorf("nvidia-smi printed %q: %w", excerpt(text), errors.Join(faults...))
	}
	return out, nil
}

// parseMiB reads a number of mebibytes as bytes.
func parseMiB(text string) (int64, error) {
	text = strings.TrimSpace(text)
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64>>20 {
		return 0, fmt.Errorf("%q is no amount of memory in MiB", text)
	}
	return n << 20, nil
}

// GPUMemory returns the bytes of a GPU's memory that are in use and those that are free. The two need not add up to its memory: the
// driver keeps some.
func GPUMemory(ctx context.Context, uuid string) (used, free int64, err error) {
	out, err := smi(ctx, "--id="+uuid, "--query-gpu=memory.used,memory.free")
	if err != nil {
		return 0, 0, fmt.Errorf("measure the memory of %s: %w", uuid, err)
	}
	first, second, _ := strings.Cut(out, ",")
	used, err1 := parseMiB(first)
	free, err2 := parseMiB(second)
	if err := errors.Join(err1, err2); err != nil {
		return 0, 0, fmt.Errorf("measure the memory of %s: nvidia-smi printed %q: %w", uuid, excerpt(out), err)
	}
	return used, free, nil
}

// ProcessGPUMemory returns the bytes that these processes hold of a GPU together; 0 when nvidia-smi cannot tell, as inside a container
// with process ids of its own.
func ProcessGPUMemory(ctx context.Context, uuid string, pids []int) int64 {
	out, err := smi(ctx, "--query-compute-apps=pid,gpu_uuid,used_memory")
	if err != nil {
		return 0
	}
	return sumProcesses(out, uuid, pids)
}

// sumProcesses reads lines such as "4242, GPU-6a96bdcd, 5120".
func sumProcesses(text, uuid string, pids []int) (sum int64) {
	for line := range strings.Lines(text) {
		fields := strings.Split(line, ",")
		if len(fields) != 3 || strings.TrimSpace(fields[1]) != uuid {
			continue
		}
		pid, err1 := strconv.Atoi(strings.TrimSpace(fields[0]))
		held, err2 := parseMiB(fields[2])
		if err1 != nil || err2 != nil || held > math.MaxInt64-sum {
			continue
		}
		for _, p := range pids {
			if p == pid {
				sum += held
			}
		}
	}
	return sum
}

// The wait for a GPU's memory: what a process had is back within 0.5 to 1.5 s of its end as a rule, and a little of it may stay
// with the driver.
const (
	returnTime = 5 * time.Second
	returnPoll = 100 * time.Millisecond
)

// Freed waits, at most five seconds, until nvidia-smi lists a process no more that it has listed: then the driver has given its memory back.
func Freed(ctx context.Context, d Device, pid int) error {
	ctx, cancel := context.WithTimeout(ctx, returnTime)
	defer cancel()
	tick := time.NewTicker(returnPoll)
	defer tick.Stop()
	for {
		held := ProcessGPUMemory(ctx, d.UUID, []int{pid})
		if held == 0 && ctx.Err() == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("process %d has ended, and `nvidia-smi` still shows %s of %s as its own", pid, config.FormatSize(held), d.Name)
		}
	}
}

// Returned waits, at most five seconds, until a device has given back the memory of a process that has ended: until the free memory of
// a GPU has grown to three quarters of expect above before, both in bytes. The error says what is missing. A CPU has nothing to wait
// for: an ended process holds no memory.
func Returned(ctx context.Context, d Device, before, expect int64) error {
	if d.Kind != "cuda" || expect <= 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, returnTime)
	defer cancel()
	target := expect - expect/4
	tick := time.NewTicker(returnPoll)
	defer tick.Stop()
	var back int64
	for {
		_, free, err := GPUMemory(ctx, d.UUID)
		if err != nil && ctx.Err() == nil {
			return err
		}
		if err == nil {
			back = free - before
		}
		if back >= target {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s has given back %s of the %s that a process held, %s too few: %w; `nvidia-smi` shows who holds the rest",
				d.Name, config.FormatSize(max(back, 0)), config.FormatSize(expect), config.FormatSize(target-max(back, 0)), ctx.Err())
		}
	}
}
