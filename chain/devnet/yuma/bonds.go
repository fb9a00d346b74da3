package yuma

// bonds2 is the bonds and dividends of the original Yuma: bonds are shares of a column, and move towards W S at a fixed rate. They are stored with each
// column's largest as 1.
func (in Input) bonds2(t terms) (bonds matrix, dividends []fixed) {
	old := in.oldBonds()
	old.normalizeColumns()
	target := in.bondWeights(t).each(func(i int, c cell) (fixed, bool) { return mul(c.value, t.activeStake[i]), true })
	target.normalizeColumns()
	bonds = move(target, old, in.alpha())
	bonds.normalizeColumns()
	dividends = bonds.weighColumns(t.incentive)
	normalize(dividends)
	bonds.upscaleColumns()
	return bonds, dividends
}

// bonds3 is the bonds and dividends of Yuma 3: bonds are shares of 1 that move towards W, and stake counts only for the dividends.
func (in Input) bonds3(t terms) (bonds matrix, dividends []fixed) {
	old := in.oldBonds().each(func(_ int, c cell) (fixed, bool) { return share(uint16(c.value >> 32)), true })
	weights := in.bondWeights(t)
	if in.LiquidAlpha != nil && sum(t.consensus) != 0 {
		bonds = in.LiquidAlpha.move(weights, old, t.consensus)
	} else {
		bonds = move(weights, old, in.alpha())
	}
	columns := bonds.each(func(_ int, c cell) (fixed, bool) { return c.value, true })
	columns.normalizeColumns()
	dividends = columns.weighColumns(t.incentive)
	for i, s := range t.activeStake {
		dividends[i] = mul(dividends[i], s)
	}
	normalize(dividends)
	return bonds, dividends
}

// oldBonds leaves out bonds in neurons that have registered since the last epoch.
func (in Input) oldBonds() matrix {
	since := later(in.LastEpoch, 1)
	if in.LastEpoch == 0 {
		since = in.Block - min(in.Tempo, in.Block)
	}
	return load(in.Bonds, func(_, j int) bool { return in.Registered[j] < since })
}

// bondWeights lies between the weights and the clipped ones: interpolate_sparse in math.rs. Only in between does it leave out zeros.
func (in Input) bondWeights(t terms) matrix {
	switch penalty := share(in.BondsPenalty); penalty {
	case 0:
		return t.weights
	case one:
		return t.clipped
	default:
		return t.weights.each(func(_ int, c cell) (fixed, bool) {
			v := c.value + mul(penalty, min(c.value, t.consensus[c.uid])-c.value)
			return v, v > 0
		})
	}
}

// alpha is the rate without liquid alpha: 1 - BondsMovingAverage.
func (in Input) alpha() fixed { return one - div(fixed(in.BondsMovingAverage)<<32, 1_000_000<<32) }

// move is alpha to + (1-alpha) from: mat_ema_sparse in math.rs.
func move(to, from matrix, alpha fixed) matrix {
	out, sums := make(matrix, len(to)), make([]fixed, len(to))
	for i := range to {
		if len(to[i])+len(from[i]) == 0 {
			continue
		}
		clear(sums)
		for _, c := range to[i] {
			sums[c.uid] = mul(alpha, c.value)
		}
		for _, c := range from[i] {
			sums[c.uid] += mul(one-alpha, c.value)
		}
		for j, v := range sums {
			if v > 0 {
				out[i] = append(out[i], cell{uint16(j), v})
			}
		}
	}
	return out
}

// move has a rate for every cell: mat_ema_alpha_sparse in math.rs. A bond lives on only where there is a weight, be it a stored 0.
func (l LiquidAlpha) move(weights, bonds matrix, consensus []fixed) matrix {
	return weights.each(func(i int, c cell) (fixed, bool) {
		for len(bonds[i]) > 0 && bonds[i][0].uid < c.uid {
			bonds[i] = bonds[i][1:]
		}
		bond := fixed(0)
		if len(bonds[i]) > 0 && bonds[i][0].uid == c.uid {
			bond = bonds[i][0].value
		}
		alpha := l.alpha(c.value, bond, consensus[c.uid])
		v := min(mul(one-alpha, bond)+mul(alpha, c.value), one)
		return v, v > 0
	})
}

// alpha is low + (high-low) / (1 + e^(-steepness (d - 1/2))), d being how far the weight is above the consensus where bonds are bought, how far below
// the bond where they are sold: alpha_sigmoid in run_epoch.rs.
func (l LiquidAlpha) alpha(weight, bond, consensus fixed) fixed {
	low, high := share(l.Low), share(l.High)
	d := bond - weight
	if weight >= bond {
		d = weight - consensus
	}
	d = max(0, min(d, one))
	slope := -(fixed(l.Steepness) << 32) / 100
	sigmoid := div(one, one+exp(mul(slope, d-one/2)))
	return max(low, min(low+mul(sigmoid, high-low), high))
}
