package wire_test

// What the SDK makes of a batch, asked over the wire.

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/wire"
)

func TestBatch_cancel_ends_one_call_and_the_last_one_all(t *testing.T) {
	entered, release := make(chan []sdk.Call, 1), make(chan struct{})
	var whole context.Context
	c, d := ready(t, batching(func(ctx context.Context, calls []sdk.Call) []sdk.Outcome {
		whole = ctx
		entered <- calls
		<-release
		return namedAll(calls)
	}))
	b := wire.NewBatch(3)
	cancels, errs := map[string]context.CancelFunc{}, map[string]chan error{}
	for _, id := range []string{"a", "b", "c"} {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ended := make(chan error, 1)
		cancels[id], errs[id] = cancel, ended
		go func() { ended <- ask(ctx, c, d, id, b) }()
	}
	calls := <-entered
	own := func(id string) context.Context {
		return calls[slices.IndexFunc(calls, func(c sdk.Call) bool { return c.Request.ID == id })].Context
	}
	cancels["b"]()
	if err := <-errs["b"]; !errors.Is(err, sdk.ErrCancelled) {
		t.Error(err)
	}
	<-own("b").Done()
	// The host ends a plugin that goes on with a cancelled request; this one goes on with the others.
	eventually(t, "b is over", func() bool { return slices.Equal(active(t, c), []string{"a", "c"}) })
	if own("a").Err() != nil || whole.Err() != nil {
		t.Error("the others were cancelled too")
	}
	cancels["a"]()
	cancels["c"]()
	<-whole.Done()
	eventually(t, "one stays active while the endpoint does not return", func() bool { return len(active(t, c)) == 1 })
	close(release)
	eventually(t, "all is over", func() bool { return len(active(t, c)) == 0 })
}

func TestBatch_that_fails_is_answered_one_by_one(t *testing.T) {
	broken := sdk.InvalidInput("image", "is broken")
	for name, together := range map[string]func(context.Context, []sdk.Call) []sdk.Outcome{
		"panic":             func(context.Context, []sdk.Call) []sdk.Outcome { panic("out of luck") },
		"too few outcomes":  func(_ context.Context, calls []sdk.Call) []sdk.Outcome { return namedAll(calls[1:]) },
		"too many outcomes": func(_ context.Context, calls []sdk.Call) []sdk.Outcome { return append(namedAll(calls), sdk.Outcome{}) },
		"calls changed": func(_ context.Context, calls []sdk.Call) []sdk.Outcome {
			clear(calls)
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			var alone atomic.Int64
			e := batching(together)
			e.infer = func(_ context.Context, r sdk.Request, _ sdk.Progress) (sdk.Result, error) {
				alone.Add(1)
				if r.ID == "1" {
					return sdk.Result{}, broken
				}
				if r.ID == "2" {
					panic("again")
				}
				return named(r.ID), nil
			}
			c, d := ready(t, e)
			b := wire.NewBatch(4)
			errs := make([]error, 4)
			var group sync.WaitGroup
			for i := range errs {
				group.Go(func() { errs[i] = ask(t.Context(), c, d, strconv.Itoa(i), b) })
			}
			group.Wait()
			if errs[0] != nil || !errors.Is(errs[1], sdk.ErrInvalidInput) || !errors.Is(errs[2], sdk.ErrInternal) || errs[3] != nil {
				t.Error(errs)
			}
			if alone.Load() != 4 {
				t.Errorf("%d answered alone", alone.Load())
			}
		})
	}
}

func TestBatch_fails_only_the_calls_that_fail(t *testing.T) {
	c, d := ready(t, batching(func(_ context.Context, calls []sdk.Call) []sdk.Outcome {
		out := namedAll(calls)
		for i, call := range calls {
			if call.Request.ID == "b" {
				out[i] = sdk.Outcome{Err: sdk.InvalidInput("image", "is broken")}
			}
		}
		return out
	}))
	b := wire.NewBatch(2)
	good := make(chan error, 1)
	go func() { good <- ask(t.Context(), c, d, "a", b) }()
	if err := ask(t.Context(), c, d, "b", b); !errors.Is(err, sdk.ErrInvalidInput) || sdk.AsError(err).Param != "image" {
		t.Error(err)
	}
	if err := <-good; err != nil {
		t.Error(err)
	}
}

func TestBatch_takes_one_permit(t *testing.T) {
	var running atomic.Int64
	c, d := ready(t, batching(func(_ context.Context, calls []sdk.Call) []sdk.Outcome {
		if running.Add(1) > 1 {
			t.Error("two batches run at once, declared is one")
		}
		defer running.Add(-1)
		return namedAll(calls)
	}))
	var group sync.WaitGroup
	for i := range 20 {
		b := wire.NewBatch(2)
		for k := range 2 {
			group.Go(func() {
				if err := ask(t.Context(), c, d, fmt.Sprint(i, k), b); err != nil {
					t.Error(err)
				}
			})
		}
	}
	group.Wait()
}

func TestBatch_progress_is_each_calls_own(t *testing.T) {
	c, d := ready(t, batching(func(_ context.Context, calls []sdk.Call) []sdk.Outcome {
		for _, call := range calls {
			n, _ := strconv.Atoi(call.Request.ID)
			call.Progress.Step(n, 9)
		}
		return namedAll(calls)
	}))
	b := wire.NewBatch(3)
	var group sync.WaitGroup
	for i := 1; i <= 3; i++ {
		group.Go(func() {
			var events []int
			sink := wire.Sink{Accepted: func() { events = append(events, 0) }, Step: func(done, _ int) { events = append(events, done) }}
			if _, err := c.Infer(t.Context(), d, sdk.Request{ID: strconv.Itoa(i)}, sink, b); err != nil || !slices.Equal(events, []int{0, i}) {
				t.Errorf("%d: %v, %v", i, events, err)
			}
		})
	}
	group.Wait()
}

func TestConfigure_refuses_batches_of_an_endpoint_that_takes_none(t *testing.T) {
	c := serve(t, &fake{describe: func() sdk.Description { d := plain(); d.Capabilities.MaxBatch = 2; return d }})
	if _, err := c.Configure(t.Context(), sdk.Config{}); !errors.Is(err, sdk.ErrInternal) || !strings.Contains(err.Error(), "InferBatch") {
		t.Error(err)
	}
}

func TestBatch_of_an_endpoint_that_takes_none_is_answered_one_by_one(t *testing.T) {
	c, d := ready(t, &fake{infer: func(_ context.Context, r sdk.Request, _ sdk.Progress) (sdk.Result, error) { return named(r.ID), nil }})
	d.Capabilities.MaxBatch = 8 // the host is mistaken
	b := wire.NewBatch(3)
	var group sync.WaitGroup
	for i := range 3 {
		group.Go(func() {
			if err := ask(t.Context(), c, d, strconv.Itoa(i), b); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}

func TestBatch_is_refused_request_by_request_when_the_plugin_drains(t *testing.T) {
	var r recorder
	c, d := ready(t, r.endpoint())
	if err := c.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	b := wire.NewBatch(3)
	var group sync.WaitGroup
	for i := range 3 {
		group.Go(func() {
			if err := ask(t.Context(), c, d, strconv.Itoa(i), b); !errors.Is(err, sdk.ErrBusy) {
				t.Error(err)
			}
		})
	}
	group.Wait()
}
