package yuma

import (
	"math"
	"slices"
	"testing"
)

func TestEpoch_counts_only_weights_that_may_count(t *testing.T) {
	var owner uint16
	for name, c := range map[string]struct {
		change func(*Input)
		want   []uint16 // incentive
	}{
		"as it is":                     {func(*Input) {}, []uint16{0, 0, 32767, 32767}},
		"a server registers":           {func(in *Input) { in.Registered[3] = 90 }, []uint16{0, 0, 65535, 0}},
		"without a permit":             {func(in *Input) { in.Permits[0] = false; in.Weights[1] = []Weight{{2, 9}} }, []uint16{0, 0, 65535, 0}},
		"to oneself":                   {func(in *Input) { in.Weights[0] = []Weight{{0, 9}, {2, 9}} }, []uint16{0, 0, 65535, 0}},
		"the owner to itself":          {func(in *Input) { in.Owner = &owner; in.Weights[0] = []Weight{{0, 9}, {2, 9}} }, []uint16{24575, 0, 40959, 0}},
		"the owner needs no permit":    {func(in *Input) { in.Owner = &owner; in.Permits = make([]bool, 4); in.Weights[1] = nil }, []uint16{0, 0, 32767, 32767}},
		"what only a minority says":    {func(in *Input) { in.Weights[1] = []Weight{{3, 9}}; in.Weights[0] = []Weight{{2, 9}} }, []uint16{0, 0, 65535, 0}},
		"committed before registering": {func(in *Input) { in.Registered[3] = 5; in.Commits = []uint64{4, 4, math.MaxUint64, 0} }, []uint16{0, 0, 65535, 0}},
		"committed after registering":  {func(in *Input) { in.Registered[3] = 5; in.Commits = []uint64{5, math.MaxUint64, 0, 0} }, []uint16{0, 0, 32767, 32767}},
		"in any order":                 {func(in *Input) { slices.Reverse(in.Weights[0]) }, []uint16{0, 0, 32767, 32767}},
	} {
		in := plain()
		c.change(&in)
		if o := epoch(t, in); !slices.Equal(o.Incentive, c.want) {
			t.Errorf("%s: %v, want %v", name, o.Incentive, c.want)
		}
	}
}

func TestEpoch_permits_the_largest_stakes_and_the_owner(t *testing.T) {
	owner := uint16(3)
	for name, c := range map[string]struct {
		stake    []uint64
		k        uint16
		minStake uint64
		owner    *uint16
		want     []bool
	}{
		"largest":             {[]uint64{5, 7, 6, 1}, 2, 0, nil, []bool{false, true, true, false}},
		"the later of equals": {[]uint64{5, 5, 5, 5}, 2, 0, nil, []bool{false, false, true, true}},
		"none without stake":  {[]uint64{5, 0, 0, 0}, 3, 0, nil, []bool{true, false, false, false}},
		"enough stake":        {[]uint64{5, 7, 6, 1}, 4, 6, nil, []bool{false, true, true, false}},
		"the owner with less": {[]uint64{5, 7, 6, 1}, 1, 7, &owner, []bool{false, true, false, true}},
		"the owner beside":    {[]uint64{5, 7, 6, 0}, 2, 0, &owner, []bool{false, true, true, true}},
		"none":                {[]uint64{5, 7, 6, 1}, 0, 0, nil, []bool{false, false, false, false}},
		"more than there are": {[]uint64{5, 7, 6, 1}, 9, 0, nil, []bool{true, true, true, true}},
	} {
		in := plain()
		in.Stake, in.MaxValidators, in.MinStake, in.Owner = c.stake, c.k, c.minStake, c.owner
		if o := epoch(t, in); !slices.Equal(o.Permits, c.want) {
			t.Errorf("%s: %v, want %v", name, o.Permits, c.want)
		}
	}
}

