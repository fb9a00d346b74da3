package sdktest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/wire"
)

// running is a long request that is under way.
type running struct {
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

// begin starts a long request and returns when the plugin works on it.
func (s *suite) begin(ctx context.Context, x *session) (*running, error) {
	r, err := s.findLong(ctx, x)
	if err != nil {
		return nil, err
	}
	before, err := x.health(ctx)
	if err != nil {
		return nil, x.explain(err)
	}
	ctx, cancel := context.WithCancel(ctx)
	work := &running{cancel: cancel, done: make(chan struct{})}
	accepted := make(chan struct{})
	go func() {
		defer close(work.done)
		_, work.err = x.infer(ctx, r, wire.Sink{Accepted: func() { close(accepted) }})
	}()
	select {
	case <-accepted:
		return work, nil
	case <-work.done:
		cancel()
		return nil, fmt.Errorf("a long request ended before it was accepted: %w", x.explain(errors.Join(work.err, errors.New("it must be worked on"))))
	case <-time.After(s.limit()):
		cancel()
		return nil, fmt.Errorf("a request is not accepted within %s, with %d under way before it", s.limit(), len(before.Active))
	}
}

// over reports whether the request has ended by itself.
func (r *running) over() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

var errOver = skip("the request was over before it could be disturbed")

// end cancels the request and waits until the plugin is idle.
func (r *running) end(ctx context.Context, x *session) error {
	r.cancel()
	<-r.done
	_, err := x.idle(ctx, x.suite.stopLimit())
	return err
}

func cancelEndsWork(ctx context.Context, s *suite) (string, error) {
	x, err := s.ready(ctx)
	if err != nil {
		return "", err
	}
	work, err := s.begin(ctx, x)
	if err != nil {
		return "", err
	}
	defer work.cancel()
	select { // in the midst of a step
	case <-work.done:
		return "", errOver
	case <-time.After(s.waits.short / 2):
	}
	work.cancel()
	took, err := x.idle(ctx, s.stopLimit())
	if err != nil {
		return "", fmt.Errorf("after a cancel: %w; it must be idle within a step, %s", err, short(s.stopLimit()))
	}
	return "idle after " + short(took), x.lives(ctx, "a cancelled request")
}

func deadlineEndsWork(ctx context.Context, s *suite) (string, error) {
	x, err := s.ready(ctx)
	if err != nil {
		return "", err
	}
	r, err := s.findLong(ctx, x)
	if err != nil {
		return "", err
	}
	limited, cancel := context.WithTimeout(ctx, s.waits.short/2)
	defer cancel()
	if _, err := x.infer(limited, r, wire.Sink{}); err == nil {
		return "", errOver
	} else if !errors.Is(err, sdk.ErrDeadline) {
		return "", fmt.Errorf("a request past its deadline: %w: it must be %s", x.explain(err), sdk.CodeDeadline)
	}
	took, err := x.idle(ctx, s.stopLimit())
	if err != nil {
		return "", fmt.Errorf("after a deadline: %w; it must be idle within a step, %s", err, short(s.stopLimit()))
	}
	return "idle after " + short(took), x.lives(ctx, "a deadline")
}

// occupy starts as many long requests as run at once, so that a further one waits.
func (s *suite) occupy(ctx context.Context, x *session) ([]*running, error) {
	var all []*running
	for range x.d.Capabilities.Concurrency() {
		work, err := s.begin(ctx, x)
		if err != nil {
			for _, w := range all {
				w.cancel()
			}
			return nil, err
		}
		all = append(all, work)
	}
	return all, nil
}

// maxOccupied bounds how many long requests a case starts to make another one wait.
const maxOccupied = 16

func cancelWaiting(ctx context.Context, s *suite) (string, error) {
	x, err := s.ready(ctx)
	if err != nil {
		return "", err
	}
	if n := x.d.Capabilities.Concurrency(); n > maxOccupied {
		return "", skip("it takes %d long requests to make another one wait", n)
	}
	all, err := s.occupy(ctx, x)
	if err != nil {
		return "", err
	}
	defer func() {
		for _, w := range all {
			w.cancel()
		}
		_, _ = x.idle(ctx, s.stopLimit()) // the next case finds out
	}()
	limited, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if _, err := x.infer(limited, s.pace.cheap, wire.Sink{}); err == nil {
		if slices.ContainsFunc(all, (*running).over) {
			return "", errOver
		}
		return "", fmt.Errorf("with MaxConcurrency = %d requests under way another one is answered: it must wait", len(all))
	}
	for began := time.Now(); ; {
		h, err := x.health(ctx)
		if err != nil {
			return "", x.explain(err)
		}
		if len(h.Active) <= len(all) {
			return "gone after " + short(time.Since(began)), nil
		}
		if time.Since(began) > quickTime {
			return "", fmt.Errorf("a waiting request is still there %s after it was cancelled", quickTime)
		}
		time.Sleep(poll)
	}
}

func cancelLeavesOthers(ctx context.Context, s *suite) (string, error) {
	x, err := s.ready(ctx)
	if err != nil {
		return "", err
	}
	work, err := s.begin(ctx, x)
	if err != nil {
		return "", err
	}
	defer work.cancel()
	answered := make(chan error, 1)
	go func() {
		_, err := x.answer(ctx, s.pace.cheap)
		answered <- err
	}()
	select { // answered beside the long one where several run at once, after it otherwise
	case err = <-answered:
	case <-time.After(s.waits.short / 2):
		work.cancel()
		err = <-answered
	}
	if err != nil {
		return "", fmt.Errorf("beside a request that is cancelled another one is not answered: %w", err)
	}
	return "", work.end(ctx, x)
}

func wellWhileWorking(ctx context.Context, s *suite) (string, error) {
	x, err := s.ready(ctx)
	if err != nil {
		return "", err
	}
	for tries := 1; ; tries++ { // this machine may be busy itself
		health, describe, err := s.askWhileWorking(ctx, x)
		if err != nil {
			return "", err
		}
		detail := fmt.Sprintf("Health in %s, Describe in %s", short(health), short(describe))
		if max(health, describe) <= quickTime {
			return detail, nil
		}
		if tries == 3 {
			return "", fmt.Errorf("%s with a request under way: each must take at most %s, or the host takes the plugin for dead", detail, quickTime)
		}
	}
}

// askWhileWorking measures both answers while a long request runs. A plugin that answers only when the request is over has answered late.
func (s *suite) askWhileWorking(ctx context.Context, x *session) (health, describe time.Duration, err error) {
	work, err := s.begin(ctx, x)
	if err != nil {
		return 0, 0, err
	}
	defer work.cancel()
	began := time.Now()
	h, err := x.health(ctx)
	health = time.Since(began)
	switch {
	case err != nil:
		return 0, 0, x.explain(fmt.Errorf("its Health with a request under way: %w", err))
	case health > quickTime:
		return health, 0, work.end(ctx, x)
	case len(h.Active) != 1 && work.over():
		return 0, 0, errOver
	case len(h.Active) != 1:
		return 0, 0, fmt.Errorf("its Health names %d requests: one is under way", len(h.Active))
	case x.process.PID() != 0 && h.MemoryBytes <= 0 && memoryIsKnown:
		return 0, 0, errors.New("its Health tells no memory")
	}
	began = time.Now()
	if _, _, err := x.client.Describe(ctx); err != nil {
		return 0, 0, x.explain(fmt.Errorf("its Describe with a request under way: %w", err))
	}
	describe = time.Since(began)
	return health, describe, work.end(ctx, x)
}
