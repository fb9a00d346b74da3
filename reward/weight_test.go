package reward

import (
	"encoding/json"
	"errors"
	"math"
	"testing"
)

// tally is a period with n organic and m synthetic seats of the same score.
func tally(period int64, n int, organic float64, m int, synthetic float64) Tally {
	return Tally{Period: period, Organic: Sum{n, float64(n) * organic}, Synthetic: Sum{m, float64(m) * synthetic}, Answers: n + m}
}

// steady is a miner that scores the same in each of n periods up to now.
func steady(n int, now int64, score float64) (out []Tally) {
	for i := range n {
		out = append(out, tally(now-int64(n-1-i), 2, score, 4, score))
	}
	return out
}

func TestTally_counts_what_a_seat_is(t *testing.T) {
	var got Tally
	for _, s := range []Seat{
		{Scored: true, Score: 1.25, Outcome: Correct},
		{Scored: true, Score: 0.7, Outcome: Wrong, Doubt: 1},
		{Scored: true}, // a failure
		{Outcome: Wrong, Agreed: true, Doubt: 20, Claim: true}, // added
		{Outcome: Correct, Agreed: true, Claim: true},          // added
		{Result: Ignored}, {Result: Answer, Outcome: Unjudged, Score: 1}, // void
	} {
		got.Add(Synthetic, s)
	}
	got.Add(Organic, Seat{Scored: true, Score: 1, Outcome: Correct, Agreed: true})
	want := Tally{Synthetic: Sum{3, 1.95}, Organic: Sum{1, 1}, Answers: 5, Claims: 2, Doubt: 21, Caught: true}
	if got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestValue_is_the_mean_or_in_history_the_smaller_kind(t *testing.T) {
	both := tally(1, 1, 0.2, 4, 1.2)
	for _, c := range []struct {
		preset string
		tally  Tally
		want   float64
	}{
		{"vision", both, 1}, {"seed", both, 0.2}, {"v2", both, 0.2}, {"seed", tally(1, 0, 0, 4, 1.2), 1.2}, {"vision", Tally{}, 0},
	} {
		if got := rules(t, c.preset).Value(c.tally); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%s: %v, want %v", c.preset, got, c.want)
		}
	}
}

func TestAssess_averages_the_window(t *testing.T) {
	old := append([]Tally{tally(60, 2, 0, 4, 0)}, steady(30, 100, 1)...) // 71..100 and one long before
	gaps := append(steady(10, 50, 0.5), steady(10, 100, 1)...)           // 41..50, 91..100
	silent := append(steady(8, 100, 1), Tally{Period: 101, Answers: 2, Doubt: 1})
	for name, c := range map[string]struct {
		tallies []Tally
		periods int
		score   float64
		trust   float64
	}{
		"nothing":                        {nil, 0, 0, 1},
		"a full window":                  {steady(30, 101, 1), 30, 1, 1},
		"eight periods are enough":       {steady(8, 101, 1), 8, 1, 1},
		"a new one fills with 0":         {steady(2, 101, 1), 2, 0.25, 1},
		"only the last 30":               {append([]Tally{tally(60, 2, 0, 4, 0)}, steady(30, 101, 1)...), 30, 1, 1},
		"what is older fills":            {old[1:29], 28, 1, 1},
		"gaps are no zeros":              {gaps, 19, (9*0.5 + 10) / 19, 1}, // period 41 is 60 old
		"all too old":                    {steady(9, 41, 1), 0, 0, 1},
		"one within the age":             {steady(9, 42, 1), 1, 0.125, 1},
		"not yet closed":                 {steady(9, 102, 1), 8, 1, 1},
		"trust of a period without rank": {silent, 8, 1, 1 - 1.0/50},
	} {
		got := rules(t, "").Assess(c.tallies, 101)
		if got.Periods != c.periods || math.Abs(got.Score-c.score) > 1e-12 || math.Abs(got.Trust-c.trust) > 1e-12 {
			t.Errorf("%s: %+v, want %d periods, S %v, Q %v", name, got, c.periods, c.score, c.trust)
		}
	}
	if got := rules(t, "v2").Assess(steady(15, 101, 1), 101); math.Abs(got.Score-math.Sqrt(0.5)) > 1e-12 {
		t.Errorf("v2 after half a window: %v", got.Score)
	}
	if got := rules(t, "seed").Assess(steady(1, 101, 1), 101); got.Score != 1 {
		t.Errorf("seed after one period: %v", got.Score)
	}
}