func TestBonds_move_by_the_moving_average(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Input)
		want   []Weight // bonds of uid 0
	}{
		// W is 1/2 each and old bonds are 0: a tenth of W. Without a weight for 2 that for 3 is 1, and what is stored is rounded down.
		"Yuma 3":             {func(*Input) {}, []Weight{{2, 3276}, {3, 3276}}},
		"from old ones":      {func(in *Input) { in.Bonds[0] = []Weight{{2, 65535}} }, []Weight{{2, 62258}, {3, 3276}}},
		"no weight":          {func(in *Input) { in.Bonds[0], in.Weights[0] = []Weight{{2, 65535}}, nil }, []Weight{{2, 58981}}},
		"of one that left":   {func(in *Input) { in.Bonds[0], in.Registered[2] = []Weight{{2, 65535}}, 51 }, []Weight{{2, 3276}, {3, 3276}}},
		"registered in time": {func(in *Input) { in.Bonds[0], in.Registered[2] = []Weight{{2, 65535}}, 50 }, []Weight{{2, 62258}, {3, 3276}}},
		"before a tempo": {func(in *Input) {
			in.Bonds[0], in.LastEpoch, in.Tempo, in.Registered[2] = []Weight{{2, 65535}}, 0, 101, 0
		}, []Weight{{2, 3276}, {3, 3276}}},
		"by tempo":             {func(in *Input) { in.Bonds[0], in.LastEpoch, in.Tempo = []Weight{{2, 65535}}, 0, 99 }, []Weight{{2, 3276}, {3, 3276}}},
		"no penalty":           {func(in *Input) { in.BondsPenalty, in.Weights[1] = 0, nil; in.Kappa = 60000 }, []Weight{{2, 3276}, {3, 3276}}},
		"half the penalty":     {func(in *Input) { in.BondsPenalty, in.Weights[1] = 32768, nil; in.Kappa = 60000 }, []Weight{{2, 1638}, {3, 1638}}},
		"all of the penalty":   {func(in *Input) { in.Weights[1] = nil; in.Kappa = 60000 }, nil},
		"liquid, as consensus": {func(in *Input) { in.LiquidAlpha = &LiquidAlpha{6554, 19660, 1000} }, []Weight{{2, 3320}, {3, 3320}}},
		"liquid, a stored 0": {func(in *Input) {
			in.Bonds[0], in.LiquidAlpha, in.Weights[0][0].Value = []Weight{{2, 32768}}, &LiquidAlpha{6554, 6554, 1000}, 0
		}, []Weight{{2, 29490}, {3, 6553}}},
		"liquid, a 0 alone": {func(in *Input) { in.LiquidAlpha, in.Weights[0][0].Value = &LiquidAlpha{6554, 6554, 1000}, 0 }, []Weight{{3, 6553}}},
		"liquid, clipped to 0": {func(in *Input) {
			in.Bonds[0], in.LiquidAlpha = []Weight{{2, 32768}}, &LiquidAlpha{6554, 6554, 1000}
			in.Weights[1] = []Weight{{3, 1}}
			in.Kappa = 60000
		}, []Weight{{3, 3276}}},
		"liquid, half of 0": {func(in *Input) {
			in.Bonds[0], in.LiquidAlpha = []Weight{{2, 32768}}, &LiquidAlpha{6554, 6554, 1000}
			in.Weights[0][0].Value, in.BondsPenalty = 0, 32768
		}, []Weight{{3, 6553}}},
		"liquid, no consensus": {func(in *Input) {
			in.LiquidAlpha, in.Weights[1], in.BondsPenalty = &LiquidAlpha{60000, 60000, 1000}, nil, 0
			in.Kappa = 60000
		}, []Weight{{2, 3276}, {3, 3276}}},
		"liquid, no weight": {func(in *Input) {
			in.Bonds[0], in.LiquidAlpha, in.Weights[0] = []Weight{{2, 32768}}, &LiquidAlpha{6554, 6554, 1000}, in.Weights[0][1:]
		}, []Weight{{3, 6553}}},
	} {
		in := plain()
		in.Yuma3 = true
		c.change(&in)
		if o := epoch(t, in); !slices.Equal(o.Bonds[0], c.want) {
			t.Errorf("%s: %v, want %v", name, o.Bonds[0], c.want)
		}
	}
}

func TestLiquidAlpha_grows_with_the_distance(t *testing.T) {
	const near0, near1 = 0.0066928509, 0.9933071491 // 1 / (1 + e^5) and 1 / (1 + e^-5)
	part := func(f float64) fixed { return fixed(f * float64(one)) }
	for name, c := range map[string]struct {
		steepness               int16
		weight, bond, consensus float64
		want                    float64 // of the way from low to high
	}{
		"buys at consensus":    {1000, 0.5, 0, 0.5, near0},
		"buys below it":        {1000, 0.2, 0, 0.9, near0},
		"buys far above":       {1000, 1, 0, 0, near1},
		"keeps far above":      {1000, 1, 1, 0, near1},
		"buys half above":      {1000, 0.75, 0, 0.25, 0.5},
		"sells a little":       {1000, 0.5, 0.5000001, 0, near0},
		"sells all":            {1000, 0, 1, 0, near1},
		"sells half":           {1000, 0, 0.5, 1, 0.5},
		"flat":                 {0, 1, 0, 0, 0.5},
		"steepest":             {32767, 1, 0, 0, 1},
		"the other way around": {-1000, 1, 0, 0, near0},
	} {
		l := LiquidAlpha{6553, 19660, c.steepness}
		low, high := share(l.Low), share(l.High)
		got := l.alpha(part(c.weight), part(c.bond), part(c.consensus))
		near(t, name, div(got-low, high-low), c.want, 1e-6)
	}
	if l := (LiquidAlpha{200, 100, 1000}); l.alpha(one, 0, 0) != share(200) || l.alpha(0, 0, 0) != share(200) {
		t.Error("low above high")
	}
}

func TestMedian_is_the_first_score_above_the_minority(t *testing.T) {
	votes := func() []vote { return []vote{{3, 30}, {2, 10}, {1, 20}} }
	for _, c := range []struct{ total, minority, want fixed }{
		{10, -1, 0}, {10, 3, 0}, {10, 4, 10}, {10, 5, 10}, {10, 6, 20}, {10, 7, 30}, {10, 10, 30}, // 4 vote 0
		{6, -1, 10}, {6, 0, 10}, {6, 1, 10}, {6, 2, 20}, {6, 3, 30}, {6, 7, 30},
	} {
		if got := median(votes(), c.total, c.minority); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
}

func TestEpoch_counts_blocks_to_the_last(t *testing.T) {
	in := plain()
	in.LastUpdate = []uint64{49, 50, 51, math.MaxUint64}
	if o := epoch(t, in); !slices.Equal(o.Active, []bool{false, true, true, true}) {
		t.Errorf("%v", o.Active)
	}
}
