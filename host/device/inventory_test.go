package device

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestMemory_available_is_part_of_the_whole(t *testing.T) {
	total, available, err := Memory()
	if err != nil || total < 1<<28 || available < 1 || available > total {
		t.Errorf("%d of %d, %v", available, total, err)
	}
}

// standIn puts a script in the place of nvidia-smi, alone on the PATH with the shell's tools.
func standIn(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "nvidia-smi"), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":/usr/bin:/bin")
}

func TestFind_sees_the_gpus_that_nvidia_smi_prints(t *testing.T) {
	const mib = 1 << 20
	two := []GPU{{0, "GPU-6a96", "NVIDIA A100-SXM4-80GB", 81920 * mib, 81050 * mib}, {1, "GPU-0b1c", "Odd, with a comma", 24564 * mib, 0}}
	for name, c := range map[string]struct {
		script string
		want   []GPU
		fault  string
	}{
		"two GPUs":      {"echo '0, GPU-6a96, NVIDIA A100-SXM4-80GB, 81920, 81050'\necho '1, GPU-0b1c, Odd, with a comma, 24564, 0'", two, ""},
		"no GPU":        {"true", []GPU{}, ""},
		"none found":    {"echo No devices were found; exit 6", []GPU{}, ""},
		"fails":         {"echo 'Failed to initialize NVML: Driver/library version mismatch' >&2; exit 18", []GPU{}, "Driver/library version mismatch"},
		"garbage":       {"echo '<html>'", []GPU{}, `"<html>"`},
		"no number":     {"echo '0, GPU-1, X, [N/A], 1'", []GPU{}, `"[N/A]" is no amount of memory`},
		"too much":      {"echo '0, GPU-1, X, 9223372036854775807, 1'", []GPU{}, "no amount of memory"},
		"a list of two": {"echo '0, GPU-1:GPU-2, X, 2, 1'", []GPU{}, "letters, digits and hyphens"},
		"the same twice": {
			"echo '0, GPU-1, X, 2, 1'; echo '0, GPU-1, X, 2, 1'", []GPU{}, "each GPU has its own",
		},
		"endless": {"yes '0, GPU-1, X, 2, 1'", []GPU{}, "printed more than 1MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			standIn(t, c.script)
			inv, err := Find(t.Context())
			if c.fault == "" && err != nil || c.fault != "" && (err == nil || !strings.Contains(err.Error(), c.fault)) {
				t.Errorf("the error is %v, want one with %q", err, c.fault)
			}
			if !reflect.DeepEqual(inv.GPUs, c.want) || inv.CPU.MemoryBytes < 1 || inv.CPU.Cores < 1 {
				t.Errorf("%+v", inv)
			}
		})
	}
}

func TestFind_without_nvidia_smi_has_no_gpus(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if inv, err := Find(t.Context()); err != nil || inv.GPUs == nil || len(inv.GPUs) > 0 {
		t.Errorf("%+v %v", inv, err)
	}
}

func TestFind_does_not_wait_for_an_nvidia_smi_that_hangs(t *testing.T) {
	standIn(t, "exec sleep 60")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Find(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "nvidia-smi did not end in time") {
		t.Error(err)
	}
}

func TestGPUMemory_is_that_of_one_gpu(t *testing.T) {
	standIn(t, `[ "$1" = --id=GPU-1 ] && echo "100, 900" || { echo "No such device: $1"; exit 6; }`)
	if used, free, err := GPUMemory(t.Context(), "GPU-1"); err != nil || used != 100<<20 || free != 900<<20 {
		t.Error(used, free, err)
	}
	if _, _, err := GPUMemory(t.Context(), "GPU-2"); err == nil || !strings.Contains(err.Error(), "No such device: --id=GPU-2") {
		t.Error(err)
	}
	standIn(t, `echo "[N/A], [N/A]"`)
	if _, _, err := GPUMemory(t.Context(), "GPU-1"); err == nil || !strings.Contains(err.Error(), "[N/A]") {
		t.Error(err)
	}
}

func TestProcessGPUMemory_sums_the_processes_that_it_is_asked_for(t *testing.T) {
	standIn(t, "echo '10, GPU-1, 100'; echo '11, GPU-1, 20'; echo '12, GPU-1, 3'; echo '10, GPU-2, 5000'; echo '11, GPU-1, [N/A]'; echo odd")
	if got := ProcessGPUMemory(t.Context(), "GPU-1", []int{10, 11, 99}); got != 120<<20 {
		t.Error(got)
	}
	standIn(t, "exit 1")
	if got := ProcessGPUMemory(t.Context(), "GPU-1", []int{10}); got != 0 {
		t.Error(got)
	}
}

