package wire

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/internal/link"
	pb "github.com/vision19/vision/sdk/internal/proto/v1"
)

// unread is a stream whose commands nobody takes.
func unread(room int) *stream {
	ctx, cancel := context.WithCancel(context.Background())
	return &stream{ctx: ctx, cancel: cancel, out: make(chan *pb.InferCommand, room), work: map[string]*work{}}
}

// joined has requests of these image sizes join a batch, one after another, and returns who left with others.
func joined(t *testing.T, s *stream, sizes ...int) []bool {
	t.Helper()
	b, out := NewBatch(len(sizes)), make([]bool, len(sizes))
	var group sync.WaitGroup
	for i, size := range sizes {
		r := &pb.InferRequest{Id: strconv.Itoa(i), Images: map[string]*pb.Images{"image": {Images: []*pb.Image{{Data: make([]byte, size)}}}}}
		group.Go(func() { out[i] = b.join(t.Context(), &work{stream: s, done: make(chan struct{})}, r) })
		for there := 0; there <= i && i < len(sizes)-1; { // in this order
			b.mu.Lock()
			there = len(b.members)
			b.mu.Unlock()
			time.Sleep(100 * time.Microsecond)
		}
	}
	group.Wait()
	return out
}

func TestBatch_leaves_out_what_does_not_fit_into_the_message(t *testing.T) {
	s := unread(1)
	const half = link.PayloadLimit / 2
	if got, want := joined(t, s, half-100, 1000, half, half-2000), []bool{true, true, false, true}; !slices.Equal(got, want) {
		t.Fatalf("%v left together, want %v", got, want)
	}
	if n := commandSize(<-s.out); n > link.PayloadLimit+100 {
		t.Errorf("the command has %d bytes", n)
	}
}

func TestBatch_does_not_wait_for_room_in_the_stream(t *testing.T) {
	s := unread(0)
	if got := joined(t, s, 1, 2); !slices.Equal(got, []bool{false, false}) {
		t.Errorf("%v left together", got)
	}
}

func TestBatch_a_broken_connection_ends_the_wait(t *testing.T) {
	s, b := unread(1), NewBatch(2)
	c := &Client{stream: s}
	d := sdk.Description{Capabilities: sdk.Capabilities{MaxBatch: 2}}
	ended := make(chan error, 1)
	go func() {
		_, err := c.Infer(t.Context(), d, sdk.Request{ID: "1"}, Sink{}, b)
		ended <- err
	}()
	for waits := false; !waits; {
		b.mu.Lock()
		waits = len(b.members) == 1
		b.mu.Unlock()
		time.Sleep(100 * time.Microsecond)
	}
	s.fail(errors.New("gone"))
	s.cancel()
	if err := <-ended; !errors.Is(err, sdk.ErrUnavailable) {
		t.Error(err)
	}
	b.Leave()
	for len(s.out) > 0 {
		if x, ok := (<-s.out).GetCommand().(*pb.InferCommand_Batch); ok {
			t.Errorf("a batch of %d left", len(x.Batch.GetRequests()))
		}
	}
}
