package arena

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/vision19/vision/reward"
)

// What is assumed of miners and of the load.
const (
	seatsSynthetic = 4     // a miner and period
	seatsOrganic   = 2     // a miner and period
	speedSD        = 0.2   // of the logarithm of a machine's speed
	latencySD      = 0.1   // of the logarithm of a request's latency
	usualMS        = 1000  // the latency of a usual machine
	lost           = 0.001 // share of requests that time out for everybody
)

// variant is a way of judging.
type variant struct {
	rules     reward.Rules
	reference bool
	believes  bool // features that miners claim, as 2.x did
}

// miner is one identity.
type miner struct {
	member  int // its number among those with the strategy, -1 if it is honest and clean
	speed   float64
	vote    float64
	now     reward.Tally
	tallies []reward.Tally
}

// world is one population through all periods.
type world struct {
	variant
	strategy   *strategy
	gallery    Gallery
	rng        *rand.Rand
	period     int64
	miners     []miner
	candidates []reward.Candidate
	members    int

	seats    []reward.Seat // of the request in hand
	pictures []picture
	own      picture // the reference's
	shared   picture // that which the members make alike
	made     bool    // shared is made
	cheated  bool
}

// picture is an answer's content. Pictures with the same id are the same, and so are all that pass for the honest one.
type picture struct {
	id     int
	passes bool
	cosine float64 // to the honest one
}

const (
	rightID  = 0 // of the honest picture
	sharedID = -1
	ownID    = -2 // of a reference that hardware made different
)

func newWorld(v variant, s *strategy, g Gallery, miners int, seed uint64) *world {
	w := &world{
		variant: v, strategy: s, gallery: g, rng: rand.New(rand.NewPCG(seed, 1)), members: s.members(miners),
		miners: make([]miner, miners), candidates: make([]reward.Candidate, miners),
	}
	speeds := rand.New(rand.NewPCG(seed, 2)) // the same machines whatever the strategy
	for i := range w.miners {
		m := &w.miners[i]
		m.member, m.speed, m.vote = -1, math.Exp(speedSD*speeds.NormFloat64()), 1
		owner := i
		if i < w.members {
			m.member = i
			if s.machine {
				owner = 0
			}
		}
		switch twin := i - w.members; {
		case s.slow > 0 && m.member >= 0:
			m.speed *= s.slow
		case s.twins && twin >= 0 && twin < w.members:
			m.speed = w.miners[twin].speed
		}
		w.candidates[i] = reward.Candidate{Coldkey: fmt.Sprint("coldkey ", owner), Address: fmt.Sprint("address ", owner)}
		w.forget(i)
	}
	return w
}

// forget makes a miner a new one.
func (w *world) forget(i int) {
	w.miners[i].tallies = w.miners[i].tallies[:0]
	w.candidates[i].Standing = w.rules.Assess(nil, 0)
	w.miners[i].vote = 1
}

// step plays a period and returns the mean weight of the members and of those that they are held against.
func (w *world) step() (members, others float64) {
	for i := range w.miners {
		w.miners[i].now = reward.Tally{Period: w.period}
	}
	w.serve(reward.Synthetic, len(w.miners)*seatsSynthetic/w.rules.Seats)
	w.serve(reward.Organic, len(w.miners)*seatsOrganic/w.rules.Seats)
	weights := make([]float64, len(w.miners))
	for i := range w.miners {
		m, c := &w.miners[i], &w.candidates[i]
		m.tallies = append(m.tallies, m.now)
		c.Standing = w.rules.Assess(m.tallies, w.period)
		m.vote = w.rules.Vote(c.Standing.Trust)
		weights[i] = w.rules.Weight(c.Standing)
	}
	w.period++
	total, err := reward.Total([]reward.Task{{Weight: 1, Miners: weights}})
	if err != nil { // nobody has earned anything
		return 0, 0
	}
	until := len(w.miners)
	if w.strategy.twins {
		until = min(2*w.members, until)
	}
	members, others = mean(total[:w.members]), mean(total[w.members:until])
	if life := int64(w.strategy.life); life > 0 {
		for i := range w.members {
			if (w.period+int64(i))%life == 0 { // not all at once
				w.forget(i)
			}
		}
	}
	return members, others
}

// serve plays the requests of one kind.
func (w *world) serve(kind reward.Kind, groups int) {
	for i := range w.candidates {
		w.candidates[i].Asked = 0
	}
	for range groups {
		w.request(kind)
	}
}

