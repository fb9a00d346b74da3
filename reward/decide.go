package reward

import "math/bits"

// Next is what the caller does next.
type Next uint8

// The steps.
const (
	Done         Next = iota // the verdict is final; Settle
	RunReference             // run the request on the validator's own plugin, set Comparison.Reference, and decide again
	AskOne                   // ask one more miner (Partner) and append its seat with Ranked false, or set Comparison.Exhausted; decide again
)

// Verdict is what is known of a group. While Next is not Done, nothing else is.
type Verdict struct {
	Next   Next
	Truth  int // the seat whose answer is the truth, or OwnAnswer; with NoTruth nothing
	Source Source
	Void   bool
	Alarm  bool

	judged, correct, agreed seats
}

// Outcome is what the verdict says of a seat.
func (v Verdict) Outcome(seat int) Outcome {
	switch {
	case !v.judged.has(seat):
		return Unjudged
	case v.correct.has(seat):
		return Correct
	}
	return Wrong
}

// Agreed reports whether another seat gave the same answer.
func (v Verdict) Agreed(seat int) bool { return v.agreed.has(seat) }

// seats is a set of seats.
type seats uint32

func (s seats) has(i int) bool { return i >= 0 && i < MaxSeats && s>>i&1 == 1 }
func (s seats) count() int     { return bits.OnesCount32(uint32(s)) }

// view is a group as its answers compare.
type view struct {
	Comparison
	answered seats // all seats with an answer
	first    seats // of those the ranked ones
	same     [MaxSeats]seats
	loose    bool // all first answers agree, as far as history preset LooseAgreement looks
}

// Decide says whether the truth of a group is known, and if not, what would show it. It is called again after each step, at most Max times.
//
// Answers that are all the same are accepted, unless the group is audited. Else the reference is the truth where there is one; but when miners agree
// against it, another miner must confirm it. Where there is none, the answers vote: the largest cluster must lead the next by Lead.
func (r Rules) Decide(c Comparison, compare Compare) Verdict {
	if len(c.Seats) > MaxSeats {
		return Verdict{Void: true}
	}
	v := r.decide(c, compare)
	if v.Next == AskOne && c.Exhausted {
		return Verdict{Void: true, Alarm: c.Reference == Ran}
	}
	return v
}

func (r Rules) decide(c Comparison, compare Compare) Verdict {
	v := r.look(c, compare)
	switch {
	case v.first == 0:
		return r.unanswered(v)
	case !c.Audited && v.first.count() > 1 && v.loose:
		truth := bits.TrailingZeros32(uint32(v.first))
		return Verdict{Source: ByAgreement, Truth: truth, judged: v.first, correct: v.first, agreed: v.first}
	case c.Reference == NoReference:
		return r.vote(v)
	}
	return r.referee(v, compare)
}

// look compares all answers.
func (r Rules) look(c Comparison, compare Compare) *view {
	v := &view{Comparison: c, loose: true}
	for i, a := range c.Seats {
		if a.Result != Answer {
			continue
		}
		for j := range i {
			if !v.answered.has(j) {
				continue
			}
			pair := compare(j, i)
			same := pair.Same && c.Seats[j].Unsafe == a.Unsafe
			if same {
				v.same[i] |= 1 << j
				v.same[j] |= 1 << i
			}
			if !same && !(r.LooseAgreement && pair.Cosine > r.CosineFloor) {
				v.loose = v.loose && !(a.Ranked && c.Seats[j].Ranked)
			}
		}
		v.answered |= 1 << i
		if a.Ranked {
			v.first |= 1 << i
		}
	}
	return v
}

// judge makes a verdict of a truth: the seats with an answer that is the same.
func (v *view) judge(source Source, truth int, correct seats) Verdict {
	verdict := Verdict{Source: source, Truth: truth, judged: v.answered, correct: correct}
	for i := range v.Seats {
		if v.same[i] != 0 {
			verdict.agreed |= 1 << i
		}
	}
	return verdict
}

// unanswered decides a group in which nobody answered. The seats score 0, unless the request itself is at fault.
func (r Rules) unanswered(v *view) Verdict {
	failed, spareFailed := false, false
	for _, s := range v.Seats {
		failed = failed || s.Ranked && s.Result == Failure
		spareFailed = spareFailed || !s.Ranked && s.Result == Failure
	}
	switch {
	case !failed || r.VoidUnanswered || v.Reference == ReferenceFailed:
		return Verdict{Void: true}
	case v.Reference == NotRun:
		return Verdict{Next: RunReference}
	case v.Reference == Ran || v.answered != 0: // a spare miner's answer shows that the request can be answered, but nothing shows that it is right
		return Verdict{}
	case spareFailed || len(v.Seats) >= r.Max:
		return Verdict{Void: true}
	}
	return Verdict{Next: AskOne}
}

// vote decides a group without a reference.
func (r Rules) vote(v *view) Verdict {
	leader, best, second := 0, -1.0, 0.0
	for rest := v.answered; rest != 0; {
		core, members := v.cluster(rest)
		weight := 0.0
		for i := range v.Seats {
			if members.has(i) {
				weight += unit(v.Seats[i].Vote)
			}
		}
		if weight > best {
			leader, best, second = core, weight, max(best, 0)
		} else {
			second = max(second, weight)
		}
		rest &^= members
	}
	switch {
	case best-second >= r.Lead*r.LeadShare:
		return v.judge(ByVotes, leader, v.same[leader]|1<<leader)
	case len(v.Seats) < r.Max:
		return Verdict{Next: AskOne}
	}
	return Verdict{Void: true}
}

// cluster finds the answer that is the same as most of the rest, the first of equals, and those. "Same" is not transitive, so an answer is in
// the cluster of the core or not, however many links lead to it.
func (v *view) cluster(rest seats) (core int, members seats) {
	most := -1
	for i := range v.Seats {
		if n := (v.same[i] & rest).count(); rest.has(i) && n > most {
			core, most = i, n
		}
	}
	return core, v.same[core]&rest | 1<<core
}

// referee decides a group with a reference.
func (r Rules) referee(v *view, compare Compare) Verdict {
	switch v.Reference {
	case NotRun:
		return Verdict{Next: RunReference}
	case ReferenceFailed:
		return Verdict{Void: true}
	}
	var correct seats
	agree, added := false, 0
	for i, s := range v.Seats {
		if v.answered.has(i) && s.Unsafe == v.Unsafe && compare(i, OwnAnswer).Same {
			correct |= 1 << i
		}
		agree = agree || v.first.has(i) && v.same[i]&v.first != 0
		if !s.Ranked {
			added++
		}
	}
	// Many honest miners with a new driver look like a ring. Nobody who is asked only now can know which it is.
	if correct == 0 && agree && r.Confirm > 0 {
		if added < r.Confirm {
			return Verdict{Next: AskOne}
		}
		return Verdict{Void: true, Alarm: true}
	}
	return v.judge(ByReference, OwnAnswer, correct)
}
