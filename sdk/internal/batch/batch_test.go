package batch

import (
	"context"
	"errors"
	"slices"
	"testing"
)

func one(int) int { return 1 }

func TestRun_keeps_the_order_and_loses_nothing(t *testing.T) {
	in := make(chan int, 8)
	ctx, cancel := context.WithCancel(t.Context())
	var got []int
	go func() {
		for i := range 1000 {
			in <- i
		}
	}()
	err := Run(ctx, in, one, func(items []int) error {
		got = append(got, items...)
		if len(got) == 1000 {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || len(got) != 1000 || !slices.IsSorted(got) {
		t.Errorf("%d items, %v", len(got), err)
	}
}

func TestRun_bounds_a_message_but_not_an_item(t *testing.T) {
	in := make(chan int, 8)
	for _, size := range []int{limit / 2, limit / 2, 10 * limit, limit / 2, 7} {
		in <- size
	}
	ctx, cancel := context.WithCancel(t.Context())
	var messages [][]int
	_ = Run(ctx, in, func(n int) int { return n }, func(items []int) error {
		messages = append(messages, slices.Clone(items))
		if items[len(items)-1] == 7 {
			cancel()
		}
		return nil
	})
	for _, m := range messages {
		sum := 0
		for _, n := range m {
			sum += n
		}
		if len(m) > 1 && sum > limit {
			t.Errorf("%v in one message", m)
		}
	}
}

func TestRun_ends_with_a_send_that_fails(t *testing.T) {
	in, broken := make(chan int, 1), errors.New("broken")
	in <- 1
	if err := Run(t.Context(), in, one, func([]int) error { return broken }); !errors.Is(err, broken) {
		t.Error(err)
	}
}
