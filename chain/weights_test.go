package chain_test

import (
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/vision19/vision/chain"
)

func TestQuantise_gives_what_the_chain_takes(t *testing.T) {
	type shares = []chain.Share
	type weights = []chain.Weight
	for _, c := range []struct {
		what   string
		give   shares
		limits chain.Limits
		want   weights
	}{
		{"the largest is 65535", shares{{1, 1}, {2, 2}}, chain.Limits{}, weights{{1, 32768}, {2, 65535}}},
		{"the issue's own example stays as it is", shares{{1, 100}, {2, 200}, {3, 65535}}, chain.Limits{}, weights{{1, 100}, {2, 200}, {3, 65535}}},
		{"in the order of uids", shares{{9, 1}, {3, 1}}, chain.Limits{}, weights{{3, 65535}, {9, 65535}}},
		{"zeros are left out", shares{{0, 0}, {1, 5}, {2, 1e-9}}, chain.Limits{}, weights{{1, 65535}}},
		{"a subnet smaller than its minimum asks one of each", shares{{0, 1}, {1, 1}}, chain.Limits{Neurons: 2, Min: 8}, weights{{0, 65535}, {1, 65535}}},
		{"half of the sum at most", shares{{0, 8}, {1, 1}, {2, 1}}, chain.Limits{MaxShare: math.MaxUint16 / 2}, weights{{0, 65535}, {1, 32769}, {2, 32769}}},
		{"a limit that so few cannot keep makes all equal", shares{{0, 8}, {1, 1}}, chain.Limits{MaxShare: 6554}, weights{{0, 65535}, {1, 65535}}},
		{"a limit that none is above changes nothing", shares{{0, 3}, {1, 2}}, chain.Limits{MaxShare: 40000}, weights{{0, 65535}, {1, 43690}}},
	} {
		got, err := chain.Quantise(c.give, c.limits)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, %v, want %v", c.what, got, err, c.want)
		}
	}
}

func TestQuantise_refuses_what_the_chain_would(t *testing.T) {
	type shares = []chain.Share
	for _, c := range []struct {
		what   string
		give   shares
		limits chain.Limits
		want   error
	}{
		{"nothing", nil, chain.Limits{}, chain.ErrNothing},
		{"only zeros", shares{{1, 0}}, chain.Limits{}, chain.ErrNothing},
		{"a uid twice", shares{{1, 1}, {2, 1}, {1, 2}}, chain.Limits{}, chain.ErrDuplicate},
		{"a uid beyond the subnet", shares{{4, 1}}, chain.Limits{Neurons: 4}, chain.ErrNoUID},
		{"too few once zeros are left out", shares{{0, 1}, {1, 0}, {2, 1e-9}}, chain.Limits{Neurons: 8, Min: 2}, chain.ErrFew},
		{"less than nothing", shares{{0, -1}}, chain.Limits{}, chain.ErrValue},
		{"no number", shares{{0, math.NaN()}}, chain.Limits{}, chain.ErrValue},
		{"infinity", shares{{0, math.Inf(1)}}, chain.Limits{}, chain.ErrValue},
	} {
		if got, err := chain.Quantise(c.give, c.limits); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, %v, want %v", c.what, got, err, c.want)
		}
	}
}

func TestQuantise_keeps_order_and_limit_whatever_the_shares(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		n := 1 + rng.IntN(40)
		shares := make([]chain.Share, n)
		for i := range shares {
			shares[i] = chain.Share{UID: uint16(i), Value: math.Pow(rng.Float64(), 6)}
		}
		limit := uint16(1 + rng.IntN(math.MaxUint16-1))
		got, err := chain.Quantise(shares, chain.Limits{MaxShare: limit})
		if err != nil {
			t.Fatal(err)
		}
		sum, most := 0, 0
		for _, w := range got {
			sum, most = sum+int(w.Value), max(most, int(w.Value))
		}
		if most*math.MaxUint16 > int(limit)*sum && most*len(got) != sum {
			t.Fatalf("limit %d: the largest, %d, is too much of %d, and not all are equal: %v", limit, most, sum, got)
		}
		for i := 1; i < len(got); i++ {
			a, b := got[i-1], got[i]
			if a.UID >= b.UID || shares[a.UID].Value < shares[b.UID].Value && int(a.Value) > int(b.Value)+1 {
				t.Fatalf("%v and %v stand in the wrong order", a, b)
			}
		}
	}
}

// The numbers are worked out by hand from vec_max_upscale_to_u16 of subtensor.
func TestUpscale_is_the_chains_own_arithmetic(t *testing.T) {
	for _, c := range []struct{ give, want []chain.Weight }{
		{nil, nil},
		{[]chain.Weight{{1, 0}}, []chain.Weight{{1, 0}}},
		{[]chain.Weight{{1, 1}, {2, 2}}, []chain.Weight{{1, 32768}, {2, 65535}}},
		{[]chain.Weight{{1, 3}, {2, 9}, {3, 7}}, []chain.Weight{{1, 21845}, {2, 65535}, {3, 50972}}},
		{[]chain.Weight{{1, 40000}, {2, 50000}}, []chain.Weight{{1, 52428}, {2, 65535}}},
		{[]chain.Weight{{7, 100}, {8, 65535}}, []chain.Weight{{7, 100}, {8, 65535}}},
	} {
		if got := chain.Upscale(c.give); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%v becomes %v, want %v", c.give, got, c.want)
		}
	}
}

func TestUpscale_changes_nothing_that_was_quantised(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		shares := make([]chain.Share, 1+rng.IntN(50))
		for i := range shares {
			shares[i] = chain.Share{UID: uint16(i), Value: rng.ExpFloat64()}
		}
		weights, err := chain.Quantise(shares, chain.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if got := chain.Upscale(weights); !reflect.DeepEqual(got, weights) {
			t.Fatalf("%v becomes %v", weights, got)
		}
	}
}

func TestWeight_is_a_pair_in_JSON(t *testing.T) {
	b, err := json.Marshal([]chain.Weight{{1, 65535}})
	if err != nil || string(b) != "[[1,65535]]" {
		t.Fatalf("%s, %v", b, err)
	}
	var back []chain.Weight
	if err := json.Unmarshal(b, &back); err != nil || back[0] != (chain.Weight{UID: 1, Value: 65535}) {
		t.Errorf("%v, %v", back, err)
	}
}

func TestKept_takes_what_each_age_of_the_chain_stores(t *testing.T) {
	sent := []chain.Weight{{UID: 1, Value: 1}, {UID: 2, Value: 2}, {UID: 3, Value: 3}}
	for _, c := range []struct {
		what   string
		stored []chain.Weight
		want   bool
	}{
		{"the largest 65535", []chain.Weight{{UID: 1, Value: 21845}, {UID: 2, Value: 43690}, {UID: 3, Value: 65535}}, true},
		{"the sum 65535, as spec version 103 stores it", []chain.Weight{{UID: 1, Value: 10922}, {UID: 2, Value: 21845}, {UID: 3, Value: 32767}}, true},
		{"one missing", []chain.Weight{{UID: 1, Value: 21845}, {UID: 2, Value: 43690}}, false},
		{"one changed", []chain.Weight{{UID: 1, Value: 21845}, {UID: 2, Value: 43691}, {UID: 3, Value: 65535}}, false},
		{"nothing", nil, false},
	} {
		if got := chain.Kept(c.stored, sent); got != c.want {
			t.Errorf("%s: %v", c.what, got)
		}
	}
}
