package wire_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/wire"
)

func TestInfer_a_cancel_right_after_the_start_is_not_lost(t *testing.T) {
	c, d := ready(t, &fake{infer: func(ctx context.Context, _ sdk.Request, _ sdk.Progress) (sdk.Result, error) {
		<-ctx.Done()
		return sdk.Result{}, ctx.Err()
	}})
	for i := range 200 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*5*time.Microsecond)
		_, err := c.Infer(ctx, d, sdk.Request{ID: strconv.Itoa(i)}, wire.Sink{}, nil)
		cancel()
		if !errors.Is(err, sdk.ErrDeadline) {
			t.Fatal(err)
		}
	}
	deadline := time.Now().Add(5 * time.Second)
	for len(active(t, c)) > 0 {
		if time.Now().After(deadline) {
			t.Fatalf("still active: %q", active(t, c))
		}
		time.Sleep(time.Millisecond)
	}
}

func TestInfer_many_large_answers_do_not_share_a_message_above_the_limit(t *testing.T) {
	description := sdk.Description{
		Endpoint: "fake", Inputs: []sdk.Input{{Name: "p", Kind: sdk.TextInput}},
		Output: sdk.Output{Kind: sdk.EmbeddingOutput}, Capabilities: sdk.Capabilities{MaxConcurrency: 8},
	}
	embedding := make([]float32, 6<<20)
	embedding[0] = 1
	c, d := ready(t, &fake{describe: func() sdk.Description { return description }, infer: func(context.Context, sdk.Request, sdk.Progress) (sdk.Result, error) {
		return sdk.Result{Embeddings: [][]float32{embedding}}, nil
	}})
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			if _, err := c.Infer(t.Context(), d, sdk.Request{ID: strconv.Itoa(i), Texts: map[string][]string{"p": {"x"}}}, wire.Sink{}, nil); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}

func TestInfer_a_slow_watcher_does_not_outlast_the_deadline(t *testing.T) {
	c, d := ready(t, &fake{infer: func(_ context.Context, _ sdk.Request, p sdk.Progress) (sdk.Result, error) {
		for i := range 64 {
			p.Step(i+1, 64)
		}
		return picture(1, 1), nil
	}})
	ctx, cancel := context.WithCancel(t.Context())
	taken := 0
	_, err := c.Infer(ctx, d, sdk.Request{ID: "a"}, wire.Sink{Step: func(int, int) {
		if taken++; taken == 3 {
			cancel()
		}
	}}, nil)
	if taken > 3 || err != nil && !errors.Is(err, sdk.ErrCancelled) {
		t.Errorf("%d steps were taken after the end, %v", taken, err)
	}
}