// request asks one group, decides it and counts it.
func (w *world) request(kind reward.Kind) {
	group := w.rules.Draw(w.rng, w.candidates, -1, w.reference)
	w.seats, w.pictures, w.made, w.cheated = w.seats[:0], w.pictures[:0], false, false
	t := turn{kind: kind, rng: w.rng}
	for _, i := range group.Seats {
		if w.miners[i].member >= 0 {
			t.copies++
		}
	}
	c := reward.Comparison{
		Period: w.period, Kind: kind, Fallback: reward.Cosine, Chance: group.Chance, Audited: group.Audited, Reference: reward.NoReference,
	}
	if w.reference {
		c.Reference = reward.NotRun
	}
	w.ask(group.Seats, t)
	for {
		c.Seats = w.seats
		v := w.rules.Decide(c, w.compare)
		switch v.Next {
		case reward.RunReference:
			c.Reference, w.own = reward.Ran, w.honestPicture(ownID)
			continue
		case reward.AskOne:
			next, ok := reward.Partner(w.rng, w.candidates, group.Seats)
			if c.Exhausted = !ok; ok {
				group.Seats = append(group.Seats, next)
				t.late = true
				w.ask(group.Seats[len(group.Seats)-1:], t)
			}
			continue
		}
		w.count(w.rules.Settle(c, v, w.compare), group.Seats)
		return
	}
}

// count adds a settled comparison to the tallies.
func (w *world) count(c reward.Comparison, miners []int) {
	if c.Void {
		return
	}
	for seat, i := range miners {
		w.candidates[i].Asked++
		w.miners[i].now.Add(c.Kind, c.Seats[seat])
	}
}

// ask lets miners that are asked at once answer.
func (w *world) ask(miners []int, t turn) {
	first, slowest, cheated := len(w.seats), 0.0, w.cheated
	t.cheated = cheated
	for _, i := range miners {
		seat, picture, move := w.answer(i, t)
		w.cheated = w.cheated || move == cheat
		w.seats, w.pictures = append(w.seats, seat), append(w.pictures, picture)
		if move != copied {
			slowest = max(slowest, seat.LatencyMS)
		}
	}
	for seat := first; seat < len(w.seats); seat++ {
		if s := &w.seats[seat]; s.LatencyMS < 0 { // a copy comes after what it is copied from
			s.LatencyMS = slowest - s.LatencyMS
		}
	}
}

// answer lets a miner answer. The latency of a copy is negative, to be added to that of the others.
func (w *world) answer(i int, t turn) (reward.Seat, picture, move) {
	m, s := &w.miners[i], w.strategy
	seat := reward.Seat{
		Ranked: !t.late, Result: reward.Answer, Vote: m.vote, LatencyMS: usualMS * m.speed * math.Exp(latencySD*w.rng.NormFloat64()),
	}
	id := len(w.seats) + 1 // like no other
	lostShare, noise, move := lost, 0.0, honest
	if t.member = m.member; t.member >= 0 {
		lostShare, noise, move = lost+s.timeouts, s.noise, s.play(t)
	}
	timedOut := w.rng.Float64() < lostShare
	switch {
	case move == refuse:
		seat.Result = reward.Refusal(0, 1)
		return seat, picture{}, move
	case move == silent || timedOut:
		seat.Result = reward.Failure
		return seat, picture{}, move
	case move == cheat:
		seat.LatencyMS *= s.pace
		seat.Claim, seat.Unsafe = s.claim, s.claim
		return seat, w.cheatPicture(id), move
	case move == copied:
		seat.LatencyMS *= -idle
	}
	p := w.honestPicture(id)
	if noise > 0 && w.rng.Float64() < noise {
		p.id, p.passes = id, false
	}
	return seat, p, move
}

// honestPicture is what an honest machine makes: rarely one that is taken for another.
func (w *world) honestPicture(id int) picture {
	look := w.gallery.Draw(w.rng, Honest)
	if look.Same {
		return picture{id: rightID, passes: true, cosine: 1}
	}
	return picture{id: id, cosine: look.Cosine}
}

// cheatPicture is what the strategy sends: one that all members send alike, or one of the member's own.
func (w *world) cheatPicture(id int) picture {
	if w.strategy.apart {
		look := w.gallery.Draw(w.rng, w.strategy.picture)
		return picture{id: id, passes: look.Same || w.strategy.forged && w.believes, cosine: look.Cosine}
	}
	if !w.made {
		look := w.gallery.Draw(w.rng, w.strategy.picture)
		w.shared, w.made = picture{id: sharedID, passes: look.Same, cosine: look.Cosine}, true
	}
	return w.shared
}

// compare compares two answers. Of two that are not the honest picture nothing is recorded: their cosine is taken as the product of theirs to it.
func (w *world) compare(i, j int) reward.Pair {
	a, b := w.pictures[i], w.own
	if j != reward.OwnAnswer {
		b = w.pictures[j]
	}
	if a.id == b.id {
		return reward.Pair{Same: true, Cosine: 1}
	}
	return reward.Pair{Same: a.passes && b.passes, Cosine: a.cosine * b.cosine}
}

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(max(len(values), 1))
}
