package device

import (
	"slices"
	"strings"
	"testing"

	"github.com/vision19/vision/host/config"
)

const gib = 1 << 30

func TestEnv_hides_every_other_gpu(t *testing.T) {
	if got := (Device{Kind: "cuda", UUID: "GPU-1"}).Env(); !slices.Contains(got, "CUDA_VISIBLE_DEVICES=GPU-1") {
		t.Errorf("%q", got)
	}
	if got := (Device{Kind: "cpu"}).Env(); !slices.Contains(got, "CUDA_VISIBLE_DEVICES=") {
		t.Errorf("%q", got)
	}
}

func TestResolve_finds_the_declared_devices(t *testing.T) {
	inv := Inventory{
		CPU:  CPU{MemoryBytes: 64 * gib, AvailableBytes: 50 * gib, Cores: 8},
		GPUs: []GPU{{Index: 0, UUID: "GPU-a", Name: "A40", MemoryBytes: 48 * gib}, {Index: 1, UUID: "GPU-b", Name: "A40", MemoryBytes: 48 * gib}},
	}
	cuda := func(name, uuid string, index int, gibs int64) config.Device {
		return config.Device{Name: name, Kind: "cuda", UUID: uuid, Index: index, Memory: gibs * gib}
	}
	cpu := func(gibs int64) config.Device {
		return config.Device{Name: "cpu0", Kind: "cpu", Index: -1, Memory: gibs * gib}
	}
	none := Inventory{CPU: inv.CPU}
	for name, c := range map[string]struct {
		inv      Inventory
		declared []config.Device
		want     []Device
		faults   [][]string // what each fault says
	}{
		"none declared": {inv, nil, []Device{{Name: "cpu0", Kind: "cpu", Budget: 40 * gib}}, nil},
		"by UUID":       {inv, []config.Device{cuda("gpu0", "GPU-b", -1, 40)}, []Device{{"gpu0", "cuda", "GPU-b", 40 * gib}}, nil},
		"by index":      {inv, []config.Device{cuda("gpu0", "", 1, 48), cpu(64)}, []Device{{"gpu0", "cuda", "GPU-b", 48 * gib}, {"cpu0", "cpu", "", 64 * gib}}, nil},
		"unknown UUID": {
			inv, []config.Device{cuda("gpu0", "GPU-c", -1, 1)}, []Device{{"gpu0", "cuda", "GPU-c", gib}},
			[][]string{{"No such GPU", "the UUID GPU-c", "index 0, uuid GPU-a (A40, 48GiB); index 1, uuid GPU-b"}},
		},
		"unnamed":       {inv, []config.Device{cuda("gpu0", "", -1, 1)}, []Device{{"gpu0", "cuda", "", gib}}, nil},
		"unknown index": {inv, []config.Device{cuda("gpu0", "", 2, 1)}, []Device{{"gpu0", "cuda", "", gib}}, [][]string{{"the index 2", "GPU-a"}}},
		"no GPU": {
			none, []config.Device{cuda("gpu0", "", 0, 1), cpu(1)}, []Device{{"gpu0", "cuda", "", gib}, {"cpu0", "cpu", "", gib}},
			[][]string{{"nvidia-smi shows no GPU", `kind = "cpu"`}},
		},
		"more than the GPU has": {inv, []config.Device{cuda("gpu0", "", 0, 49)}, []Device{{"gpu0", "cuda", "GPU-a", 49 * gib}}, [][]string{{"memory is 49GiB", "A40, 48GiB"}}},
		"more than the machine": {inv, []config.Device{cpu(65)}, []Device{{"cpu0", "cpu", "", 65 * gib}}, [][]string{{"memory is 65GiB", "the machine has 64GiB"}}},
		"one GPU twice": {
			inv, []config.Device{cuda("gpu0", "GPU-a", -1, 20), cuda("gpu1", "", 0, 20)}, []Device{{"gpu0", "cuda", "GPU-a", 20 * gib}, {"gpu1", "cuda", "GPU-a", 20 * gib}},
			[][]string{{`"gpu1" is the same GPU as "gpu0"`}},
		},
		"every fault at once": {inv, []config.Device{cpu(65), cuda("gpu0", "", 9, 1)}, []Device{{"cpu0", "cpu", "", 65 * gib}, {"gpu0", "cuda", "", gib}}, [][]string{{"65GiB"}, {"index 9"}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, diags := Resolve(c.declared, c.inv)
			if !slices.Equal(got, c.want) || len(diags) != len(c.faults) {
				t.Fatalf("%+v\nwant %+v\n%v", got, c.want, diags)
			}
			for i, parts := range c.faults {
				for _, part := range parts {
					if text := diags[i].Summary + ": " + diags[i].Detail; diags[i].Subject == nil || !strings.Contains(text, part) {
						t.Errorf("%q is missing in %q", part, text)
					}
				}
			}
		})
	}
}
