package sdktest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/wire"
)

// pace is what requests of this plugin cost. It is measured, not guessed from names: which parameter makes a request long, a description
// does not say.
type pace struct {
	first time.Duration   // the first answer after loading
	again []time.Duration // the same request, asked again

	cheap     sdk.Request // the fastest of those that ask for little
	cheapCost time.Duration
	usual     sdk.Request // what asks for nothing in particular; where that is refused, one that asks for little
	usualCost time.Duration

	long     *sdk.Request // runs long enough to be disturbed; nil when not looked for, or when there is none
	longStep time.Duration
	searched bool
}

// repeats is how often a request is asked again, while that takes no more than repeatTime.
const (
	repeats    = 5
	repeatTime = 5 * time.Second
)

// measure asks the first requests of a loaded plugin.
func measure(ctx context.Context, x *session) (*pace, error) {
	g, p := generator{x.d}, &pace{}
	var faults []error
	for i, f := range []draft{g.minima(true), g.plain(smallSide), g.minima(false)} {
		r, err := f.check(x.d, rand.New(rand.NewPCG(1, 2)))
		if err != nil {
			faults = append(faults, fmt.Errorf("with %s: %w", f.what, err))
			continue
		}
		took, err := timed(ctx, x, r)
		if err != nil {
			faults = append(faults, fmt.Errorf("with %s: %w", f.what, err))
			if errors.Is(err, sdk.ErrInvalidInput) { // the schema cannot say everything; another one will do
				continue
			}
			return nil, errors.Join(faults...)
		}
		if p.first == 0 {
			p.first = took
		}
		cost := took
		for began := time.Now(); len(p.again) < repeats && time.Since(began) < repeatTime; {
			if took, err = timed(ctx, x, r); err != nil {
				return nil, fmt.Errorf("with %s, again: %w", f.what, err)
			}
			p.again = append(p.again, took)
			cost = median(p.again)
		}
		if p.cheapCost == 0 || cost < p.cheapCost {
			p.cheap, p.cheapCost = r, cost
		}
		if i < 2 { // the plain one, unless it is refused
			p.usual, p.usualCost = r, cost
		}
	}
	if p.cheapCost == 0 {
		return nil, errors.Join(faults...)
	}
	if p.usualCost == 0 {
		p.usual, p.usualCost = p.cheap, p.cheapCost
	}
	return p, nil
}

// timed asks once; a machine's clock may say that nothing takes no time.
func timed(ctx context.Context, x *session, r sdk.Request) (time.Duration, error) {
	began := time.Now()
	_, err := x.answer(ctx, r)
	return max(time.Since(began), 1), err
}

func median(d []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(d))
	return sorted[len(sorted)/2]
}

// findLong looks for a request that runs long, by asking and cancelling; the plugin must be able to cancel.
func (s *suite) findLong(ctx context.Context, x *session) (sdk.Request, error) {
	if !x.d.Capabilities.Cancellation {
		return sdk.Request{}, skip("the plugin does not declare that it can cancel")
	}
	if !s.pace.searched {
		s.pace.searched = true
		if err := s.searchLong(ctx, x); err != nil {
			return sdk.Request{}, err
		}
	}
	if s.pace.long == nil {
		return sdk.Request{}, skip("no request runs longer than %s: each is over before it can be disturbed", s.waits.short)
	}
	return *s.pace.long, nil
}

// searchTime is when a request will do that runs long enough, though not as long as it might.
const searchTime = 5 * time.Second

func (s *suite) searchLong(ctx context.Context, x *session) error {
	g, longest, began := generator{x.d}, s.waits.short, time.Now()
	candidates := []draft{g.maxima(largeSide), g.maxima(smallSide)}
	// What makes one request long may make another one short, and may be refused beside others.
	for _, base := range []draft{g.maxima(largeSide), g.minima(true)} {
		for _, p := range x.d.Parameters {
			for _, value := range edges(p) {
				candidates = append(candidates, base.with(p.Name, p.Name, value))
			}
		}
	}
	for _, f := range candidates {
		r, err := f.check(x.d, rand.New(rand.NewPCG(1, 3)))
		if err != nil {
			continue
		}
		took, step, err := x.probe(ctx, r)
		if err != nil {
			return err
		}
		if took > longest {
			longest = took
			s.pace.long, s.pace.longStep = &r, step
		}
		if took >= s.waits.long || (s.pace.long != nil && time.Since(began) > searchTime) {
			return nil
		}
	}
	return nil
}

// probe asks and cancels when that runs long. It returns how long the request ran, and the longest of its steps that it saw.
func (x *session) probe(ctx context.Context, r sdk.Request) (took, step time.Duration, err error) {
	asked, cancel := context.WithTimeout(ctx, x.suite.waits.long)
	defer cancel()
	began := time.Now()
	last := began
	_, err = x.infer(asked, r, wire.Sink{Step: func(int, int) {
		step = max(step, time.Since(last))
		last = time.Now()
	}})
	took = time.Since(began)
	if err != nil && asked.Err() == nil { // refused: not what is looked for
		took = 0
	}
	if !x.alive() {
		return took, step, x.explain(err)
	}
	_, err = x.idle(ctx, x.suite.limit())
	return took, step, err
}

// stopLimit is how long the plugin may go on with a long request that has ended for its caller.
func (s *suite) stopLimit() time.Duration {
	step := s.pace.longStep
	if step == 0 {
		step = s.pace.usualCost
	}
	return max(s.waits.stop, 3*step)
}
