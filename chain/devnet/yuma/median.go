package yuma

import (
	"cmp"
	"slices"
)

// vote is the weight that one validator gives, and its stake.
type vote struct{ stake, score fixed }

// medians are the columns' weighted medians over the rows with stake: weighted_median_col_sparse in math.rs.
func (m matrix) medians(stake []fixed, majority fixed) []fixed {
	var use []fixed
	for _, s := range stake {
		if s > 0 {
			use = append(use, s)
		}
	}
	normalize(use)
	total := sum(use)
	votes := make([][]vote, len(m))
	for i, row := range m {
		if stake[i] <= 0 {
			continue
		}
		for _, c := range row {
			votes[c.uid] = append(votes[c.uid], vote{use[0], c.value})
		}
		use = use[1:]
	}
	out := make([]fixed, len(m))
	for j := range out {
		out[j] = median(votes[j], total, total-majority)
	}
	return out
}

// median is the smallest score up to which more stake than the minority votes, else the largest. What is missing to the total votes 0. The chain finds
// the same by halving at pivots (weighted_median in math.rs).
func median(votes []vote, total, minority fixed) fixed {
	below := total
	for _, v := range votes {
		below -= v.stake
	}
	if below > 0 && below > minority {
		return 0
	}
	slices.SortFunc(votes, func(a, b vote) int { return cmp.Compare(a.score, b.score) })
	last := fixed(0)
	for _, v := range votes {
		below, last = below+v.stake, v.score
		if below > minority {
			break
		}
	}
	return last
}
