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

// Batching is asked for by so many clients at a time, each with one picture.
const (
	batchClients = 32
	batchEach    = 8 // requests of a client in one turn: long enough that the ends, when not all are busy, do not count
)

// batchingOverSingle compares the requests in a second that clip-embed answers many clients, with the batches that it declares and without.
// Both are there all the time and take turns.
func batchingOverSingle(ctx context.Context) ([]row, error) {
	block := func(name, more string) string {
		return fmt.Sprintf("plugin %q {\n  binary = \"../plugins/clip-embed\"\n%s  config {\n    model = \"../../examples/models/tiny-clip\"\n    threads = 1\n  }\n}\n", name, more)
	}
	h, err := start(ctx, block("together", "")+block("alone", "  max_batch = 1\n"))
	if err != nil {
		return nil, err
	}
	defer h.Close(context.WithoutCancel(ctx))
	job := api.Job{Images: map[string][][]byte{}}
	data, err := gray.PNG()
	if err != nil {
		return nil, err
	}
	job.Images["image"] = [][]byte{data}
	times := map[string][]time.Duration{}
	for round := range 15 {
		order := []string{"together", "alone"}
		if round%2 == 1 {
			slices.Reverse(order)
		}
		for _, name := range order {
			job.Target = name
			took, err := crowd(ctx, h, job)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			if round > 1 { // the first ones warm up
				times[name] = append(times[name], took)
			}
		}
	}
	together, alone := median(times["together"]), median(times["alone"])
	rate := func(d time.Duration) float64 { return batchClients * batchEach / d.Seconds() }
	peer := fmt.Sprintf("max_batch = 1, %.0f requests/s; with batches %.0f", rate(alone), rate(together))
	return []row{above("batching_over_single", ratio(alone, together), 1.05, peer)}, nil
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
