package yuma

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
)

// draw makes a consistent subnet of n neurons, the first third of them validators.
func draw(next func() uint64, n int) Input {
	upTo := func(k int) uint64 { return next() % uint64(k) }
	in := Input{
		Permits: make([]bool, n), Weights: make([][]Weight, n), Bonds: make([][]Weight, n), Stake: make([]uint64, n),
		LastUpdate: make([]uint64, n), Registered: make([]uint64, n), Block: 1000, LastEpoch: upTo(2) * 640, Tempo: 360, ActivityCutoff: upTo(1000),
		MinStake: upTo(1000), MaxValidators: uint16(upTo(n + 1)), Kappa: uint16(next()), BondsPenalty: uint16(next()),
		BondsMovingAverage: upTo(1_000_001), Yuma3: upTo(2) == 0, Emission: next(),
	}
	if upTo(2) == 0 {
		in.LiquidAlpha = &LiquidAlpha{Low: uint16(next()), High: uint16(next()), Steepness: int16(next())}
	}
	if upTo(3) == 0 {
		owner := uint16(upTo(n))
		in.Owner = &owner
	}
	if upTo(2) == 0 {
		in.Commits = make([]uint64, n)
	}
	for i := range n {
		validator := i <= n/3
		in.LastUpdate[i], in.Registered[i] = upTo(1001), upTo(8)*100
		if in.Commits != nil {
			in.Commits[i] = max(upTo(1001), upTo(2)*math.MaxUint64)
		}
		if !validator {
			continue
		}
		in.Stake[i], in.Permits[i] = upTo(1<<46), upTo(8) > 0
		for j := range n {
			if kind := upTo(4); kind > 0 {
				in.Weights[i] = append(in.Weights[i], Weight{uint16(j), uint16(next()) * uint16(min(kind-1, 1))})
			}
			if upTo(2) == 0 {
				in.Bonds[i] = append(in.Bonds[i], Weight{uint16(j), uint16(next())})
			}
		}
	}
	return in
}

// plain is a subnet of two validators and two servers, in which nothing is out of date.
func plain() Input {
	return Input{
		Stake: []uint64{600, 400, 0, 0}, Permits: []bool{true, true, false, false},
		Weights:    [][]Weight{{{2, 65535}, {3, 65535}}, {{2, 65535}, {3, 65535}}, nil, nil},
		Bonds:      make([][]Weight, 4),
		LastUpdate: []uint64{90, 90, 90, 90}, Registered: []uint64{1, 1, 1, 1}, Block: 100, LastEpoch: 50, ActivityCutoff: 50,
		MaxValidators: 4, Kappa: 32767, BondsPenalty: 65535, BondsMovingAverage: 900_000, Emission: 1_000_000_000,
	}
}