func TestReturned_waits_until_the_gpu_has_its_memory_back(t *testing.T) {
	gpu := Device{Name: "gpu0", Kind: "cuda", UUID: "GPU-1"}
	const before, expect = 1000 << 20, 400 << 20
	calls := filepath.Join(t.TempDir(), "calls")
	standIn(t, fmt.Sprintf("echo >>%s; n=$(wc -l <%s); echo \"0, $((1000 + n * 100))\"", calls, calls)) // 100 MiB more at each look
	if err := Returned(t.Context(), gpu, before, expect); err != nil {
		t.Error(err)
	}
	if data, _ := os.ReadFile(calls); len(data) != 3 { // 300 of 400 MiB are enough
		t.Errorf("looked %d times", len(data))
	}
	standIn(t, "echo 0, 1100")
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	err := Returned(ctx, gpu, before, expect)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "gpu0 has given back 100MiB of the 400MiB that a process held, 200MiB too few") {
		t.Error(err)
	}
	standIn(t, "echo broken; exit 1")
	if err := Returned(t.Context(), gpu, before, expect); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Error(err)
	}
	for _, nothing := range []error{Returned(t.Context(), Device{Kind: "cpu"}, 0, expect), Returned(t.Context(), gpu, before, 0)} {
		if nothing != nil {
			t.Error(nothing)
		}
	}
}

func FuzzParseGPUs(f *testing.F) {
	f.Add("0, GPU-6a96, NVIDIA A100-SXM4-80GB, 81920, 81050\n1, GPU-1, a, b, 2, 1")
	f.Add("0, GPU-1, X, [N/A], -1")
	f.Add(",,,,")
	f.Fuzz(func(t *testing.T, text string) {
		gpus, err := parseGPUs(text)
		if err != nil {
			return
		}
		if faults := checkGPUs(gpus); len(faults) > 0 {
			t.Errorf("%q became %+v: %v", text, gpus, faults)
		}
		if n := sumProcesses(text, "GPU-1", []int{0, 1}); n < 0 {
			t.Errorf("%q sums to %d", text, n)
		}
	})
}

const goodInventory = `{"cpu":{"memory_bytes":100,"available_bytes":90,"cores":4},
 "gpus":[{"index":0,"uuid":"GPU-1","name":"A40","memory_bytes":50,"free_bytes":40}]}`

func TestReadInventory_reads_what_it_writes_and_says_what_is_wrong(t *testing.T) {
	for name, c := range map[string]struct {
		text   string
		faults []string // none: it is read
	}{
		"good":         {goodInventory, nil},
		"without GPUs": {`{"cpu":{"memory_bytes":100,"available_bytes":90,"cores":4}}`, nil},
		"empty":        {"", []string{"line 1", "EOF"}},
		"syntax":       {"{\n\"cpu\": }", []string{"line 2", "invalid character"}},
		"unknown key":  {strings.Replace(goodInventory, "free_bytes", "free", 1), []string{`unknown field "free"`}},
		"wrong type":   {strings.Replace(goodInventory, `"cores":4`, `"cores":"4"`, 1), []string{"line 1", "cores"}},
		"more after":   {goodInventory + "{}", []string{"more after"}},
		"every value": {
			`{"cpu":{"memory_bytes":-1,"available_bytes":1,"cores":0},"gpus":[{"index":-1,"uuid":"a,b","memory_bytes":0,"free_bytes":1},{"index":-1,"uuid":"a,b"}]}`,
			[]string{
				"cpu.memory_bytes is -1", "cpu.available_bytes is 1", "cpu.cores is 0", "gpus[0].index is -1", `gpus[0].uuid is "a,b"`, "gpus[0].memory_bytes is 0",
				"gpus[0].free_bytes is 1", "gpus[1].index is -1, as gpus[0]'s", `gpus[1].uuid is "a,b", as gpus[0]'s`,
			},
		},
		"too large": {strings.Repeat(" ", maxInventory) + goodInventory, []string{"larger than 1MiB"}},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "inventory.json")
			if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			inv, err := ReadInventory(path)
			if len(c.faults) == 0 {
				again, _ := json.Marshal(inv)
				if back, err2 := decodeInventory(again); err != nil || err2 != nil || !reflect.DeepEqual(inv, back) || inv.CPU.Cores != 4 {
					t.Errorf("%+v %v, again %+v %v", inv, err, back, err2)
				}
				return
			}
			for _, fault := range append(c.faults, path) {
				if err == nil || !strings.Contains(err.Error(), fault) {
					t.Errorf("%q is missing in %v", fault, err)
				}
			}
		})
	}
	if _, err := ReadInventory(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func FuzzDecodeInventory(f *testing.F) {
	f.Add([]byte(goodInventory))
	f.Add([]byte(`{"gpus":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if inv, err := decodeInventory(data); err == nil && inv.check() != nil {
			t.Errorf("%+v", inv)
		}
	})
}
