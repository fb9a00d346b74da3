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
	usual     sdk.Request // what asks for nothing in particular, or the slowest of those that ask for little
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
	for _, f := range []draft{g.minima(true), g.plain(smallSide), g.minima(false)} {
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
		if cost > p.usualCost {
			p.usual, p.usualCost = r, cost
		}
	}
	if p.cheapCost == 0 {
		return nil, errors.Join(faults...)
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

// The times of a request that can be disturbed: longTime is enough, and what does not reach shortTime is over too soon.
const (
	longTime  = time.Second
	shortTime = 200 * time.Millisecond
)

// findLong looks for a request that runs long, by asking and cancelling after longTime; the plugin must be able to cancel.
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
		return sdk.Request{}, skip("no request runs longer than %s: each is over before it can be disturbed", shortTime)
	}
	return *s.pace.long, nil
}

func (s *suite) searchLong(ctx context.Context, x *session) error {
	g, longest := generator{x.d}, shortTime
	candidates := []draft{g.maxima(largeSide), g.maxima(smallSide)}
	base := g.minima(true)
	for _, p := range x.d.Parameters {
		for _, value := range edges(p) {
			candidates = append(candidates, base.with(p.Name, p.Name, value))
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
		if took >= longTime {
			return nil
		}
	}
	return nil
}

// probe asks and cancels after longTime. It returns how long the request ran, and the longest of its steps that it saw.
func (x *session) probe(ctx context.Context, r sdk.Request) (took, step time.Duration, err error) {
	asked, cancel := context.WithTimeout(ctx, longTime)
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
	return max(2*time.Second, 3*step)
}