func TestAssess_scales_down_who_serves_one_kind_only(t *testing.T) {
	for name, c := range map[string]struct {
		tally Tally
		scale float64 // of the plain mean
	}{
		"equal":                      {tally(101, 8, 1, 8, 1), 1},
		"within chance":              {tally(101, 8, 1, 8, 1.25), 1}, // tolerance 0.25
		"beyond chance":              {tally(101, 8, 0.8, 8, 1.2), 0.8},
		"nothing organic":            {tally(101, 8, 0, 8, 1.2), 0},
		"nothing synthetic":          {tally(101, 8, 1.2, 8, 0), 0},
		"too few of one":             {tally(101, 3, 0, 8, 1), 1},
		"none of one":                {tally(101, 0, 0, 8, 1), 1},
		"nothing at all":             {tally(101, 8, 0, 8, 0), 1},
		"few seats, large tolerance": {tally(101, 4, 0.9, 4, 1.25), 1}, // tolerance 0.354
	} {
		got := rules(t, "").Assess([]Tally{c.tally}, 101)
		if want := c.tally.Organic.plus(c.tally.Synthetic).Mean() / 8 * c.scale; math.Abs(got.Score-want) > 1e-12 {
			t.Errorf("%s: %v, want %v", name, got.Score, want)
		}
	}
}

func TestAssess_loses_trust_by_doubt(t *testing.T) {
	for doubt, want := range map[float64]float64{0: 1, 6: 0.9, 20: 2.0 / 3, 60: 0, 200: 0} {
		tallies := steady(10, 101, 1)
		tallies[3].Doubt, tallies[3].Caught = doubt, doubt >= 20
		got := rules(t, "").Assess(tallies, 101)
		if math.Abs(got.Trust-want) > 1e-12 || got.Caught != (doubt >= 20) || got.Answers != 60 {
			t.Errorf("doubt %v: %+v, want Q %v", doubt, got, want)
		}
	}
}

func TestWeight_is_the_sharpened_score_by_trust(t *testing.T) {
	r := rules(t, "")
	if got := r.Weight(Standing{Score: 0.8, Trust: 0.5}); math.Abs(got-0.2) > 1e-12 {
		t.Errorf("%v", got)
	}
	r.Sharpen = 3
	if got := r.Weight(Standing{Score: 0.5, Trust: 1}); math.Abs(got-0.125) > 1e-12 {
		t.Errorf("%v", got)
	}
	for name, s := range map[string]Standing{"no work": {Trust: 1}, "no trust": {Score: 1.25}, "broken": {Score: -1, Trust: math.NaN()}} {
		if got := rules(t, "").Weight(s); got != 0 {
			t.Errorf("%s earns %v", name, got)
		}
	}
}

// TestWeight_grows_with_correctness makes one wrong answer right at a time, which must never cost.
func TestWeight_grows_with_correctness(t *testing.T) {
	r := rules(t, "")
	for seed := range uint64(200) {
		rng := random(seed)
		const n = 12
		right := make([]bool, n*6)
		weight := func() float64 {
			var tallies []Tally
			for p := range n {
				one := Tally{Period: int64(p)}
				for i := range 6 {
					s := Seat{Scored: true, Score: 0.75 * 0.98, Outcome: Wrong, Doubt: 1}
					if right[6*p+i] {
						s = Seat{Scored: true, Score: 1, Outcome: Correct}
					}
					one.Add([]Kind{Organic, Synthetic}[i%2], s)
				}
				tallies = append(tallies, one)
			}
			return r.Weight(r.Assess(tallies, n))
		}
		before := weight()
		if before != 0 {
			t.Fatalf("all wrong earns %v", before)
		}
		for _, i := range rng.Perm(len(right)) {
			right[i] = true
			after := weight()
			if after <= before || after > 1+r.Bonus {
				t.Fatalf("seed %d: a right answer more moves the weight from %v to %v", seed, before, after)
			}
			before = after
		}
	}
}

