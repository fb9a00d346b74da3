package sdktest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/wire"
)

func drains(ctx context.Context, s *suite) (string, error) {
	x, err := s.ready(ctx)
	if err != nil {
		return "", err
	}
	defer s.discard()
	n := min(x.d.Capabilities.Concurrency(), maxAtOnce) + 3
	errs := make([]error, n)
	var group sync.WaitGroup
	begun := make(chan struct{}, 2*n)
	limited, cancel := context.WithTimeout(ctx, time.Duration(n)*s.limit())
	defer cancel()
	for i := range n {
		r := seeded(x.d, s.pace.usual, uint64(i))
		group.Go(func() {
			_, errs[i] = x.infer(limited, r, wire.Sink{Accepted: func() { begun <- struct{}{} }})
			begun <- struct{}{}
		})
	}
	<-begun
	if err := x.client.Drain(limited); err != nil {
		return "", x.explain(fmt.Errorf("its Drain with %d requests under way: %w", n, err))
	}
	h, err := x.health(ctx)
	if err != nil {
		return "", x.explain(err)
	}
	if len(h.Active) > 0 || h.State != "draining" {
		return "", fmt.Errorf("after Drain the plugin is %s with %d requests under way: it must be draining, with none", h.State, len(h.Active))
	}
	group.Wait()
	answered := 0
	for _, err := range errs {
		switch {
		case err == nil:
			answered++
		case !errors.Is(err, sdk.ErrBusy): // not admitted any more
			return "", fmt.Errorf("its Drain cut a request off: %w", x.explain(err))
		}
	}
	if answered == 0 {
		return "", fmt.Errorf("none of %d requests was answered before Drain returned, though one had been accepted", n)
	}
	if _, err := x.answer(ctx, s.pace.cheap); !errors.Is(err, sdk.ErrBusy) {
		return "", fmt.Errorf("a request after Drain gets %v: it must be refused as %s", err, sdk.CodeBusy)
	}
	return fmt.Sprintf("%d answered, %d refused", answered, n-answered), nil
}

func shutdownEnds(ctx context.Context, s *suite) (string, error) {
	x, err := s.ready(ctx)
	if err != nil {
		return "", err
	}
	defer s.discard()
	detail := ""
	work, err := s.begin(ctx, x)
	if left := skipped(""); errors.As(err, &left) {
		detail = "with nothing under way: " + err.Error()
	} else if err != nil {
		return "", err
	} else {
		defer work.cancel()
	}
	limited, cancel := context.WithTimeout(ctx, s.stopLimit()+startTime)
	defer cancel()
	began := time.Now()
	if err := x.client.Shutdown(limited); err != nil {
		return "", x.explain(fmt.Errorf("its Shutdown: %w", err))
	}
	took := time.Since(began)
	if work != nil {
		if took > s.stopLimit() {
			return "", fmt.Errorf("its Shutdown took %s with a request under way: at most %s", short(took), short(s.stopLimit()))
		}
		select {
		case <-work.done:
		case <-limited.Done():
			return "", errors.New("a request is not answered that Shutdown ended")
		}
		if work.err == nil {
			return "", errOver
		}
	}
	if err := x.client.Shutdown(limited); err != nil {
		return "", x.explain(fmt.Errorf("a second Shutdown: %w", err))
	}
	if _, err := x.answer(ctx, s.pace.cheap); err == nil {
		return "", errors.New("a request after Shutdown is answered")
	}
	return detail, nil
}

func shutsDownUnconfigured(ctx context.Context, s *suite) (string, error) {
	x, err := s.start(ctx)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	for _, when := range []string{"before Configure", "again"} {
		if err := x.client.Shutdown(ctx); err != nil {
			return "", x.explain(fmt.Errorf("its Shutdown %s: %w", when, err))
		}
	}
	return "", x.state(ctx, "closed", "Shutdown")
}

func exits(ctx context.Context, s *suite) (string, error) {
	x, err := s.ready(ctx)
	if err != nil {
		return "", err
	}
	defer s.discard()
	e, ok := x.process.(exiting)
	if !ok || x.process.PID() == 0 {
		return "", skip("there is no process to end")
	}
	limited, cancel := context.WithTimeout(ctx, s.stopLimit()+startTime)
	defer cancel()
	began := time.Now()
	x.process.Stop(limited)
	took := time.Since(began)
	<-x.process.Done()
	if how := e.Exit(); how != "exit status 0" {
		return "", fmt.Errorf("after Shutdown the process ended with %q within %s: it must exit by itself, with status 0, within %s%s", how, short(took), exitTime, printed(x.process))
	}
	return "in " + short(took), nil
}
