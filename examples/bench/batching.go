package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/vision19/vision/host"
	"github.com/vision19/vision/host/api"
)

// Batching is asked for by so many clients at a time, each with one picture or one text.
const (
	batchClients = 32
	batchEach    = 8 // requests of a client in one turn: long enough that the ends, when not all are busy, do not count
)

// batchingOverSingle compares the requests in a second that clip-embed answers many clients, with the batches that it declares and without.
// Both are there all the time and take turns, with one thread each: what is measured is the saved work, not the use of another core.
func batchingOverSingle(ctx context.Context) ([]row, error) {
	block := func(name, more string) string {
		return fmt.Sprintf("plugin %q {\n  binary = \"../plugins/clip-embed\"\n%s  config {\n    model   = \"../../examples/models/tiny-clip\"\n    threads = 1\n  }\n}\n", name, more)
	}
	h, err := start(ctx, block("together", "")+block("alone", "  max_batch = 1\n"))
	if err != nil {
		return nil, err
	}
	defer h.Close(context.WithoutCancel(ctx))
	data, err := gray.PNG()
	if err != nil {
		return nil, err
	}
	var rows []row
	for _, c := range []struct {
		name string
		job  api.Job
		bar  float64
	}{
		{"batching_over_single", api.Job{Images: map[string][][]byte{"image": {data}}}, 1.05},
		{"batching_over_single.text", api.Job{Texts: map[string][]string{"text": prompt.Texts["prompt"]}}, 1.2},
	} {
		together, alone, err := inTurns(ctx, h, c.job)
		if err != nil {
			return nil, err
		}
		rate := func(d time.Duration) float64 { return batchClients * batchEach / d.Seconds() }
		peer := fmt.Sprintf("max_batch = 1, %.0f requests/s; with batches %.0f", rate(alone), rate(together))
		rows = append(rows, above(c.name, ratio(alone, together), c.bar, peer))
	}
	return rows, nil
}

// inTurns has the clients ask both plugins, and returns what all their requests take each.
func inTurns(ctx context.Context, h *host.Host, job api.Job) (together, alone time.Duration, err error) {
	times := map[string][]time.Duration{}
	for round := range 21 {
		order := []string{"together", "alone"}
		if round%2 == 1 {
			slices.Reverse(order)
		}
		for _, job.Target = range order {
			took, err := crowd(ctx, h, job)
			if err != nil {
				return 0, 0, fmt.Errorf("%s: %w", job.Target, err)
			}
			if round > 1 { // the first ones warm up
				times[job.Target] = append(times[job.Target], took)
			}
		}
	}
	return median(times["together"]), median(times["alone"]), nil
}

// crowd has all clients ask at the same time, and returns how long it takes until the last one is answered.
func crowd(ctx context.Context, h *host.Host, job api.Job) (time.Duration, error) {
	errs := make([]error, batchClients)
	var clients sync.WaitGroup
	began := time.Now()
	for i := range errs {
		clients.Go(func() {
			for range batchEach {
				if _, err := h.Do(ctx, job, api.Events{}); err != nil {
					errs[i] = err
					return
				}
			}
		})
	}
	clients.Wait()
	return time.Since(began), errors.Join(errs...)
}
