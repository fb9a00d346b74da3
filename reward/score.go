package reward

import "math"

// Settle scores the seats of a group whose verdict is done, and returns what is stored. It leaves the comparison that it is given as it was.
func (r Rules) Settle(c Comparison, v Verdict, compare Compare) Comparison {
	c.Truth, c.Void, c.Alarm = v.Source, v.Void, v.Alarm
	c.Seats = append([]Seat(nil), c.Seats...)
	nobody := true
	for i := range c.Seats {
		s := &c.Seats[i]
		s.Outcome, s.Agreed, s.Scored, s.Score, s.Doubt = Unjudged, false, false, 0, 0
		if v.Void {
			continue
		}
		s.Outcome, s.Agreed = v.Outcome(i), v.Agreed(i)
		nobody = nobody && !(s.Ranked && s.Outcome == Correct)
	}
	if v.Void {
		return c
	}
	for i := range c.Seats {
		s := &c.Seats[i]
		if s.Outcome == Wrong {
			s.Doubt = doubt(s.Agreed, c.Chance)
		}
		switch {
		case s.Result == Failure:
			s.Scored, s.Score = true, r.Failed
		case !s.Ranked:
		case s.Outcome == Correct:
			s.Scored, s.Score = true, r.headToHead(c, i)
		case s.Outcome == Wrong:
			s.Scored, s.Score = true, r.fallback(c, v, i, nobody, compare)
		}
	}
	return c
}

// doubt is what a wrong answer counts in trust. One that another agreed with would have passed unnoticed but for the audit, so that each that is
// found stands for 1/chance that were not.
func doubt(agreed bool, chance float64) float64 {
	if agreed && chance > 0 {
		return 1 / min(chance, 1)
	}
	return 1
}

// headToHead is the score of a correct seat: 1 + s/m times the sum of its duels with the m other ranked seats.
func (r Rules) headToHead(c Comparison, i int) float64 {
	sum, m := 0, 0
	for j, other := range c.Seats {
		if j != i && other.Ranked && other.Result != Ignored {
			sum, m = sum+r.duel(c.Seats[i], other), m+1
		}
	}
	if m == 0 {
		return 1
	}
	return 1 + r.Bonus/float64(m)*float64(sum)
}

// duel is +1 when a correct seat beats another, -1 when it loses, 0 when neither is faster by more than the noise.
func (r Rules) duel(a, b Seat) int {
	if b.Outcome != Correct {
		return 1
	}
	noise := r.Noise * min(a.LatencyMS, b.LatencyMS)
	switch gap := b.LatencyMS - a.LatencyMS; {
	case gap > noise:
		return 1
	case gap < -noise:
		return -1
	}
	return 0
}

// fallback is the score of a wrong seat: min(1-s, (1-s)x), where x is the cosine of its answer to the truth if above the floor. The cap is the
// README's: a search for a like picture never pays.
func (r Rules) fallback(c Comparison, v Verdict, i int, nobody bool, compare Compare) float64 {
	x := 0.0
	if c.Fallback != Nothing && !c.Seats[i].Claim {
		x = r.cosine(i, v.Truth, compare)
	}
	if c.Fallback == Squared {
		x *= x
	}
	if r.Uncapped && nobody {
		return max(x, r.Failed)
	}
	return max(min(1-r.Bonus, (1-r.Bonus)*x), r.Failed)
}

// cosine is the cosine to the truth if it counts, else 0.
func (r Rules) cosine(i, truth int, compare Compare) float64 {
	if truth != OwnAnswer && truth < i {
		i, truth = truth, i
	}
	x := compare(i, truth).Cosine
	if math.IsNaN(x) || x <= r.CosineFloor {
		return 0
	}
	return min(x, 1)
}

// Preference is a decided pair of ranked seats.
type Preference struct{ Winner, Loser int }

// Preferences are the decided pairs of a settled comparison: a correct seat against one that is wrong, failed or slower by more than the noise.
func (r Rules) Preferences(c Comparison) (pairs []Preference) {
	for i, a := range c.Seats {
		for j, b := range c.Seats {
			if i != j && a.Outcome == Correct && a.Ranked && b.Ranked && b.Result != Ignored && r.duel(a, b) > 0 {
				pairs = append(pairs, Preference{i, j})
			}
		}
	}
	return pairs
}

// Prefer moves the log-strengths of a pair by one step along the gradient of -log sigmoid(Beta (winner - loser)), which is the loss of direct
// preference optimisation (Rafailov et al. 2023, equation 7). Strengths begin at 0. They order the leaderboard and organic routing, no weight.
func (r Rules) Prefer(winner, loser float64) (w, l float64) {
	d := r.Step * r.Beta / (1 + math.Exp(r.Beta*(winner-loser)))
	return winner + d, loser - d
}
