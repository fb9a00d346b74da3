package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/vision19/vision/host/config"
)

// Candidate is a plugin that a miner could run.
type Candidate struct {
	Name     string
	Endpoint string
	Device   string  // a device's name or UUID, or Auto
	Bytes    int64   // of one process
	Weight   float64 // the endpoint's share of what a miner earns; 0: unknown
	Seconds  float64 // mean time of a request, measured; 0: unknown
}

// Choice is what Suggest says of one candidate. Weight and Seconds are what it has reckoned with.
type Choice struct {
	Name     string  `json:"name"`
	Endpoint string  `json:"endpoint"`
	Device   string  `json:"device"` // "" unless it is chosen
	Bytes    int64   `json:"bytes"`
	Weight   float64 `json:"weight"`
	Seconds  float64 `json:"seconds"`
	Rank     float64 `json:"rank"`
	Chosen   bool    `json:"chosen"`
	Reason   string  `json:"reason"`

	wanted string // the device
}

// worth is what a candidate earns, in the unit that all of them share.
func (c Choice) worth() float64 { return c.Weight / c.Seconds }

// Suggestion is which plugins to run, the highest rank first.
type Suggestion struct {
	Choices []Choice `json:"choices"`
	Devices []Usage  `json:"devices"`
}

// Suggest chooses the plugins that earn most within the devices' memory. A miner earns with an endpoint as its weight and as the number of
// requests that it answers, and pays with memory, so candidates rank by
//
//	weight per GiB x requests per second = Weight / (Bytes / 2^30) / Seconds
//
// An unknown weight is the mean of the known ones, or 1; an unknown time the median of the measured ones, or 1 s. The formula knows neither
// how many requests come, nor that plugins share a GPU's time.
//
// The first filling goes by rank, each to the device that it fills best. From there a search in the same order looks for a choice with a
// larger sum of weight x requests per second and ends with the largest that there is, or after maxSteps with the largest that it has found,
// which is never less than that of the first filling. The same arguments give the same suggestion.
func Suggest(devices []Device, candidates []Candidate) Suggestion {
	p := newPacking(devices, ranked(candidates))
	p.search(0, 0)
	return p.suggestion()
}

// maxSteps bounds the search to some tenths of a second. For sixteen plugins and three devices, drawn at random, it took at most 145,000 steps.
const maxSteps = 1 << 18

const gib = 1 << 30

// ranked turns candidates into choices with nothing unknown, the highest rank first, of equals by name.
func ranked(candidates []Candidate) []Choice {
	var weights, times []float64
	for _, c := range candidates {
		if c.Weight > 0 {
			weights = append(weights, c.Weight)
		}
		if c.Seconds > 0 {
			times = append(times, c.Seconds)
		}
	}
	weight, seconds := mean(weights), median(times)
	out := make([]Choice, len(candidates))
	for i, c := range candidates {
		x := Choice{wanted: cmp.Or(c.Device, Auto), Name: c.Name, Endpoint: c.Endpoint, Bytes: max(c.Bytes, 0), Weight: c.Weight, Seconds: c.Seconds}
		var notes []string
		if !(c.Weight > 0) {
			x.Weight, notes = weight, append(notes, fmt.Sprintf("no weight given, taken as %.3g", weight))
		}
		if !(c.Seconds > 0) {
			x.Seconds, notes = seconds, append(notes, fmt.Sprintf("not measured yet, taken as %.3g s", seconds))
		}
		x.Reason = strings.Join(notes, "; ")
		x.Rank = x.worth() / (float64(max(x.Bytes, 1)) / gib)
		out[i] = x
	}
	slices.SortStableFunc(out, func(a, b Choice) int {
		return cmp.Or(cmp.Compare(b.Rank, a.Rank), strings.Compare(a.Name, b.Name))
	})
	return out
}

func mean(values []float64) float64 {
	if len(values) == 0 {
		return 1
	}
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 1
	}
	sorted := slices.Sorted(slices.Values(values))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}

