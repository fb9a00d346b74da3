package arena

import (
	"math"
	"math/rand/v2"

	"github.com/vision19/vision/reward"
)

// move is what a miner does with a request.
type move uint8

const (
	honest move = iota
	cheat       // its strategy's picture
	copied      // the honest picture, taken from another that was asked, and so later than that
	refuse      // 429
	silent      // nothing in time
)

// turn is what a miner sees of a request. A ring recognises that its members hold the same request, and knows at once how many.
type turn struct {
	kind    reward.Kind
	member  int  // the miner's number among those with the strategy
	copies  int  // how many of those were asked together
	late    bool // the miner is asked only now
	cheated bool // a member has sent the strategy's picture for this request
	rng     *rand.Rand
}

// bound is what a strategy's weight is held to.
type bound uint8

const (
	none  bound = iota // printed, not held to anything
	most               // the upper end of the interval
	least              // the lower end
)

// strategy is a way of mining.
type strategy struct {
	name    string
	bound   bound
	bar     float64
	share   float64 // of all miners
	count   int     // in place of a share
	picture Kind    // of a cheat
	apart   bool    // no two members make the same picture
	pace    float64 // of a cheat's latency to an honest one's
	claim   bool    // a cheat is claimed to be unsafe, with invented features
	forged  bool    // a cheat comes with features of the honest picture; only who believes them is deceived
	play    func(turn) move

	slow     float64 // how much slower the machines are; 0: not
	noise    float64 // share of honest answers that are taken for wrong, beside what hardware does to everybody
	timeouts float64 // share of requests that time out, beside what happens to everybody
	twins    bool    // held against clean twins of the same speed, not against all others
	machine  bool    // the members are one machine, with one coldkey and one address
	life     int     // periods after which a member registers anew; 0: never
}

func always(m move) func(turn) move { return func(turn) move { return m } }

// sometimes cheats with a share of requests.
func sometimes(p float64) func(turn) move {
	return func(t turn) move {
		if t.rng.Float64() < p {
			return cheat
		}
		return honest
	}
}

// together cheats where the ring holds at least so many seats, and backs that in every seat that is added; else it makes another move.
func together(copies int, otherwise move) func(turn) move {
	return func(t turn) move {
		if t.cheated || !t.late && t.copies >= copies {
			return cheat
		}
		return otherwise
	}
}

// only serves one kind of request; on the other, half of the members send junk and half refuse.
func only(kind reward.Kind) func(turn) move {
	return func(t turn) move {
		switch {
		case t.kind == kind:
			return honest
		case t.member%2 == 0:
			return cheat
		}
		return refuse
	}
}

// copier gets hold of another's picture for three requests in ten, and else sends one made before.
func copier(t turn) move {
	if t.rng.Float64() < 0.3 {
		return copied
	}
	return cheat
}

// The paces of cheats: half of the work, and none.
const (
	half = 0.5
	idle = 0.1
)

