package reward

import "math"

// Sum is a sum of scores.
type Sum struct {
	Seats int     `json:"seats"`
	Total float64 `json:"total"`
}

// Mean is 0 without seats.
func (s Sum) Mean() float64 {
	if s.Seats == 0 {
		return 0
	}
	return s.Total / float64(s.Seats)
}

func (s Sum) plus(o Sum) Sum { return Sum{s.Seats + o.Seats, s.Total + o.Total} }

// Tally sums up what one miner did in one task and period.
type Tally struct {
	Period    int64   `json:"period"`
	Organic   Sum     `json:"organic"`
	Synthetic Sum     `json:"synthetic"`
	Answers   int     `json:"answers"` // judged ones, of added seats too
	Claims    int     `json:"claims"`  // of those
	Doubt     float64 `json:"doubt"`
	Caught    bool    `json:"caught"` // a wrong answer that another agreed with
}

// Add counts one seat of a settled comparison.
func (t *Tally) Add(kind Kind, s Seat) {
	if s.Scored {
		sum := &t.Synthetic
		if kind == Organic {
			sum = &t.Organic
		}
		sum.Seats, sum.Total = sum.Seats+1, sum.Total+s.Score
	}
	if s.Outcome == Unjudged {
		return
	}
	t.Answers++
	t.Doubt += s.Doubt
	if s.Claim {
		t.Claims++
	}
	t.Caught = t.Caught || s.Outcome == Wrong && s.Agreed
}

func (t Tally) scored() int { return t.Organic.Seats + t.Synthetic.Seats }

// Value is a period's value: the mean over its scored seats.
func (r Rules) Value(t Tally) float64 {
	if r.Kinds == KindByPeriod && t.Organic.Seats > 0 && t.Synthetic.Seats > 0 {
		return min(t.Organic.Mean(), t.Synthetic.Mean())
	}
	return t.Organic.plus(t.Synthetic).Mean()
}

// Standing is what a miner's window comes to. That of a miner without evidence has Trust 1.
type Standing struct {
	Periods            int     // with a scored seat
	Score              float64 // S, 0..1+Bonus
	Trust              float64 // Q, 0..1
	Caught             bool
	Answers, Claims    int
	Organic, Synthetic Sum
}

// Assess sums up a miner's window in one task. The tallies are in order of their periods; now is the last closed period, and what is after it
// does not count. The window is the last Window periods with a scored seat that are not older than MaxAge.
//
// S is the sum of the periods' values by max(count, Fill), so that a fresh identity is never worth more than an old one. When organic and
// synthetic means differ beyond chance, S is scaled down to the smaller. Q is 1 less the mean doubt of answers.
func (r Rules) Assess(tallies []Tally, now int64) Standing {
	out := Standing{Trust: 1}
	value, doubt := 0.0, 0.0
	for i := len(tallies) - 1; i >= 0; i-- {
		t := tallies[i]
		if t.Period > now {
			continue
		}
		scored := t.scored() > 0
		if t.Period <= now-int64(r.MaxAge) || scored && out.Periods == r.Window {
			break
		}
		if scored {
			out.Periods++
			value += r.Value(t)
		}
		out.Organic, out.Synthetic = out.Organic.plus(t.Organic), out.Synthetic.plus(t.Synthetic)
		out.Answers, out.Claims, out.Caught = out.Answers+t.Answers, out.Claims+t.Claims, out.Caught || t.Caught
		doubt += t.Doubt
	}
	if out.Answers > 0 {
		out.Trust = max(0, 1-doubt/float64(out.Answers))
	}
	if out.Periods > 0 {
		full := min(1, float64(out.Periods)/float64(r.Fill))
		out.Score = value / float64(out.Periods) * math.Pow(full, r.FillPower) * r.balance(out.Organic, out.Synthetic)
	}
	return out
}

// balance is what S is scaled by so that serving one kind of request only does not pay: min(O, Y)/A if the means of organic and synthetic seats
// differ by more than chance makes them, else 1.
func (r Rules) balance(organic, synthetic Sum) float64 {
	if r.Kinds != KindByWindow || min(organic.Seats, synthetic.Seats) < r.KindSeats {
		return 1
	}
	o, y, all := organic.Mean(), synthetic.Mean(), organic.plus(synthetic).Mean()
	if all <= 0 || math.Abs(o-y) <= r.KindTolerance*math.Sqrt(1/float64(organic.Seats)+1/float64(synthetic.Seats)) {
		return 1
	}
	return min(o, y) / all
}
