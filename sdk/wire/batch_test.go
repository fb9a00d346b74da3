package wire_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/schema"
	"github.com/vision19/vision/sdk/wire"
)

// batcher is a fake that takes batches too.
type batcher struct {
	fake
	together func(context.Context, []sdk.Call) []sdk.Outcome
}

// batching is a plain endpoint with batches of 8.
func batching(together func(context.Context, []sdk.Call) []sdk.Outcome) *batcher {
	return &batcher{together: together, fake: fake{describe: func() sdk.Description {
		d := plain()
		d.Capabilities.MaxBatch = 8
		return d
	}}}
}

func (b *batcher) InferBatch(ctx context.Context, calls []sdk.Call) []sdk.Outcome {
	return b.together(ctx, calls)
}

// named is an answer that says whose it is.
func named(id string) sdk.Result {
	result := picture(1, 1)
	result.Values = schema.Values{"id": id}
	return result
}

func namedAll(calls []sdk.Call) []sdk.Outcome {
	var out []sdk.Outcome
	for _, c := range calls {
		out = append(out, sdk.Outcome{Result: named(c.Request.ID)})
	}
	return out
}

// recorder counts what arrives: 1 for Infer, n for a batch of n.
type recorder struct {
	mu    sync.Mutex
	sizes []int
}

func (r *recorder) add(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sizes = append(r.sizes, n)
}

func (r *recorder) sorted() []int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(slices.Values(r.sizes))
}

func (r *recorder) endpoint() *batcher {
	e := batching(func(_ context.Context, calls []sdk.Call) []sdk.Outcome {
		r.add(len(calls))
		return namedAll(calls)
	})
	e.infer = func(_ context.Context, q sdk.Request, _ sdk.Progress) (sdk.Result, error) {
		r.add(1)
		return named(q.ID), nil
	}
	return e
}

// ask infers and reports an answer that is another request's.
func ask(ctx context.Context, c *wire.Client, d sdk.Description, id string, b *wire.Batch) error {
	got, err := c.Infer(ctx, d, sdk.Request{ID: id}, wire.Sink{}, b)
	if err == nil && got.Values["id"] != id {
		return fmt.Errorf("%s has the answer of %v", id, got.Values["id"])
	}
	return err
}

func TestBatch_sends_together_what_has_joined(t *testing.T) {
	for name, c := range map[string]struct {
		places, calls int // the other places are given up
		maxBatch      int // of the description that the host goes by
		want          []int
	}{
		"all":                       {5, 5, 8, []int{5}},
		"some leave":                {5, 3, 8, []int{3}},
		"one is left":               {3, 1, 8, []int{1}},
		"none is left":              {3, 0, 8, nil},
		"a batch of one":            {1, 1, 8, []int{1}},
		"more than the plugin says": {19, 19, 8, []int{3, 8, 8}},
		"an older plugin":           {3, 3, 0, []int{1, 1, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			var r recorder
			client, d := ready(t, r.endpoint())
			d.Capabilities.MaxBatch = c.maxBatch
			b := wire.NewBatch(c.places)
			var group sync.WaitGroup
			for i := range c.calls {
				group.Go(func() {
					if err := ask(t.Context(), client, d, strconv.Itoa(i), b); err != nil {
						t.Error(err)
					}
				})
			}
			for range c.places - c.calls {
				b.Leave()
			}
			group.Wait()
			if got := r.sorted(); !slices.Equal(got, c.want) {
				t.Errorf("%v arrived, want %v", got, c.want)
			}
		})
	}
}

func TestBatch_that_is_nil_can_be_left(t *testing.T) {
	var b *wire.Batch
	b.Leave()
}

func TestBatch_gives_each_client_its_own(t *testing.T) {
	var one, other recorder
	first, d := ready(t, one.endpoint())
	second, _ := ready(t, other.endpoint())
	b := wire.NewBatch(5)
	var group sync.WaitGroup
	for i, c := range []*wire.Client{first, second, first, second, first} {
		group.Go(func() {
			if err := ask(t.Context(), c, d, strconv.Itoa(i), b); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if !slices.Equal(one.sorted(), []int{3}) || !slices.Equal(other.sorted(), []int{2}) {
		t.Errorf("%v and %v arrived, want [3] and [2]", one.sorted(), other.sorted())
	}
}

func TestBatch_goes_on_without_what_cannot_be_sent(t *testing.T) {
	var r recorder
	c, d := ready(t, r.endpoint())
	over, cancel := context.WithCancel(t.Context())
	cancel()
	b := wire.NewBatch(4)
	var group sync.WaitGroup
	for _, id := range []string{"a", "b"} {
		group.Go(func() {
			if err := ask(t.Context(), c, d, id, b); err != nil {
				t.Error(err)
			}
		})
	}
	if err := ask(t.Context(), c, d, "", b); !errors.Is(err, sdk.ErrInternal) {
		t.Error(err)
	}
	if err := ask(over, c, d, "c", b); !errors.Is(err, sdk.ErrCancelled) {
		t.Error(err)
	}
	group.Wait()
	if got := r.sorted(); !slices.Equal(got, []int{2}) {
		t.Errorf("%v arrived", got)
	}
}

func TestBatch_a_cancelled_wait_gives_its_place_up(t *testing.T) {
	var r recorder
	c, d := ready(t, r.endpoint())
	b := wire.NewBatch(3)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := ask(ctx, c, d, "gone", b); !errors.Is(err, sdk.ErrDeadline) {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for _, id := range []string{"a", "b"} {
		group.Go(func() {
			if err := ask(t.Context(), c, d, id, b); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if got := r.sorted(); !slices.Equal(got, []int{2}) {
		t.Errorf("%v arrived", got)
	}
}

func TestBatch_cancellations_at_any_moment_lose_nothing(t *testing.T) {
	work := func(ctx context.Context) error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Microsecond):
			return nil
		}
	}
	e := batching(func(ctx context.Context, calls []sdk.Call) []sdk.Outcome {
		_ = work(ctx)
		return namedAll(calls)
	})
	e.infer = func(ctx context.Context, r sdk.Request, _ sdk.Progress) (sdk.Result, error) {
		return named(r.ID), work(ctx)
	}
	c, d := ready(t, e)
	random := rand.New(rand.NewPCG(1, 2))
	answered := 0
	for round := range 300 {
		places := 1 + random.IntN(8)
		b := wire.NewBatch(places)
		errs := make(chan error, places)
		for i := range places {
			leave, limit := random.IntN(5) == 0, time.Duration(random.IntN(600))*time.Microsecond
			go func() {
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				defer cancel()
				if leave {
					b.Leave()
					errs <- nil
					return
				}
				errs <- ask(ctx, c, d, fmt.Sprint(round, "/", i), b)
			}()
		}
		for range places {
			if err := <-errs; err == nil {
				answered++
			} else if !errors.Is(err, sdk.ErrDeadline) {
				t.Fatal(err)
			}
		}
	}
	eventually(t, "all work ends", func() bool { return len(active(t, c)) == 0 })
	if answered == 0 {
		t.Error("every request was cancelled: the test tests half")
	}
}
