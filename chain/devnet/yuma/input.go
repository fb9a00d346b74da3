package yuma

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
)

// MaxNeurons bounds a subnet: sixteen times what the chain gives one (SubtensorInitialMaxAllowedUids, 256), and few enough that no sum overflows.
const MaxNeurons = 4096

// ErrInput is wrapped by every error of Epoch: the input contradicts itself, or leaves its ranges.
var ErrInput = errors.New("not the state of a subnet")

func (in Input) check() error {
	n := len(in.Stake)
	if n > MaxNeurons {
		return fmt.Errorf("%w: %d neurons, at most %d can be", ErrInput, n, MaxNeurons)
	}
	if in.Commits == nil {
		in.Commits = make([]uint64, n)
	}
	for _, l := range []struct {
		name string
		n    int
	}{
		{"permits", len(in.Permits)}, {"rows of weights", len(in.Weights)}, {"rows of bonds", len(in.Bonds)}, {"last updates", len(in.LastUpdate)},
		{"registrations", len(in.Registered)}, {"commits", len(in.Commits)},
	} {
		if l.n != n {
			return fmt.Errorf("%w: %d %s for %d neurons", ErrInput, l.n, l.name, n)
		}
	}
	if in.Owner != nil && int(*in.Owner) >= n {
		return fmt.Errorf("%w: the owner's uid is %d of %d neurons", ErrInput, *in.Owner, n)
	}
	if in.BondsMovingAverage > 1_000_000 {
		return fmt.Errorf("%w: a bonds moving average of %d millionths, at most 1000000 can be", ErrInput, in.BondsMovingAverage)
	}
	var total uint64
	for _, s := range in.Stake {
		if s > math.MaxInt64-total {
			return fmt.Errorf("%w: all stake together is more than 2^63-1 rao", ErrInput)
		}
		total += s
	}
	return errors.Join(checkRows("weight", in.Weights), checkRows("bond", in.Bonds))
}

// checkRows wants every uid known, and once in a row.
func checkRows(name string, rows [][]Weight) error {
	seen := make([]int, len(rows)) // the last row with this uid, counted from 1
	for i, row := range rows {
		for _, w := range row {
			if int(w.UID) >= len(rows) {
				return fmt.Errorf("%w: a %s of uid %d for uid %d of %d neurons", ErrInput, name, i, w.UID, len(rows))
			}
			if seen[w.UID] == i+1 {
				return fmt.Errorf("%w: two %ss of uid %d for uid %d", ErrInput, name, i, w.UID)
			}
			seen[w.UID] = i + 1
		}
	}
	return nil
}

func (in Input) owns(uid int) bool { return in.Owner != nil && int(*in.Owner) == uid }

func (in Input) permitted(uid int) bool { return in.Permits[uid] || in.owns(uid) }

// active says who has set weights lately enough.
func (in Input) active() []bool {
	active := make([]bool, len(in.Stake))
	for i, updated := range in.LastUpdate {
		active[i] = later(updated, in.ActivityCutoff) >= in.Block
	}
	return active
}

// stake normalises the stake that counts. The chain divides in I64F64 and cuts the quotient to I32F32, which is one division rounded down.
func (in Input) stake() []fixed {
	counts := func(uid int) bool { return in.Stake[uid] >= in.MinStake || in.owns(uid) }
	var total uint64
	for i, s := range in.Stake {
		if counts(i) {
			total += s
		}
	}
	out := make([]fixed, len(in.Stake))
	for i, s := range in.Stake {
		if counts(i) && s > 0 {
			q, _ := bits.Div64(s>>32, s<<32, total)
			out[i] = fixed(q)
		}
	}
	return out
}

// topStakes is true for the k largest stakes above 0; of equal ones the later uid wins: is_topk_nonzero in math.rs.
func topStakes(stake []fixed, k int) []bool {
	order := make([]int, len(stake))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(stake[a], stake[b]) })
	top := make([]bool, len(stake))
	for _, i := range order[max(0, len(order)-k):] {
		top[i] = stake[i] > 0
	}
	return top
}

// weights are those of permitted validators for others, each set after the other has registered. The owner may weigh itself.
func (in Input) weights() matrix {
	return load(in.Weights, func(i, j int) bool {
		return in.permitted(i) && (i != j || in.owns(i)) && in.LastUpdate[i] > in.Registered[j] && (in.Commits == nil || in.Commits[i] >= in.Registered[j])
	})
}

// later is a+b, or the last block of all where that is later still.
func later(a, b uint64) uint64 {
	if a > math.MaxUint64-b {
		return math.MaxUint64
	}
	return a + b
}
