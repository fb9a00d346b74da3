package sdktest

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/wire"
)

// session is one process that is spoken to.
type session struct {
	suite   *suite
	process Process
	client  *wire.Client
	d       sdk.Description
}

func (x *session) alive() bool {
	select {
	case <-x.process.Done():
		return false
	default:
		return true
	}
}

// explain adds to an error that the process has ended, and what it printed last.
func (x *session) explain(err error) error {
	if err == nil || x.alive() {
		return err
	}
	how := ""
	if e, ok := x.process.(exiting); ok {
		how = " (" + e.Exit() + ")"
	}
	return fmt.Errorf("%w; the process has ended%s%s", err, how, printed(x.process))
}

// infer sends a checked request under a new id.
func (x *session) infer(ctx context.Context, r sdk.Request, sink wire.Sink) (sdk.Result, error) {
	r.ID = x.suite.id()
	return x.client.Infer(ctx, x.d, r, sink, nil)
}

// answer sends a checked request and waits as long as may be expected.
func (x *session) answer(ctx context.Context, r sdk.Request) (sdk.Result, error) {
	limit := x.suite.limit()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	result, err := x.infer(ctx, r, wire.Sink{})
	if ctx.Err() != nil {
		return result, x.explain(fmt.Errorf("no answer within %s", limit.Round(time.Second)))
	}
	return result, x.explain(err)
}

// firstLimit bounds the first answer, of which nothing is known.
const firstLimit = 10 * time.Minute

// limit bounds an answer by what the others took.
func (s *suite) limit() time.Duration {
	if s.pace == nil {
		return firstLimit
	}
	return max(30*time.Second, 20*s.pace.usualCost)
}

// lives checks that the plugin still answers as it should: what came before has not harmed it.
func (x *session) lives(ctx context.Context, after string) error {
	if _, err := x.answer(ctx, x.suite.pace.cheap); err != nil {
		return fmt.Errorf("after %s a good request is not answered: %w", after, err)
	}
	return nil
}

// poll is how often something is asked for that nothing reports.
const poll = 5 * time.Millisecond

// idle waits until the plugin works on nothing, and returns how long that took.
func (x *session) idle(ctx context.Context, limit time.Duration) (time.Duration, error) {
	began := time.Now()
	for {
		h, err := x.health(ctx)
		took := time.Since(began)
		switch {
		case err != nil:
			return took, x.explain(fmt.Errorf("its Health: %w", err))
		case len(h.Active) == 0:
			return took, nil
		case took > limit:
			return took, fmt.Errorf("the plugin is still at work on %d requests after %s", len(h.Active), took.Round(time.Millisecond))
		}
		select {
		case <-ctx.Done():
			return took, ctx.Err()
		case <-time.After(poll):
		}
	}
}

// quickTime is what the protocol gives Describe and Health.
const quickTime = time.Second

func (x *session) health(ctx context.Context) (wire.Health, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*quickTime) // how quick it is has a case of its own
	defer cancel()
	return x.client.Health(ctx)
}

// quick calls f until it has returned within quickTime, three times at most: this machine may be busy itself.
func quick(what string, f func() error) (string, error) {
	best := time.Duration(math.MaxInt64)
	for range 3 {
		began := time.Now()
		if err := f(); err != nil {
			return "", fmt.Errorf("%s: %w", what, err)
		}
		if best = min(best, time.Since(began)); best <= quickTime {
			return fmt.Sprintf("%s in %s", what, short(best)), nil
		}
	}
	return "", fmt.Errorf("%s takes %s: at most %s", what, short(best), quickTime)
}

// short writes a duration to two or three digits.
func short(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= 10*time.Millisecond:
		return d.Round(time.Millisecond).String()
	}
	return d.Round(10 * time.Microsecond).String()
}

// fingerprint tells answers apart: of all that a caller gets but the texts.
func fingerprint(r sdk.Result) [sha256.Size]byte {
	h := sha256.New()
	for _, i := range r.Images {
		fmt.Fprintln(h, i.MediaType, i.Width, i.Height, len(i.Data))
		h.Write(i.Data)
	}
	for _, e := range r.Embeddings {
		fmt.Fprintln(h, len(e))
		_ = binary.Write(h, binary.LittleEndian, e) // a hash does not fail
	}
	fmt.Fprintln(h, r.Unsafe)
	return [sha256.Size]byte(h.Sum(nil))
}
