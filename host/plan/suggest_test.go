package plan_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/vision19/vision/host/plan"
)

func TestSuggest_chooses_what_earns_most_for_its_memory(t *testing.T) {
	c := func(name string, gibs int64, weight, seconds float64) plan.Candidate {
		return plan.Candidate{Name: name, Endpoint: name, Bytes: gibs * gib, Weight: weight, Seconds: seconds}
	}
	for name, x := range map[string]struct {
		devices    []plan.Device
		candidates []plan.Candidate
		want       []string // name device rank, the highest rank first
		reasons    []string // parts, one a choice
	}{
		"nothing": {both, nil, nil, nil},
		"no device": {
			nil, []plan.Candidate{c("a", 1, 1, 1)}, []string{"a - 1"}, []string{"no device"},
		},
		"by weight, memory and time": {
			both, []plan.Candidate{c("large", 4, 1, 1), c("slow", 1, 1, 10), c("light", 1, .1, 1), c("best", 2, 1, .5)},
			[]string{"best gpu0 1", "large cpu0 0.25", "light gpu0 0.1", "slow gpu0 0.1"}, nil,
		},
		"what is left out": {
			[]plan.Device{gpu}, []plan.Candidate{c("a", 3, 1, 1), c("b", 2, .1, 1)},
			[]string{"a gpu0 0.333", "b - 0.05"}, []string{"among what earns most", "needs 2GiB; beside what earns more gpu0 has 1GiB of 4GiB left: 1GiB too few"},
		},
		"unknown figures": {
			[]plan.Device{gpu}, []plan.Candidate{c("a", 1, .2, 0), c("b", 1, .4, 2), c("c", 1, 0, 4)},
			[]string{"b gpu0 0.2", "c gpu0 0.075", "a gpu0 0.0667"}, []string{"among what earns most", "no weight given, taken as 0.3", "not measured yet, taken as 3 s"},
		},
		"nothing known": {[]plan.Device{gpu}, []plan.Candidate{c("a", 2, 0, 0), c("b", 2, math.NaN(), 0)}, []string{"a gpu0 0.5", "b gpu0 0.5"}, nil},
		"one large plugin is worth more than the two that rank above it": {
			[]plan.Device{{Name: "d", Budget: 10 * gib}}, []plan.Candidate{c("small", 1, 1.1, 1), c("tiny", 1, 1.05, 1), c("large", 10, 10, 1)},
			[]string{"small - 1.1", "tiny - 1.05", "large d 1"}, nil,
		},
		"without memory": {[]plan.Device{{Name: "d", Budget: -1}}, []plan.Candidate{c("a", 0, 1, 1), c("b", 1, 1, 1)}, []string{"a d 1.07e+09", "b - 1"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := plan.Suggest(x.devices, x.candidates)
			var got []string
			for i, c := range s.Choices {
				device := c.Device
				if device == "" {
					device = "-"
				}
				got = append(got, fmt.Sprintf("%s %s %.3g", c.Name, device, c.Rank))
				if c.Chosen != (c.Device != "") || x.reasons != nil && !strings.Contains(c.Reason, x.reasons[i]) {
					t.Errorf("%+v", c)
				}
			}
			if !reflect.DeepEqual(got, x.want) {
				t.Errorf("%q\nwant %q", got, x.want)
			}
		})
	}
}

// earned is what a miner earns with some of the candidates, all of whose figures are known.
func earned(candidates []plan.Candidate, chosen func(i int) bool) (sum float64) {
	for i, c := range candidates {
		if chosen(i) {
			sum += c.Weight / c.Seconds
		}
	}
	return sum
}

// greedy is the plain filling by rank, each to the device on which the least stays free.
func greedy(devices []plan.Device, candidates []plan.Candidate) float64 {
	free := make([]int64, len(devices))
	for i, d := range devices {
		free[i] = d.Budget
	}
	chosen := map[string]bool{}
	for _, c := range plan.Suggest(nil, candidates).Choices { // by rank
		best := -1
		for i := range free {
			if c.Bytes <= free[i] && (best < 0 || free[i] < free[best]) {
				best = i
			}
		}
		if best >= 0 {
			free[best] -= c.Bytes
			chosen[c.Name] = true
		}
	}
	return earned(candidates, func(i int) bool { return chosen[candidates[i].Name] })
}

// optimum tries everything.
func optimum(devices []plan.Device, candidates []plan.Candidate) float64 {
	free := make([]int64, len(devices))
	for i, d := range devices {
		free[i] = d.Budget
	}
	var try func(i int) float64
	try = func(i int) float64 {
		if i == len(candidates) {
			return 0
		}
		best := try(i + 1)
		for d := range free {
			if candidates[i].Bytes <= free[d] {
				free[d] -= candidates[i].Bytes
				best = max(best, candidates[i].Weight/candidates[i].Seconds+try(i+1))
				free[d] += candidates[i].Bytes
			}
		}
		return best
	}
	return try(0)
}

// drawCandidates makes up a machine and what it could run.
func drawCandidates(r *rand.Rand, devices, candidates int) (d []plan.Device, c []plan.Candidate) {
	for i := range devices {
		d = append(d, plan.Device{Name: fmt.Sprint("d", i), Budget: 10 + r.Int64N(60)})
	}
	for i := range candidates {
		c = append(c, plan.Candidate{Name: fmt.Sprint("p", i), Bytes: 1 + r.Int64N(40), Weight: .01 + r.Float64(), Seconds: .1 + r.Float64()})
	}
	return d, c
}

// value is what a suggestion earns; the fault is a budget that it does not keep.
func value(t *testing.T, devices []plan.Device, candidates []plan.Candidate) float64 {
	t.Helper()
	s := plan.Suggest(devices, candidates)
	if again := plan.Suggest(devices, candidates); !reflect.DeepEqual(s, again) {
		t.Fatalf("two suggestions\n%+v\n%+v", s, again)
	}
	planned, chosen := map[string]int64{}, map[string]bool{}
	for _, c := range s.Choices {
		chosen[c.Name] = c.Chosen
		if c.Chosen {
			planned[c.Device] += c.Bytes
		}
	}
	for i, u := range s.Devices {
		if u.Planned != planned[u.Name] || u.Planned > devices[i].Budget || len(chosen) != len(candidates) {
			t.Fatalf("above a budget, or wrongly counted: %+v", s)
		}
	}
	return earned(candidates, func(i int) bool { return chosen[candidates[i].Name] })
}

func TestSuggest_finds_the_best_of_small_cases(t *testing.T) {
	r := rand.New(rand.NewPCG(19, 3))
	const cases = 1000
	improved := 0
	for n := range cases {
		devices, candidates := drawCandidates(r, 1+r.IntN(3), 1+r.IntN(7))
		got, best := value(t, devices, candidates), optimum(devices, candidates)
		if math.Abs(got-best) > 1e-9 {
			t.Fatalf("case %d: %f, and the best is %f\n%+v\n%+v", n, got, best, devices, candidates)
		}
		if got > greedy(devices, candidates)+1e-9 {
			improved++
		}
	}
	if improved < cases/20 {
		t.Errorf("better than the plain filling only in %d of %d", improved, cases)
	}
}

func TestSuggest_of_many_is_no_worse_than_the_plain_filling(t *testing.T) {
	r := rand.New(rand.NewPCG(19, 4))
	for n := range 3 {
		devices, candidates := drawCandidates(r, 8, 40)
		if got, plain := value(t, devices, candidates), greedy(devices, candidates); got < plain-1e-9 {
			t.Errorf("case %d: %f, the plain filling %f", n, got, plain)
		}
	}
}
