package main

import (
	"slices"

	"github.com/vision19/vision/reward/compare"
	"github.com/vision19/vision/reward/rows"
)

// cameOutSame is the kind of a cheat's answer that lies within the spread of the honest ones to the same request: painted into a white ground, say, every
// seed gives the same white. No comparison could refuse it and take them, so that it neither trains nor counts.
const cameOutSame = "came-out-same"

// spread are the features by which the spread is told, and step what lies within it in any case: a sample that is rounded otherwise.
var spread = []string{"max", "block_max", "mae"}

const step = 1

// tellSame gives such pairs their kind.
func tellSame(all []rows.Row) {
	names := compare.Names()
	column := func(name string) int { return slices.Index(names, name) }
	widest := map[int][]float64{}
	for _, r := range all {
		if r.Label != rows.Honest {
			continue
		}
		w := widest[r.Request]
		if w == nil {
			w = make([]float64, len(spread))
		}
		for i, name := range spread {
			w[i] = max(w[i], r.Features[column(name)])
		}
		widest[r.Request] = w
	}
	for i, r := range all {
		w := widest[r.Request]
		if r.Label == rows.Honest || w == nil {
			continue
		}
		within := true
		for k, name := range spread {
			within = within && r.Features[column(name)] <= w[k]
		}
		if within || r.Features[column("max")] <= step {
			all[i].Kind, all[i].Label = cameOutSame, rows.Reported
		}
	}
}
