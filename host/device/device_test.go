package device

import (
	"slices"
	"testing"
)

func TestMemory_available_is_part_of_the_whole(t *testing.T) {
	total, available, err := Memory()
	if err != nil || total < 1<<28 || available < 1 || available > total {
		t.Errorf("%d of %d, %v", available, total, err)
	}
	cpu, err := CPU()
	if err != nil || cpu.Budget < 1 || cpu.Budget > total || cpu.Kind != "cpu" {
		t.Errorf("%+v %v", cpu, err)
	}
}

func TestEnv_hides_every_other_gpu(t *testing.T) {
	if got := (Device{Kind: "cuda", UUID: "GPU-1"}).Env(); !slices.Contains(got, "CUDA_VISIBLE_DEVICES=GPU-1") {
		t.Errorf("%q", got)
	}
	if got := (Device{Kind: "cpu"}).Env(); !slices.Contains(got, "CUDA_VISIBLE_DEVICES=") {
		t.Errorf("%q", got)
	}
}
