package instance_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/vision19/vision/host/instance"
	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/wire"
)

// world counts what instances have begun and not ended.
type world struct {
	processes, leases atomic.Int64
	pids              atomic.Int64

	mu     sync.Mutex
	newest *process

	admit  func(context.Context) error // nil: there is room
	ending time.Duration               // of a process that is killed
	drains bool                        // a process that is stopped takes all the time that it gets
}

// process is an instance.Process without a process.
type process struct {
	world *world
	pid   int
	done  chan struct{}
	end   sync.Once
}

func (p *process) Client() *wire.Client    { return wire.New(conn{p}, nil) }
func (p *process) PID() int                { return p.pid }
func (p *process) Done() <-chan struct{}   { return p.done }
func (p *process) Explain(err error) error { return err }
func (p *process) Dump()                   {}

func (p *process) Stop(ctx context.Context) {
	if p.world.drains {
		select {
		case <-p.done:
		case <-ctx.Done():
		}
	}
	p.Kill()
}

func (p *process) Kill() {
	p.end.Do(func() {
		time.Sleep(p.world.ending)
		p.world.processes.Add(-1)
		close(p.done)
	})
}

// conn answers like a plugin that is well, while its process lives.
type conn struct{ p *process }

func (c conn) Invoke(_ context.Context, method string, _, reply any, _ ...grpc.CallOption) error {
	select {
	case <-c.p.done:
		return status.Error(codes.Unavailable, "gone")
	default:
	}
	if method != "/vision.plugin.v1.Plugin/Configure" {
		return nil
	}
	d := sdk.Description{Endpoint: "fake", Output: sdk.Output{Kind: sdk.EmbeddingOutput}}
	data, err := d.MarshalBinary()
	if err != nil {
		return err
	}
	return proto.Unmarshal(protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), data), reply.(proto.Message))
}

func (c conn) NewStream(ctx context.Context, _ *grpc.StreamDesc, _ string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
	return loaded{ctx}, nil
}

// loaded is the stream of a Load that has ended.
type loaded struct{ ctx context.Context }

func (loaded) Header() (metadata.MD, error) { return nil, nil }
func (loaded) Trailer() metadata.MD         { return nil }
func (loaded) CloseSend() error             { return nil }
func (l loaded) Context() context.Context   { return l.ctx }
func (loaded) SendMsg(any) error            { return nil }
func (loaded) RecvMsg(any) error            { return io.EOF }

// lease must be released once.
type lease struct {
	world    *world
	released atomic.Bool
}

func (l *lease) Loaded(int) int64  { return 1 }
func (l *lease) Measure(int) int64 { return 1 }

func (l *lease) Release(bool) {
	if l.released.Swap(true) {
		panic("a lease is released twice")
	}
	l.world.leases.Add(-1)
}

// instance makes one in the world. It is closed at the end of the test at the latest, and nothing may be left then.
func (w *world) instance(t testing.TB, timing instance.Timing, change func(*instance.Instance, instance.Status)) *instance.Instance {
	t.Helper()
	var i *instance.Instance
	i = instance.New(instance.Config{
		Name: "fake", Log: slog.New(slog.DiscardHandler), Timing: timing,
		Admit: func(ctx context.Context) (instance.Lease, error) {
			if w.admit != nil {
				if err := w.admit(ctx); err != nil {
					return nil, err
				}
			}
			w.leases.Add(1)
			return &lease{world: w}, nil
		},
		Launch: func(ctx context.Context) (instance.Process, error) {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			p := &process{world: w, pid: int(w.pids.Add(1)), done: make(chan struct{})}
			w.processes.Add(1)
			w.mu.Lock()
			w.newest = p
			w.mu.Unlock()
			return p, nil
		},
		Change: func(s instance.Status) {
			if change != nil {
				change(i, s)
			}
		},
	})
	t.Cleanup(func() {
		i.Close(context.Background())
		if p, l := w.processes.Load(), w.leases.Load(); p != 0 || l != 0 {
			t.Errorf("%d processes and %d leases are left", p, l)
		}
	})
	return i
}

// crash ends the newest process from outside.
func (w *world) crash() {
	w.mu.Lock()
	p := w.newest
	w.mu.Unlock()
	if p != nil {
		p.Kill()
	}
}

// returns fails the test when f takes long: something waits for what does not come.
func returns(t testing.TB, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		f()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Fatalf("%s has not returned", what)
	}
}

var errFull = errors.New("no room")
