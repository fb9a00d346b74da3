package yuma

import (
	"encoding/json"
	"math"
	"os"
	"testing"
)

// golden is one of subtensor's own tests (pallets/subtensor/src/tests/epoch.rs and epoch_logs.rs at commit 14bc6f9f9): epochs whose bonds carry over, and
// the numbers that the test asserts or that its comments hold.
type golden struct {
	Name          string
	Yuma3         bool
	LiquidAlpha   *LiquidAlpha `json:"liquid_alpha"`
	Kappa         uint16
	Penalty       uint16
	MovingAverage uint64 `json:"moving_average"`
	MaxValidators uint16 `json:"max_validators"`
	Emission      uint64
	Epochs        []goldenEpoch
}

type goldenEpoch struct {
	Stake               []uint64
	Permits             []bool
	Weights             [][][2]uint16
	Updated, Registered []uint64

	Vectors         map[string][]float64 // ten digits
	EMABonds        [][]float64          `json:"ema_bonds"` // the first rows, ten digits
	Bonds           [][3]uint16          // validator, uid, value
	Dividends       map[int]uint16
	Emission        map[int]uint64
	TargetDividends []float64   `json:"target_dividends"` // four digits
	TargetBonds     [][]float64 `json:"target_bonds"`     // the first rows, the last columns, four digits
}

// The emulated blocks: epochs run at 100, and the one before at 97.
func (g golden) input(e goldenEpoch, bonds [][]Weight) Input {
	in := Input{
		Stake: e.Stake, Permits: e.Permits, Weights: make([][]Weight, len(e.Stake)), Bonds: bonds, LastUpdate: e.Updated, Registered: e.Registered,
		Block: 100, LastEpoch: 97, ActivityCutoff: 10, MaxValidators: g.MaxValidators, Kappa: g.Kappa, BondsPenalty: g.Penalty,
		BondsMovingAverage: g.MovingAverage, Yuma3: g.Yuma3, LiquidAlpha: g.LiquidAlpha, Emission: g.Emission,
	}
	if bonds == nil {
		in.Bonds = make([][]Weight, len(e.Stake))
	}
	for i, row := range e.Weights {
		for _, w := range row {
			in.Weights[i] = append(in.Weights[i], Weight{w[0], w[1]})
		}
	}
	return in
}

func read(t *testing.T, name string, into any) {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatal(err)
	}
}

// play runs a case's epochs and hands each to check.
func play(t *testing.T, file string, check func(t *testing.T, e goldenEpoch, v terms, o Output)) {
	var cases []golden
	read(t, file, &cases)
	for _, g := range cases {
		t.Run(g.Name, func(t *testing.T) {
			var bonds [][]Weight
			for k, e := range g.Epochs {
				in := g.input(e, bonds)
				o, err := Epoch(in)
				if err != nil {
					t.Fatalf("epoch %d: %v", k, err)
				}
				check(t, e, in.terms(), o)
				if t.Failed() {
					t.Fatalf("epoch %d", k)
				}
				bonds = o.Bonds
			}
		})
	}
}

func (f fixed) float() float64 { return float64(f) / float64(one) }

func near(t *testing.T, what string, got fixed, want, tolerance float64) {
	t.Helper()
	if math.Abs(got.float()-want) > tolerance {
		t.Errorf("%s: %.10f, want %.10f", what, got.float(), want)
	}
}

func bond(o Output, i, j uint16) uint16 {
	for _, w := range o.Bonds[i] {
		if w.UID == j {
			return w.Value
		}
	}
	return 0
}

func TestEpoch_gives_the_numbers_of_the_chains_own_tests(t *testing.T) {
	const printed = 1.2e-10 // half the last digit, and the last unit of I32F32
	play(t, "yuma2.json", func(t *testing.T, e goldenEpoch, v terms, o Output) {
		trust, all := v.clipped.weighRows(v.activeStake), v.weights.weighRows(v.activeStake)
		for j := range trust {
			trust[j] = div(trust[j], all[j])
		}
		vectors := map[string][]fixed{
			"stake": v.activeStake, "consensus": v.consensus, "validator_trust": v.trust, "trust": trust, "incentive": v.incentive,
			"dividends": v.dividend, "combined": v.combined,
		}
		for name, want := range e.Vectors {
			if len(vectors[name]) != len(want) {
				t.Fatalf("%d of %s, want %d", len(vectors[name]), name, len(want))
			}
			for i, w := range want {
				near(t, name, vectors[name][i], w, printed)
			}
		}
		for i, row := range e.EMABonds {
			dense := make([]fixed, len(row))
			for _, c := range v.bonds[i] {
				dense[c.uid] = c.value
			}
			for j, w := range row {
				near(t, "bond", dense[j], w, printed)
			}
		}
		for i, want := range e.Emission {
			if o.Emission[i] != want {
				t.Errorf("emission of %d: %d, want %d", i, o.Emission[i], want)
			}
		}
		for _, b := range e.Bonds {
			if got := bond(o, b[0], b[1]); got != b[2] {
				t.Errorf("bond of %d in %d: %d, want %d", b[0], b[1], got, b[2])
			}
		}
		for i, want := range e.Dividends {
			if o.Dividends[i] != want {
				t.Errorf("dividends of %d: %d, want %d", i, o.Dividends[i], want)
			}
		}
	})
}

func TestEpoch_gives_the_numbers_of_the_chains_own_tests_of_Yuma_3(t *testing.T) {
	const digits = 1e-4 // the chain's tests allow 1e-3
	play(t, "yuma3.json", func(t *testing.T, e goldenEpoch, _ terms, o Output) {
		for i, want := range e.TargetDividends {
			near(t, "dividends", share(o.Dividends[i]), want, digits)
		}
		for i, row := range e.TargetBonds {
			for k, want := range row {
				j := len(o.Dividends) - len(row) + k
				near(t, "bond", share(bond(o, uint16(i), uint16(j))), want, digits)
			}
		}
	})
}

func TestMedian_gives_the_numbers_of_the_chains_own_tests(t *testing.T) {
	type medianCase struct {
		Stake    []float32
		Scores   [][]float32
		Majority float32
		Median   []float32
	}
	of := func(f float32) fixed { return fixed(float64(f) * float64(one)) }
	var cases struct{ Median, Columns []medianCase }
	read(t, "median.json", &cases)
	for _, c := range cases.Median {
		votes, total := []vote(nil), fixed(0)
		for i, s := range c.Stake {
			votes, total = append(votes, vote{of(s), of(c.Scores[i][0])}), total+of(s)
		}
		if got := median(votes, total, one-of(c.Majority)); got != of(c.Median[0]) {
			t.Errorf("%+v: %v", c, got.float())
		}
	}
	for _, c := range cases.Columns {
		m, stake := make(matrix, len(c.Stake)), []fixed(nil)
		for i, row := range c.Scores {
			stake = append(stake, of(c.Stake[i]))
			for j, v := range row {
				if v != 0 {
					m[i] = append(m[i], cell{uint16(j), of(v)})
				}
			}
		}
		got := m.medians(stake, of(c.Majority))
		for j, want := range c.Median {
			if got[j] != of(want) {
				t.Errorf("%+v: column %d is %v", c, j, got[j].float())
			}
		}
	}
	if len(cases.Median) != 12 || len(cases.Columns) != 5 {
		t.Errorf("%d and %d cases", len(cases.Median), len(cases.Columns))
	}
}
