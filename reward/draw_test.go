package reward

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

// strangers are n candidates that share nothing.
func strangers(n int) []Candidate {
	out := make([]Candidate, n)
	for i := range out {
		out[i] = Candidate{Coldkey: fmt.Sprint("cold", i), Address: fmt.Sprint("10.0.0.", i), Standing: Standing{Periods: 30, Trust: 1}}
	}
	return out
}

func TestDraw_begins_with_one_of_the_least_asked(t *testing.T) {
	from := strangers(5)
	for i, asked := range []int{3, 1, 2, 1, 4} {
		from[i].Asked = asked
	}
	rng, first := random(1), map[int]int{}
	for range 1000 {
		first[rules(t, "").Draw(rng, from, -1, true).Seats[0]]++
	}
	if len(first) != 2 || first[1] < 400 || first[3] < 400 {
		t.Errorf("first seats %v", first)
	}
	if g := rules(t, "").Draw(rng, from, 4, true); g.Seats[0] != 4 {
		t.Errorf("the routed miner is not first: %v", g)
	}
}

func TestDraw_seats_no_two_of_one_owner(t *testing.T) {
	r := rules(t, "")
	r.Audit = 1
	from := strangers(9)
	from[1].Coldkey = from[0].Coldkey
	from[3].Address = from[2].Address
	from[5].Coldkey, from[4].Address = from[4].Coldkey, from[6].Address
	rng := random(2)
	for range 500 {
		g := r.Draw(rng, from, -1, false)
		if len(g.Seats) != r.AuditSeats || !g.Audited {
			t.Fatalf("%+v", g)
		}
		for i, a := range g.Seats {
			for _, b := range g.Seats[:i] {
				if from[a].Coldkey == from[b].Coldkey || from[a].Address == from[b].Address {
					t.Fatalf("%v holds two of one owner", g.Seats)
				}
			}
		}
	}
}

func TestDraw_takes_partners_uniformly_whatever_their_score(t *testing.T) {
	from := strangers(11)
	for i := range from {
		from[i].Standing.Score, from[i].Standing.Trust = float64(i), float64(i)/10
	}
	rng, partner := random(3), make([]int, len(from))
	const n = 20000
	for range n {
		partner[rules(t, "").Draw(rng, from, 0, true).Seats[1]]++
	}
	chi := 0.0
	for _, k := range partner[1:] {
		d := float64(k) - n/10.0
		chi += d * d / (n / 10.0)
	}
	if partner[0] != 0 || chi > 27.9 { // 9 degrees of freedom, p = 0.001
		t.Errorf("partners %v, chi squared %.1f", partner, chi)
	}
}

func TestDraw_audits_as_often_as_its_first_two_demand(t *testing.T) {
	r := rules(t, "")
	settled := Standing{Periods: 8, Trust: 1, Answers: 100, Claims: 10}
	change := func(f func(*Standing)) Standing { s := settled; f(&s); return s }
	for name, c := range map[string]struct {
		second Standing
		want   float64
	}{
		"settled":               {settled, 0.05},
		"new":                   {change(func(s *Standing) { s.Periods = 7 }), 0.2},
		"caught":                {change(func(s *Standing) { s.Caught = true }), 0.5},
		"new and caught":        {change(func(s *Standing) { s.Periods, s.Caught = 1, true }), 0.5},
		"twice its peers":       {change(func(s *Standing) { s.Claims = 20 }), 0.05},
		"more than twice":       {change(func(s *Standing) { s.Claims = 21 }), 0.5},
		"few claims, few asked": {change(func(s *Standing) { s.Claims, s.Answers = 1, 2 }), 0.5},
		"none":                  {change(func(s *Standing) { s.Claims, s.Answers = 0, 0 }), 0.05},
	} {
		from := strangers(2)
		from[0].Standing, from[1].Standing = settled, c.second
		if g := r.Draw(random(4), from, -1, true); g.Chance != c.want {
			t.Errorf("%s: %v, want %v", name, g.Chance, c.want)
		}
	}
	from, audited := strangers(4), 0
	rng := random(5)
	for range 20000 {
		if g := r.Draw(rng, from, -1, false); g.Audited {
			audited++
			if len(g.Seats) != 4 {
				t.Fatalf("an audit without a reference has %d seats of 4 candidates", len(g.Seats))
			}
		} else if len(g.Seats) != 2 {
			t.Fatal("more seats than N without an audit")
		}
	}
	if audited < 900 || audited > 1100 {
		t.Errorf("%d of 20000 audited, want about 1000", audited)
	}
}

func TestDraw_does_with_few_candidates_what_it_can(t *testing.T) {
	r := rules(t, "")
	if g := r.Draw(random(6), nil, -1, true); len(g.Seats) != 0 || g.Audited {
		t.Errorf("%+v of nobody", g)
	}
	if g := r.Draw(random(6), strangers(1), 7, false); !slices.Equal(g.Seats, []int{0}) {
		t.Errorf("%+v of one", g)
	}
	if _, ok := Partner(random(6), strangers(2), []int{0, 1}); ok {
		t.Error("a partner where none is left")
	}
}
