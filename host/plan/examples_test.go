package plan_test

import (
	"path/filepath"
	"testing"

	"github.com/vision19/vision/host/config"
	"github.com/vision19/vision/host/device"
	"github.com/vision19/vision/host/plan"
)

// endpoints are those that a miner's example serves.
var endpoints = []string{"text-to-image", "image-to-image", "inpaint", "scribble", "upscale", "uncrop", "clip-embed"}

func TestExamples_have_a_place_for_every_plugin(t *testing.T) {
	for _, machine := range []string{"1x80", "2x48", "3x24"} {
		t.Run(machine, func(t *testing.T) {
			folder := filepath.Join("..", "..", "examples", "configs")
			c, diags := config.Load(filepath.Join(folder, "miner-"+machine+".hcl"))
			inventory, err := device.ReadInventory(filepath.Join(folder, "inventory-"+machine+".json"))
			if err != nil || diags.HasErrors() {
				t.Fatal(err, diags)
			}
			found, diags := device.Resolve(c.Devices, inventory)
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			var devices []plan.Device
			for i, d := range found {
				devices = append(devices, plan.Device{Name: d.Name, UUID: d.UUID, Budget: d.Budget})
				if left := inventory.GPUs[i].MemoryBytes - d.Budget; left < 1.5*gib {
					t.Errorf("%s leaves %s to the driver", d.Name, config.FormatSize(left))
				}
			}
			var wants []plan.Want
			served := map[string]bool{}
			for _, p := range c.Plugins {
				endpoint := filepath.Base(p.Binary)
				served[endpoint] = true
				wants = append(wants, plan.Want{
					Name: p.Name, Endpoint: endpoint, Device: p.Device, Bytes: p.Memory, Replicas: p.Replicas.Min,
					Evict: p.OnFull == config.OnFullEvict, Pinned: p.KeepAlive == config.Pinned,
				})
				if p.Memory == 0 || p.Weight == 0 {
					t.Errorf("%s says nothing of its memory or its weight", p.Name)
				}
			}
			for _, e := range endpoints {
				if !served[e] {
					t.Errorf("nothing serves %s", e)
				}
			}
			p := plan.Make(devices, wants, nil)
			onDemand := 0
			for _, x := range p.Plugins {
				switch {
				case x.Action == plan.Demand && len(x.Evicts) > 0:
					onDemand++
				case x.Action != plan.Start:
					t.Errorf("%s: %s, %s", x.Instance(), x.Action, x.Reason)
				}
			}
			if !p.Fits || onDemand != 1 {
				t.Errorf("fits: %t, and %d are loaded on demand; each example shows one", p.Fits, onDemand)
			}
		})
	}
}