// packing is which choice lies on which device, while the best is searched.
type packing struct {
	devices []Device
	alike   bool     // no choice wants a certain one of them
	choices []Choice // by rank
	on      []int    // by choice: a device, or -1
	free    []int64  // by device
	best    []int    // the best on so far
	worth   float64  // its
	steps   int
}

func newPacking(devices []Device, choices []Choice) *packing {
	nowhere := slices.Repeat([]int{-1}, len(choices))
	alike := !slices.ContainsFunc(choices, func(c Choice) bool { return c.wanted != Auto })
	p := &packing{devices: devices, alike: alike, choices: choices, on: nowhere, best: slices.Clone(nowhere)}
	for _, d := range devices {
		p.free = append(p.free, max(d.Budget, 0))
	}
	return p
}

// search tries the choices from i on, with what those before it are worth: on each device, that with the least free memory first, and then on
// none.
func (p *packing) search(i int, worth float64) {
	if p.steps++; p.steps > maxSteps {
		return
	}
	if worth > p.worth {
		p.worth = worth
		copy(p.best, p.on)
	}
	if worth+p.bound(i) <= p.worth {
		return
	}
	tried := int64(-1)
	for _, d := range p.byRoom() {
		if p.choices[i].Bytes > p.free[d] || !p.devices[d].Allows(p.choices[i].wanted) {
			continue
		}
		if p.alike && p.free[d] == tried { // two devices with the same room are one case
			continue
		}
		tried = p.free[d]
		p.on[i], p.free[d] = d, p.free[d]-p.choices[i].Bytes
		p.search(i+1, worth+p.choices[i].worth())
		p.on[i], p.free[d] = -1, p.free[d]+p.choices[i].Bytes
	}
	p.search(i+1, worth)
}

// bound is more than the choices from i on can add: as if the devices were one, and the last that fits could be cut.
func (p *packing) bound(i int) (sum float64) {
	var room, largest int64
	for _, free := range p.free {
		room, largest = add(room, free), max(largest, free)
	}
	for _, c := range p.choices[i:] {
		switch {
		case c.Bytes > largest:
		case c.Bytes > room:
			return sum + c.worth()*float64(room)/float64(c.Bytes)
		default:
			room -= c.Bytes
			sum += c.worth()
		}
	}
	return sum
}

// byRoom lists the devices, that with the least free memory first.
func (p *packing) byRoom() []int {
	out := make([]int, len(p.free))
	for d := range out {
		out[d] = d
	}
	slices.SortStableFunc(out, func(a, b int) int { return cmp.Compare(p.free[a], p.free[b]) })
	return out
}

func (p *packing) suggestion() Suggestion {
	s := Suggestion{Choices: p.choices, Devices: []Usage{}}
	for i, d := range p.best {
		if d >= 0 {
			p.free[d] -= p.choices[i].Bytes
		}
	}
	for d, device := range p.devices {
		budget := max(device.Budget, 0)
		s.Devices = append(s.Devices, Usage{Name: device.Name, Budget: budget, Planned: budget - p.free[d]})
	}
	for i := range s.Choices {
		c := &s.Choices[i]
		reason := "no device"
		if d := p.best[i]; d >= 0 {
			c.Chosen, c.Device = true, p.devices[d].Name
			reason = "among what earns most"
		} else if d := p.roomiest(c.wanted); d >= 0 {
			reason = fmt.Sprintf("needs %s; beside what earns more %s has %s of %s left: %s too few", config.FormatSize(c.Bytes), p.devices[d].Name,
				config.FormatSize(p.free[d]), config.FormatSize(p.devices[d].Budget), config.FormatSize(c.Bytes-p.free[d]))
		}
		c.Reason = strings.Join(slices.DeleteFunc([]string{reason, c.Reason}, func(s string) bool { return s == "" }), "; ")
	}
	return s
}

// roomiest is the device with the most memory left of those that a choice may go to, -1 for none.
func (p *packing) roomiest(wanted string) int {
	best := -1
	for d, device := range p.devices {
		if device.Allows(wanted) && (best < 0 || p.free[d] > p.free[best]) {
			best = d
		}
	}
	return best
}
