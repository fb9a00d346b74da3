package sdktest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/vision19/vision/sdk"
)

// memoryIsKnown says whether a plugin can tell its resident memory on this system.
const memoryIsKnown = runtime.GOOS == "linux"

// maxAtOnce bounds how many requests a case sends at once.
const maxAtOnce = 16

func answersAtOnce(ctx context.Context, s *suite) (string, error) {
	x, err := s.ready(ctx)
	if err != nil {
		return "", err
	}
	n := min(x.d.Capabilities.Concurrency(), maxAtOnce)
	if n == 1 {
		return "", skip("it takes one request at a time")
	}
	return x.together(ctx, n)
}

func answersInTurn(ctx context.Context, s *suite) (string, error) {
	x, err := s.ready(ctx)
	if err != nil {
		return "", err
	}
	return x.together(ctx, min(x.d.Capabilities.Concurrency(), maxAtOnce)+3)
}

// together sends n requests of different seeds at once. Where answers are deterministic each must be what it is alone.
func (x *session) together(ctx context.Context, n int) (string, error) {
	requests, alone := make([]sdk.Request, n), make([]sdk.Result, n)
	for i := range requests {
		requests[i] = seeded(x.d, x.suite.pace.cheap, uint64(i))
		if !x.d.Capabilities.Deterministic {
			continue
		}
		var err error
		if alone[i], err = x.answer(ctx, requests[i]); err != nil {
			return "", err
		}
	}
	began := time.Now()
	errs := make([]error, n)
	var group sync.WaitGroup
	for i, r := range requests {
		group.Go(func() {
			result, err := x.answer(ctx, r)
			if err == nil && x.d.Capabilities.Deterministic && fingerprint(result) != fingerprint(alone[i]) {
				err = fmt.Errorf("the request %s is answered with other bytes than alone", show(r))
			}
			errs[i] = err
		})
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		return "", fmt.Errorf("%d requests at once: %w", n, err)
	}
	return fmt.Sprintf("%d requests in %s", n, short(time.Since(began))), nil
}

// What the requests take at most together, without Options.Long, and how many there are.
const (
	growTime    = 10 * time.Second
	growWarm    = 10 // before memory is looked at: pools and caches fill
	growUsual   = 100
	growLong    = 1000
	growMinimum = 10
)

// The growth that is no leak: allocators keep what is freed, and a collector has its own times.
const (
	growShare = 0.1
	growBytes = 32 << 20
)

func doesNotGrow(ctx context.Context, s *suite) (string, error) {
	x, err := s.ready(ctx)
	if err != nil {
		return "", err
	}
	if x.process.PID() == 0 {
		return "", skip("in this process the memory is the test's, too")
	}
	if !memoryIsKnown {
		return "", skip("a plugin cannot tell its memory on %s", runtime.GOOS)
	}
	ask := func(n int) error {
		for i := range n {
			if _, err := x.answer(ctx, seeded(x.d, s.pace.cheap, uint64(i))); err != nil {
				return err
			}
		}
		return nil
	}
	total := growLong
	if !s.o.Long {
		total = max(min(growUsual, int(growTime/s.pace.cheapCost)), growMinimum)
	}
	if err := ask(growWarm); err != nil {
		return "", err
	}
	before, err := x.health(ctx)
	if err != nil {
		return "", x.explain(err)
	}
	if err := ask(total); err != nil {
		return "", err
	}
	after, err := x.health(ctx)
	if err != nil {
		return "", x.explain(err)
	}
	grown := after.MemoryBytes - before.MemoryBytes
	detail := fmt.Sprintf("%d requests: %d MiB, then %d MiB", total, before.MemoryBytes>>20, after.MemoryBytes>>20)
	if limit := int64(growShare*float64(before.MemoryBytes)) + growBytes; grown > limit {
		return "", fmt.Errorf("%s: it may grow by %d MiB", detail, limit>>20)
	}
	return detail, nil
}
