package wire

import (
	"context"
	"testing"

	"google.golang.org/grpc"

	pb "github.com/vision19/vision/sdk/internal/proto/v1"
)

// endless is a plugin that never stops telling of the steps of one request.
type endless struct {
	grpc.ClientStream
	id   string
	sent int
}

func (e *endless) Send(*pb.InferCommands) error { return nil }

func (e *endless) Recv() (*pb.InferEvents, error) {
	var m pb.InferEvents
	for range 1000 {
		e.sent++
		m.Events = append(m.Events, &pb.InferEvent{Id: e.id, Event: &pb.InferEvent_Step{Step: &pb.Step{Done: 1, Total: 1}}})
	}
	return &m, nil
}

func TestStream_ends_with_a_plugin_that_talks_without_end(t *testing.T) {
	for name, id := range map[string]string{"of a request that it has broken": "a", "of no request": "b"} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			plugin := &endless{id: id}
			w := &work{receiver: receiver{limit: 1}, release: func() {}, done: make(chan struct{})}
			s := &stream{grpc: plugin, ctx: ctx, cancel: cancel, out: make(chan *pb.InferCommand, maxWaiting), work: map[string]*work{"a": w}}
			s.read()
			<-w.done
			if s.err == nil || w.err == nil || ctx.Err() == nil {
				t.Errorf("the stream's error is %v, the request's %v", s.err, w.err)
			}
			if plugin.sent > 2*maxEvents+2000 {
				t.Errorf("%d events were read", plugin.sent)
			}
		})
	}
}