func epoch(t *testing.T, in Input) Output {
	t.Helper()
	o, err := Epoch(in)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// bounds holds what is true of every output.
func bounds(t *testing.T, in Input, o Output) {
	t.Helper()
	n := len(in.Stake)
	for _, l := range []int{
		len(o.StakeWeight), len(o.Consensus), len(o.ValidatorTrust), len(o.Incentive), len(o.Dividends), len(o.Active), len(o.Permits), len(o.Bonds),
		len(o.ServerEmission), len(o.ValidatorEmission), len(o.Emission),
	} {
		if l != n {
			t.Fatalf("a vector of %d for %d neurons", l, n)
		}
	}
	left, combined, permits, staked := in.Emission, in.Emission, 0, false
	for i := range n {
		if o.ServerEmission[i] > left || o.ValidatorEmission[i] > left-o.ServerEmission[i] || o.Emission[i] > combined {
			t.Fatalf("more than %d is emitted", in.Emission)
		}
		left -= o.ServerEmission[i] + o.ValidatorEmission[i]
		combined -= o.Emission[i]
		owner := in.Owner != nil && int(*in.Owner) == i
		if o.Permits[i] && !owner {
			permits++
		}
		staked = staked || in.Stake[i] > 0 && (in.Stake[i] >= in.MinStake || owner)
		if len(o.Bonds[i]) > 0 && !o.Permits[i] {
			t.Fatalf("%d has bonds without a permit", i)
		}
		for k, w := range o.Bonds[i] {
			if int(w.UID) >= n || k > 0 && w.UID <= o.Bonds[i][k-1].UID {
				t.Fatalf("bonds of %d: %v", i, o.Bonds[i])
			}
		}
	}
	lost := 2*uint64(n)*(in.Emission>>32+1) + 2*uint64(n) // each share is rounded down by a unit, and each amount
	if staked && (left > lost || combined > lost) {
		t.Fatalf("%d and %d of %d are not emitted", left, combined, in.Emission)
	}
	if permits > int(in.MaxValidators) {
		t.Fatalf("%d permits, at most %d", permits, in.MaxValidators)
	}
}

func TestEpoch_emits_all_and_never_more(t *testing.T) {
	for seed := range uint64(300) {
		in := draw(rand.New(rand.NewPCG(seed, 0)).Uint64, 1+int(seed%40))
		bounds(t, in, epoch(t, in))
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// renamed gives uid i the name to[i].
func renamed(in Input, to []int) Input {
	out := in
	rows := func(rows [][]Weight) [][]Weight {
		rows = moved(rows, to)
		for i, row := range rows {
			rows[i] = slices.Clone(row)
			for k, w := range row {
				rows[i][k].UID = uint16(to[w.UID])
			}
		}
		return rows
	}
	out.Stake, out.Permits, out.LastUpdate, out.Registered = moved(in.Stake, to), moved(in.Permits, to), moved(in.LastUpdate, to), moved(in.Registered, to)
	out.Weights, out.Bonds = rows(in.Weights), rows(in.Bonds)
	if in.Commits != nil {
		out.Commits = moved(in.Commits, to)
	}
	if in.Owner != nil {
		owner := uint16(to[*in.Owner])
		out.Owner = &owner
	}
	return out
}

func moved[T any](x []T, to []int) []T {
	out := make([]T, len(x))
	for i, v := range x {
		out[to[i]] = v
	}
	return out
}

func TestEpoch_does_not_care_for_the_order_of_uids(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		n := 1 + int(seed%40)
		in, to := draw(rng.Uint64, n), rng.Perm(n)
		a, b := epoch(t, in), epoch(t, renamed(in, to))
		for i, j := range to {
			was := []any{a.StakeWeight[i], a.Consensus[i], a.ValidatorTrust[i], a.Incentive[i], a.Dividends[i], a.Active[i], a.Permits[i], a.ServerEmission[i],
				a.ValidatorEmission[i], a.Emission[i], len(a.Bonds[i])}
			is := []any{b.StakeWeight[j], b.Consensus[j], b.ValidatorTrust[j], b.Incentive[j], b.Dividends[j], b.Active[j], b.Permits[j], b.ServerEmission[j],
				b.ValidatorEmission[j], b.Emission[j], len(b.Bonds[j])}
			if !reflect.DeepEqual(was, is) {
				t.Fatalf("seed %d: %d was %v, and is %v as %d", seed, i, was, is, j)
			}
			for _, w := range a.Bonds[i] {
				if got := bond(b, uint16(j), uint16(to[w.UID])); got != w.Value {
					t.Fatalf("seed %d: bond of %d in %d was %d, is %d", seed, i, w.UID, w.Value, got)
				}
			}
		}
	}
}

func TestEpoch_leaves_its_input_as_it_was(t *testing.T) {
	for seed := range uint64(20) {
		in, same := draw(rand.New(rand.NewPCG(seed, 2)).Uint64, 30), draw(rand.New(rand.NewPCG(seed, 2)).Uint64, 30)
		for _, row := range in.Weights {
			slices.Reverse(row)
		}
		for _, row := range same.Weights {
			slices.Reverse(row)
		}
		if epoch(t, in); !reflect.DeepEqual(in, same) {
			t.Fatalf("seed %d", seed)
		}
	}
}

func TestEpoch_emits_by_stake_where_no_weight_counts(t *testing.T) {
	third, owner := uint64(333333333), uint16(1)
	for name, c := range map[string]struct {
		change func(*Input)
		want   []uint64
	}{
		"no weights":            {func(in *Input) { in.Weights = make([][]Weight, 4) }, []uint64{600000000, 400000000, 0, 0}},
		"only to itself":        {func(in *Input) { in.Weights = [][]Weight{{{0, 1}}, {{1, 1}}, nil, nil} }, []uint64{600000000, 400000000, 0, 0}},
		"all outdated":          {func(in *Input) { in.Registered = []uint64{90, 90, 90, 90} }, []uint64{600000000, 400000000, 0, 0}},
		"one inactive":          {func(in *Input) { in.Weights, in.LastUpdate[1] = make([][]Weight, 4), 49 }, []uint64{1000000000, 0, 0, 0}},
		"all inactive":          {func(in *Input) { in.LastUpdate = make([]uint64, 4) }, []uint64{600000000, 400000000, 0, 0}},
		"no permits":            {func(in *Input) { in.Permits = make([]bool, 4) }, []uint64{600000000, 400000000, 0, 0}},
		"stake of a server too": {func(in *Input) { in.Permits, in.Stake = make([]bool, 4), []uint64{1, 0, 1, 1} }, []uint64{third, 0, third, third}},
		"no stake":              {func(in *Input) { in.Stake = make([]uint64, 4) }, make([]uint64, 4)},
		"only the owner has":    {func(in *Input) { in.MinStake, in.Owner, in.Weights = 601, &owner, make([][]Weight, 4) }, []uint64{0, 1000000000, 0, 0}},
		"too little stake":      {func(in *Input) { in.MinStake = 601 }, make([]uint64, 4)},
	} {
		in := plain()
		c.change(&in)
		o := epoch(t, in)
		for i, want := range c.want {
			// 0.6 and 0.4 are a unit of I32F32 less than they are: 2^-32 of a billion is below 1 rao
			if got := o.ValidatorEmission[i]; got+1 < want || got > want || o.Emission[i] != got || o.ServerEmission[i] != 0 {
				t.Errorf("%s: %d emitted to %d, %d in all, want %d", name, got, i, o.Emission[i], want)
			}
		}
	}
}

func TestEpoch_of_nothing_is_nothing(t *testing.T) {
	for _, yuma3 := range []bool{false, true} {
		for _, n := range []int{0, 1, 3} {
			in := Input{
				Stake: make([]uint64, n), Permits: make([]bool, n), Weights: make([][]Weight, n), Bonds: make([][]Weight, n), LastUpdate: make([]uint64, n),
				Registered: make([]uint64, n), Yuma3: yuma3, LiquidAlpha: &LiquidAlpha{},
			}
			o := epoch(t, in)
			bounds(t, in, o)
			if slices.Max(append(o.Incentive, 0))+slices.Max(append(o.Dividends, 0)) != 0 || slices.Contains(o.Permits, true) {
				t.Errorf("%+v", o)
			}
		}
	}
}

func TestEpoch_refuses_what_is_no_state(t *testing.T) {
	owner := uint16(4)
	for want, change := range map[string]func(*Input){
		"3 permits for 4 neurons":                                              func(in *Input) { in.Permits = in.Permits[1:] },
		"0 rows of weights for 4 neurons":                                      func(in *Input) { in.Weights = nil },
		"5 rows of bonds for 4 neurons":                                        func(in *Input) { in.Bonds = make([][]Weight, 5) },
		"3 last updates for 4 neurons":                                         func(in *Input) { in.LastUpdate = in.LastUpdate[1:] },
		"0 registrations for 4 neurons":                                        func(in *Input) { in.Registered = nil },
		"1 commits for 4 neurons":                                              func(in *Input) { in.Commits = make([]uint64, 1) },
		"the owner's uid is 4 of 4 neurons":                                    func(in *Input) { in.Owner = &owner },
		"a weight of uid 2 for uid 4 of 4 neurons":                             func(in *Input) { in.Weights[2] = []Weight{{4, 1}} },
		"two bonds of uid 1 for uid 3":                                         func(in *Input) { in.Bonds[1] = []Weight{{3, 1}, {2, 1}, {3, 1}} },
		"all stake together is more than 2^63-1 rao":                           func(in *Input) { in.Stake = []uint64{math.MaxInt64, 0, 0, 1} },
		"4097 neurons, at most 4096 can be":                                    func(in *Input) { in.Stake = make([]uint64, 4097) },
		"a bonds moving average of 1000001 millionths, at most 1000000 can be": func(in *Input) { in.BondsMovingAverage = 1_000_001 },
	} {
		in := plain()
		change(&in)
		if _, err := Epoch(in); !errors.Is(err, ErrInput) || err.Error() != fmt.Sprintf("%v: %s", ErrInput, want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// FuzzEpoch draws a subnet from the bytes, and spoils it where spoil says so.
func FuzzEpoch(f *testing.F) {
	rng := rand.NewChaCha8([32]byte{})
	for n := range uint8(12) {
		data := make([]byte, 40*int(n))
		rng.Read(data)
		f.Add(data, n, uint16(0))
		f.Add(data, n, uint16(1)<<n)
	}
	f.Fuzz(func(t *testing.T, data []byte, n uint8, spoil uint16) {
		in := draw(func() (v uint64) {
			for range min(8, len(data)) {
				v, data = v<<8|uint64(data[0]), data[1:]
			}
			return v
		}, 1+int(n)%64)
		for bit, change := range []func(){
			func() { in.Stake = in.Stake[1:] },
			func() { in.Permits = nil },
			func() { in.Weights[0] = append(in.Weights[0], Weight{uint16(n), 1}) },
			func() { in.Bonds[0] = append(in.Bonds[0], Weight{spoil, 1}) },
			func() { in.Stake[0] = math.MaxUint64 },
			func() { in.Stake[0] = math.MaxInt64 },
			func() { in.LastUpdate[0], in.ActivityCutoff = math.MaxUint64, math.MaxUint64 },
			func() { in.Block, in.LastEpoch, in.Tempo = 0, math.MaxUint64, math.MaxUint64 },
			func() { in.Kappa, in.BondsPenalty = math.MaxUint16, 0 },
			func() { in.Emission = math.MaxUint64 },
		} {
			if spoil>>bit&1 == 1 && len(in.Stake) > 0 {
				change()
			}
		}
		o, err := Epoch(in)
		if err != nil {
			if !errors.Is(err, ErrInput) {
				t.Error(err)
			}
			return
		}
		bounds(t, in, o)
	})
}

func BenchmarkEpoch(b *testing.B) {
	for _, n := range []int{256, 1024} {
		for _, yuma3 := range []bool{false, true} {
			in := draw(rand.New(rand.NewPCG(1, 1)).Uint64, n)
			in.Yuma3, in.LiquidAlpha = yuma3, &LiquidAlpha{6553, 19660, 1000}
			b.Run(fmt.Sprintf("neurons=%d/yuma3=%t", n, yuma3), func(b *testing.B) {
				for b.Loop() {
					if _, err := Epoch(in); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
