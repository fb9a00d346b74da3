package chain

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
)

// A Weight is what a validator gives a miner: 0 to 65535, of which the chain scales the largest to 65535.
type Weight struct{ UID, Value uint16 }

// MarshalJSON writes [uid, value].
func (w Weight) MarshalJSON() ([]byte, error) { return json.Marshal([2]uint16{w.UID, w.Value}) }

// UnmarshalJSON reads [uid, value].
func (w *Weight) UnmarshalJSON(b []byte) error {
	var pair [2]uint16
	if err := json.Unmarshal(b, &pair); err != nil {
		return err
	}
	w.UID, w.Value = pair[0], pair[1]
	return nil
}

// A Share is what a miner deserves, on any scale that is not negative.
type Share struct {
	UID   uint16
	Value float64
}

// Limits are what a subnet asks of weights. The zero value asks nothing.
type Limits struct {
	Neurons  int    // uids lie below it; 0: unknown
	Min      int    // how many weights must not be zero; a subnet with fewer neurons asks one of each
	MaxShare uint16 // the most that one weight may be of the sum, in 65535ths; 0 and 65535: no limit
}

// Errors of weights, each of which comes with what is wrong in it.
var (
	ErrNothing   = errors.New("no weight is above zero")
	ErrFew       = errors.New("too few weights")
	ErrDuplicate = errors.New("a uid that comes twice")
	ErrNoUID     = errors.New("a uid that the subnet does not have")
	ErrValue     = errors.New("a weight is a number from zero on")
)

// Quantise turns shares into the weights that the chain takes: the largest 65535, the others in proportion and rounded, zeros left out, in the order of
// their uids (the SDK's convert_weights_and_uids_for_emit). Where the subnet limits a share, what is above is cut so that the limit holds of the cut weights.
func Quantise(shares []Share, l Limits) ([]Weight, error) {
	all := slices.Clone(shares)
	slices.SortStableFunc(all, func(a, b Share) int { return cmp.Compare(a.UID, b.UID) })
	values := make([]float64, len(all))
	for i, s := range all {
		switch {
		case math.IsNaN(s.Value) || math.IsInf(s.Value, 0) || s.Value < 0:
			return nil, fmt.Errorf("uid %d: %v: %w", s.UID, s.Value, ErrValue)
		case i > 0 && all[i-1].UID == s.UID:
			return nil, fmt.Errorf("uid %d: %w", s.UID, ErrDuplicate)
		case l.Neurons > 0 && int(s.UID) >= l.Neurons:
			return nil, fmt.Errorf("uid %d of %d: %w", s.UID, l.Neurons, ErrNoUID)
		}
		values[i] = s.Value
	}
	clip(values, l.MaxShare)
	most := slices.Max(append(values, 0))
	if most == 0 {
		return nil, ErrNothing
	}
	var weights []Weight
	for i, v := range values {
		if q := uint16(math.Round(v / most * math.MaxUint16)); q > 0 {
			weights = append(weights, Weight{all[i].UID, q})
		}
	}
	settle(weights, l.MaxShare)
	want := l.Min
	if l.Neurons > 0 {
		want = min(want, l.Neurons)
	}
	if len(weights) < want {
		return nil, fmt.Errorf("%d weights above zero, where the subnet wants %d: %w", len(weights), want, ErrFew)
	}
	return weights, nil
}

// clip cuts the largest values to one height, such that it is the limit's share of what the sum then is. Where there are too few values for that, all
// become equal, which is as near as they can come.
func clip(values []float64, limit uint16) {
	if limit == 0 || limit == math.MaxUint16 || len(values) == 0 {
		return
	}
	share := float64(limit) / math.MaxUint16
	sorted := slices.Clone(values)
	slices.SortFunc(sorted, func(a, b float64) int { return cmp.Compare(b, a) })
	rest := 0.0
	for _, v := range sorted {
		rest += v
	}
	for cut, v := range sorted { // the cut largest come down to height
		height := share * rest / (1 - share*float64(cut))
		if share*float64(cut) >= 1 || v <= height {
			if cut > 0 && share*float64(cut) < 1 {
				for i := range values {
					values[i] = min(values[i], height)
				}
				return
			}
			if cut == 0 {
				return
			}
			break
		}
		rest -= v
	}
	for i := range values {
		if values[i] > 0 {
			values[i] = 1
		}
	}
}

// settle takes from the largest weights what rounding put above the limit.
func settle(weights []Weight, limit uint16) {
	if limit == 0 || limit == math.MaxUint16 {
		return
	}
	for range math.MaxUint16 {
		sum, most := 0, 0
		for i, w := range weights {
			sum += int(w.Value)
			if w.Value > weights[most].Value {
				most = i
			}
		}
		if len(weights) == 0 || weights[most].Value <= 1 || int(weights[most].Value)*math.MaxUint16 <= int(limit)*sum {
			return
		}
		equal := true
		for _, w := range weights {
			equal = equal && w.Value == weights[most].Value
		}
		if equal { // there is no fairer way to share among so few
			return
		}
		weights[most].Value--
	}
}

// Upscale is what the chain stores for the values of weights: the largest becomes 65535, in the chain's own fixed-point arithmetic (I32F32 of
// pallets/subtensor/src/epoch/math.rs, vec_max_upscale_to_u16).
func Upscale(weights []Weight) []Weight {
	var most int64
	for _, w := range weights {
		most = max(most, int64(w.Value))
	}
	out := slices.Clone(weights)
	if most == 0 {
		return out
	}
	const one, half = 1 << 32, 1 << 31
	for i, w := range weights {
		v := int64(w.Value)
		var fixed *big.Int // v * 65535 / most, with 32 fraction bits that are cut off where the chain cuts them off
		if most > 32768 {
			fixed = big.NewInt(math.MaxUint16 * one / most * v)
		} else {
			fixed = new(big.Int).Quo(new(big.Int).Mul(big.NewInt(v*math.MaxUint16), big.NewInt(one)), big.NewInt(most))
		}
		out[i].Value = uint16(min(math.MaxUint16, fixed.Add(fixed, big.NewInt(half)).Rsh(fixed, 32).Int64()))
	}
	return out
}

// Kept says whether stored is what the chain makes of sent: the largest 65535, or on runtimes of 2023, where the sum became 65535, each in proportion and
// rounded down.
func Kept(stored, sent []Weight) bool {
	if slices.Equal(stored, Upscale(sent)) {
		return true
	}
	sum := 0
	for _, w := range sent {
		sum += int(w.Value)
	}
	return sum > 0 && slices.EqualFunc(stored, sent, func(a, b Weight) bool {
		return a.UID == b.UID && int(a.Value) == int(b.Value)*math.MaxUint16/sum
	})
}