func TestTotal_shares_out_the_weights_of_dead_tasks(t *testing.T) {
	for name, c := range map[string]struct {
		tasks []Task
		want  []float64
	}{
		"one":           {[]Task{{Weight: 0.3, Miners: []float64{1, 3}}}, []float64{0.25, 0.75}},
		"two":           {[]Task{{Weight: 1, Miners: []float64{1, 1}}, {Weight: 3, Miners: []float64{0, 2}}}, []float64{0.125, 0.875}},
		"one is dead":   {[]Task{{Weight: 1, Miners: []float64{1, 1}}, {Weight: 3, Miners: []float64{0, 0}}}, []float64{0.5, 0.5}},
		"one is free":   {[]Task{{Weight: 1, Miners: []float64{1, 1}}, {Weight: 0, Miners: []float64{1, 0}}}, []float64{0.5, 0.5}},
		"broken values": {[]Task{{Weight: 1, Miners: []float64{math.NaN(), math.Inf(1), -4, 2}}}, []float64{0, 0, 0, 1}},
	} {
		got, err := Total(c.tasks)
		if err != nil || len(got) != len(c.want) {
			t.Fatalf("%s: %v, %v", name, got, err)
		}
		for i := range got {
			if math.Abs(got[i]-c.want[i]) > 1e-12 {
				t.Errorf("%s: %v, want %v", name, got, c.want)
			}
		}
	}
	for name, tasks := range map[string][]Task{
		"no task": nil, "no miner": {{Weight: 1}}, "all dead": {{Weight: 1, Miners: []float64{0, 0}}}, "no weight": {{Miners: []float64{1}}},
	} {
		if got, err := Total(tasks); !errors.Is(err, ErrNoLiveTask) || got != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestTotal_comes_to_one_and_knows_no_order(t *testing.T) {
	for seed := range uint64(300) {
		rng := random(seed)
		n := 1 + rng.IntN(20)
		order := rng.Perm(n)
		tasks := make([]Task, 1+rng.IntN(4))
		shuffled := make([]Task, len(tasks))
		for i := range tasks {
			tasks[i] = Task{Weight: rng.Float64(), Miners: make([]float64, n)}
			shuffled[i] = Task{Weight: tasks[i].Weight, Miners: make([]float64, n)}
			for j := range n {
				if rng.IntN(3) > 0 {
					tasks[i].Miners[j] = rng.ExpFloat64()
				}
			}
			for to, from := range order {
				shuffled[i].Miners[to] = tasks[i].Miners[from]
			}
		}
		total, err := Total(tasks)
		other, _ := Total(shuffled)
		if errors.Is(err, ErrNoLiveTask) {
			continue
		}
		sum := 0.0
		for to, from := range order {
			sum += total[from]
			idle := true
			for _, task := range tasks {
				idle = idle && task.Miners[from] == 0
			}
			if math.Abs(other[to]-total[from]) > 1e-12 || total[from] < 0 || idle && total[from] != 0 {
				t.Fatalf("seed %d: %v, in another order %v", seed, total, other)
			}
		}
		if math.Abs(sum-1) > 1e-9 {
			t.Fatalf("seed %d: the total is %v", seed, sum)
		}
	}
}

func TestComparison_survives_being_stored(t *testing.T) {
	c := settle(rules(t, ""), "A B.5 * 'A!!", 0.96, Squared, 100, 200)
	c.Period, c.Task, c.Kind = 7, "upscale", Organic
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var back Comparison
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	for i := range c.Seats {
		if back.Seats[i] != c.Seats[i] {
			t.Errorf("%+v came back as %+v", c.Seats[i], back.Seats[i])
		}
	}
	if back.Task != c.Task || back.Chance != c.Chance || back.Truth != ByReference || back.Kind != Organic || back.Fallback != Squared {
		t.Errorf("%s", text)
	}
}
