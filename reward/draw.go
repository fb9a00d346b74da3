package reward

import "math/rand/v2"

// Candidate is a miner that may be asked now: it serves the task and has room.
type Candidate struct {
	Coldkey  string
	Address  string // the public IP; on loopback host:port
	Asked    int    // how often it has been in a group of this kind that was not void, in the current period
	Standing Standing
}

// Group is a draw: who is asked, together and at once, and whether it is audited.
type Group struct {
	Seats   []int // of the candidates
	Chance  float64
	Audited bool
}

// Draw chooses a group. The first seat is the candidate first, or with first < 0 one of the least asked; the others are drawn uniformly, never by
// rating, among those that share no coldkey and no address with a seat before. The group is smaller where there are too few. The rng is secret.
func (r Rules) Draw(rng *rand.Rand, from []Candidate, first int, reference bool) Group {
	if first < 0 || first >= len(from) {
		first = leastAsked(rng, from)
	}
	if first < 0 {
		return Group{}
	}
	g := Group{Seats: append(make([]int, 0, r.Seats), first)}
	second, paired := Partner(rng, from, g.Seats)
	g.Chance = r.chance(from, first)
	if paired {
		g.Seats = append(g.Seats, second)
		g.Chance = max(g.Chance, r.chance(from, second))
	}
	g.Audited = rng.Float64() < g.Chance
	n := r.Seats
	if g.Audited && !reference {
		n = r.AuditSeats
	}
	for paired && len(g.Seats) < n {
		if second, paired = Partner(rng, from, g.Seats); paired {
			g.Seats = append(g.Seats, second)
		}
	}
	return g
}

// Partner draws one more seat for a group: uniformly among the candidates that share no coldkey and no address with it. ok is false when none is left.
func Partner(rng *rand.Rand, from []Candidate, group []int) (partner int, ok bool) {
	return pick(rng, len(from), func(i int) bool {
		for _, j := range group {
			if i == j || from[i].Coldkey == from[j].Coldkey || from[i].Address == from[j].Address {
				return false
			}
		}
		return true
	})
}

// leastAsked draws one of the candidates that have been asked least; -1 without candidates. Without this a newcomer might never be asked.
func leastAsked(rng *rand.Rand, from []Candidate) int {
	if len(from) == 0 {
		return -1
	}
	least := from[0].Asked
	for i := range from {
		least = min(least, from[i].Asked)
	}
	i, _ := pick(rng, len(from), func(i int) bool { return from[i].Asked == least })
	return i
}

// pick draws uniformly one of the numbers below n that may be. Most may, most of the time, so it first tries its luck.
func pick(rng *rand.Rand, n int, may func(int) bool) (int, bool) {
	for range min(n, 8) {
		if i := rng.IntN(n); may(i) {
			return i, true
		}
	}
	count := 0
	for i := range n {
		if may(i) {
			count++
		}
	}
	if count == 0 {
		return 0, false
	}
	left := rng.IntN(count)
	for i := range n {
		if may(i) {
			if left == 0 {
				return i, true
			}
			left--
		}
	}
	return 0, false
}

// chance is how probable an audit must be for the sake of one member.
func (r Rules) chance(from []Candidate, i int) float64 {
	c, own := r.Audit, from[i].Standing
	if own.Periods < r.Fill {
		c = max(c, r.AuditNew)
	}
	if own.Caught {
		c = max(c, r.AuditCaught)
	}
	if own.Claims == 0 {
		return c
	}
	claims, answers := -own.Claims, -own.Answers
	for j := range from {
		claims, answers = claims+from[j].Standing.Claims, answers+from[j].Standing.Answers
	}
	// claims/answers of one against ratio times that of the others, without dividing by none
	if float64(own.Claims)*float64(answers) > r.ClaimRatio*float64(claims)*float64(own.Answers) {
		c = max(c, r.AuditClaims)
	}
	return c
}