// strategies are all there are. The bars are those that the rules promise with a reference, after 40 periods.
var strategies = []strategy{
	{name: "random-image", bound: most, bar: 0.05, share: 0.1, picture: OtherPrompt, apart: true, pace: idle, play: always(cheat)},
	{name: "half-steps", bound: most, bar: 0.05, share: 0.1, picture: HalfSteps, pace: half, play: always(cheat)},
	{name: "smaller-model", bound: most, bar: 0.05, share: 0.1, picture: OtherCheckpoint, pace: half, play: always(cheat)},
	{name: "other-seed", bound: most, bar: 0.05, share: 0.1, picture: OtherSeed, apart: true, pace: idle, play: always(cheat)},
	{name: "prompt-cache", bound: most, bar: 0.05, share: 0.1, picture: Cached, apart: true, pace: idle, play: always(cheat)},
	{name: "false-nsfw", bound: most, bar: 0.05, share: 0.1, picture: OtherPrompt, apart: true, pace: idle, claim: true, play: always(cheat)},
	{name: "false-features", bound: most, bar: 0.05, share: 0.1, picture: OtherPrompt, apart: true, pace: idle, forged: true, play: always(cheat)},
	{name: "clip-search", bound: most, bar: 0.05, share: 0.1, picture: ClipSearch, apart: true, pace: half, play: always(cheat)},
	{name: "low-res", bound: most, bar: 0.05, share: 0.1, picture: LowRes, pace: half, play: always(cheat)},
	{name: "slow-drip", bound: most, bar: 0.05, share: 0.1, play: always(silent)},
	{name: "phantom-endpoint", bound: most, bar: 0.05, share: 0.1, play: always(refuse)},
	{name: "replay", bound: most, bar: 0.05, share: 0.1, picture: OtherPrompt, apart: true, pace: idle, play: always(cheat)},
	{name: "copy-partner", bound: most, bar: 0.05, share: 0.1, picture: Cached, apart: true, pace: idle, play: copier},
	{name: "synthetic-only", bound: most, bar: 0.05, share: 0.1, picture: OtherPrompt, apart: true, pace: idle, play: only(reward.Synthetic)},
	{name: "organic-only", bound: most, bar: 0.05, share: 0.1, picture: OtherPrompt, apart: true, pace: idle, play: only(reward.Organic)},
	{name: "refuse-alone", bound: most, bar: 0.05, share: 0.3, picture: HalfSteps, pace: half, play: together(2, refuse)},
	{name: "one-in-ten", bound: most, bar: 0.90, share: 0.1, picture: HalfSteps, pace: half, play: sometimes(0.1)},
	{name: "one-in-three", bound: most, bar: 0.67, share: 0.1, picture: HalfSteps, pace: half, play: sometimes(1.0 / 3)},
	{name: "half-the-time", bound: most, bar: 0.50, share: 0.1, picture: HalfSteps, pace: half, play: sometimes(0.5)},
	{name: "collude-ring-10", bound: most, bar: 0.05, share: 0.1, picture: HalfSteps, pace: half, play: always(cheat)},
	{name: "collude-ring-20", bound: most, bar: 0.05, share: 0.2, picture: HalfSteps, pace: half, play: always(cheat)},
	{name: "collude-ring-30", bound: most, bar: 0.05, share: 0.3, picture: HalfSteps, pace: half, play: always(cheat)},
	{name: "smart-ring-30", bound: most, bar: 0.70, share: 0.3, picture: HalfSteps, pace: half, play: together(2, honest)},
	{name: "framing-ring-30", bound: most, bar: 1.05, share: 0.3, picture: HalfSteps, pace: half, play: together(3, honest)},
	{name: "identity-reset", bound: most, bar: 0.30, share: 0.3, picture: HalfSteps, pace: half, life: 4, play: together(2, honest)},
	{name: "many-identities", share: 0.1, machine: true, play: always(honest)},
	{name: "many-identities-burst", share: 0.1, machine: true, slow: 4, play: always(honest)},
	{name: "collude-pair", count: 2, picture: HalfSteps, pace: half, play: together(2, honest)},
	{name: "honest-slow", bound: least, bar: 0.95, share: 0.125, slow: 1.6, twins: true, play: always(honest)},
	{name: "honest-noisy", bound: least, bar: 0.95, share: 0.125, noise: 0.01, twins: true, play: always(honest)},
	{name: "honest-timeouts", bound: least, bar: 0.95, share: 0.125, timeouts: 0.02, twins: true, play: always(honest)},
}

// Strategies lists all identifiers.
func Strategies() []string {
	var names []string
	for _, s := range strategies {
		names = append(names, s.name)
	}
	return names
}

// members is how many of n miners have the strategy.
func (s *strategy) members(n int) int {
	if s.count > 0 {
		return s.count
	}
	return max(1, int(math.Round(s.share*float64(n))))
}

// holds reports whether the bar holds for an interval.
func (s *strategy) holds(low, high float64) bool {
	switch s.bound {
	case most:
		return high <= s.bar
	case least:
		return low >= s.bar
	}
	return true
}
