package sdk

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
)

// batchSize is how many requests the endpoint takes at once, by the description that it was configured with.
func (s *server) batchSize() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.describe.Capabilities.Batch()
}

// serveBatch answers requests together, each by its own events.
func (s *server) serveBatch(ctx context.Context, together []*pending) {
	together = slices.DeleteFunc(together, func(p *pending) bool {
		if p.refused != nil {
			p.end(nil, p.refused)
		}
		return p.refused != nil
	})
	if len(together) == 0 {
		return
	}
	if len(together) == 1 {
		s.serve(together[0])
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var left atomic.Int64
	left.Store(int64(len(together)))
	live := make([]func() bool, len(together)) // stops the watch over one request's context, and reports whether that has not ended
	for i, p := range together {
		live[i] = context.AfterFunc(p.run, func() {
			if left.Add(-1) == 0 {
				cancel() // it ends when the endpoint has returned: until then the plugin works on it, as the host must see
				return
			}
			p.end(nil, p.run.Err()) // the endpoint goes on for the others
		})
	}
	outcomes := s.inferBatch(ctx, together)
	for i, p := range together {
		if !live[i]() {
			p.end(nil, p.run.Err()) // whatever the endpoint made of it
			continue
		}
		p.end(s.reply(p, outcomes[i]))
	}
}

// inferBatch has the endpoint answer the requests within one permit, without those that are cancelled by then. There is an outcome for each.
func (s *server) inferBatch(ctx context.Context, together []*pending) []Outcome {
	outcomes := slices.Repeat([]Outcome{{Err: context.Canceled}}, len(together))
	select {
	case s.permits <- struct{}{}:
		defer func() { <-s.permits }()
	case <-ctx.Done():
		return outcomes
	}
	var calls []Call
	var which []int // the index in together of each call
	for i, p := range together {
		if p.run.Err() == nil {
			p.progress.accepted()
			calls = append(calls, Call{Context: p.run, Request: fromRequest(p.request), Progress: p.progress})
			which = append(which, i)
		}
	}
	if len(calls) == 0 {
		return outcomes
	}
	var got []Outcome
	err := guarded("InferBatch", func() error {
		got = s.endpoint.(Batcher).InferBatch(ctx, slices.Clone(calls)) // Configure has refused batches of another endpoint
		return nil
	})
	if err == nil && len(got) != len(calls) {
		err = fmt.Errorf("it gave %d outcomes for %d calls", len(got), len(calls))
	}
	if err != nil {
		slog.Error("InferBatch failed: each of its requests is answered alone", "error", err)
		got = s.inferEach(calls)
	}
	for k, i := range which {
		outcomes[i] = got[k]
	}
	return outcomes
}

// inferEach answers calls one by one, but for those that are cancelled by then.
func (s *server) inferEach(calls []Call) []Outcome {
	outcomes := make([]Outcome, len(calls))
	for i, c := range calls {
		if outcomes[i].Err = c.Context.Err(); outcomes[i].Err == nil {
			outcomes[i] = s.infer(c)
		}
	}
	return outcomes
}
