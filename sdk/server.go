package sdk

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/vision19/vision/sdk/internal/link"
	pb "github.com/vision19/vision/sdk/internal/proto/v1"
	"github.com/vision19/vision/sdk/internal/slots"
)

// Register serves an endpoint on a gRPC server of the caller's: for tests and for hosts that link a plugin in. Serve does
// the same in a process of its own. It returns a function that closes the endpoint and waits for that.
func Register(s grpc.ServiceRegistrar, e Endpoint) (closeEndpoint func(context.Context) error) {
	server := newServer(e, nil)
	pb.RegisterPluginServer(s, server)
	return server.close
}

// state is the life cycle of an Endpoint; it only moves forward.
type state string

const (
	stateCreated    state = "created"
	stateConfigured state = "configured"
	stateLoading    state = "loading"
	stateReady      state = "ready"
	stateDraining   state = "draining"
	stateClosed     state = "closed"
	stateFailed     state = "failed"
)

// server keeps the promises that Endpoint's comment makes, whatever the host calls and in whatever order.
type server struct {
	pb.UnimplementedPluginServer
	endpoint Endpoint
	region   *slots.Region
	closing  sync.Once

	mu       sync.Mutex
	state    state
	permits  chan struct{} // one for each Infer that may run; made by Load
	active   map[string]context.CancelFunc
	idle     chan struct{} // closed while nothing is active
	describe Description
}

func newServer(e Endpoint, region *slots.Region) *server {
	idle := make(chan struct{})
	close(idle)
	return &server{endpoint: e, region: region, state: stateCreated, active: map[string]context.CancelFunc{}, idle: idle}
}

// move changes the state if it is one of from, and says what would have been right otherwise.
func (s *server) move(to state, from ...state) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(from, s.state) {
		return NewError(CodeInternal, fmt.Sprintf("the plugin is %s, not %s", s.state, from[0]), nil)
	}
	s.state = to
	return nil
}

// guarded calls f and turns a panic into an internal error, its stack into a log line.
func guarded(what string, f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			slog.Error("panic", "in", what, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			err = NewError(CodeInternal, fmt.Sprintf("the plugin panicked in %s: %v", what, r), nil)
		}
	}()
	return f()
}

func (s *server) Describe(context.Context, *pb.DescribeRequest) (*pb.DescribeResponse, error) {
	s.mu.Lock()
	d := s.describe
	s.mu.Unlock()
	if d.Endpoint == "" {
		if err := guarded("Describe", func() error { d = s.endpoint.Describe(); return nil }); err != nil {
			return nil, toStatus(err)
		}
	}
	return &pb.DescribeResponse{Description: toDescription(d), ProtocolMinor: link.Minor, SdkVersion: Version}, nil
}

func (s *server) Configure(ctx context.Context, r *pb.ConfigureRequest) (*pb.ConfigureResponse, error) {
	ctx, end, err := s.enter(ctx, "configure", stateFailed, stateCreated)
	if err != nil {
		return nil, toStatus(err)
	}
	defer end()
	var d Description
	err = guarded("Configure", func() (err error) {
		d, err = s.endpoint.Configure(ctx, fromConfig(r))
		return err
	})
	if _, ok := s.endpoint.(Batcher); err == nil && !ok && d.Capabilities.Batch() > 1 {
		err = NewError(CodeInternal, fmt.Sprintf("the description declares batches of %d, but the endpoint has no method InferBatch: add it (sdk.Batcher), or declare 0", d.Capabilities.MaxBatch), nil)
	}
	if err != nil {
		return nil, toStatus(err)
	}
	s.mu.Lock()
	s.describe = d
	s.mu.Unlock()
	return &pb.ConfigureResponse{Description: toDescription(d)}, toStatus(s.move(stateConfigured, stateFailed))
}

func (s *server) Load(_ *pb.LoadRequest, stream grpc.ServerStreamingServer[pb.LoadEvent]) error {
	ctx, end, err := s.enter(stream.Context(), "load", stateLoading, stateConfigured)
	if err != nil {
		return toStatus(err)
	}
	defer end()
	var send sync.Mutex
	err = guarded("Load", func() error {
		return s.endpoint.Load(ctx, func(fraction float64, stage string) {
			send.Lock()
			defer send.Unlock()
			_ = stream.Send(&pb.LoadEvent{Fraction: min(max(fraction, 0), 1), Stage: stage}) // a gone host ends the context
		})
	})
	if err != nil {
		return toStatus(s.fail(err))
	}
	s.mu.Lock()
	s.permits = make(chan struct{}, s.describe.Capabilities.Concurrency())
	s.mu.Unlock()
	return toStatus(s.move(stateReady, stateLoading))
}

func (s *server) fail(err error) error {
	_ = s.move(stateFailed, stateLoading)
	return err
}

func (s *server) Health(context.Context, *pb.HealthRequest) (*pb.HealthResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &pb.HealthResponse{State: string(s.state), MemoryBytes: uint64(residentBytes()), Active: slices.Sorted(maps.Keys(s.active))}, nil
}

// begin admits a request; end must be called when its work is over.
func (s *server) begin(ctx context.Context, id string) (run context.Context, end func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != stateReady {
		return nil, nil, &Error{Code: CodeBusy, Message: "the plugin is " + string(s.state), RetryAfter: time.Second}
	}
	if len(s.active) >= maxActive {
		return nil, nil, &Error{Code: CodeBusy, Message: "too many requests are under way", RetryAfter: time.Second}
	}
	if _, twice := s.active[id]; twice || id == "" {
		return nil, nil, NewError(CodeInternal, fmt.Sprintf("the request id %q is empty or in use", id), nil)
	}
	run, end = s.track(ctx, id)
	return run, end, nil
}

// enter moves the state for a call of the life cycle; end must be called when its work is over.
func (s *server) enter(ctx context.Context, id string, to, from state) (run context.Context, end func(), err error) {
	if err := s.move(to, from); err != nil {
		return nil, nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	run, end = s.track(ctx, id)
	return run, end, nil
}

// track makes close cancel the work and wait for it; the lock is held.
func (s *server) track(ctx context.Context, id string) (run context.Context, end func()) {
	if len(s.active) == 0 {
		s.idle = make(chan struct{})
	}
	run, cancel := context.WithCancel(ctx)
	s.active[id] = cancel
	return run, func() {
		cancel()
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.active, id)
		if len(s.active) == 0 {
			close(s.idle)
		}
	}
}

func (s *server) Drain(ctx context.Context, _ *pb.DrainRequest) (*pb.DrainResponse, error) {
	s.mu.Lock()
	if s.state == stateReady {
		s.state = stateDraining
	}
	idle := s.idle
	s.mu.Unlock()
	select {
	case <-idle:
		return &pb.DrainResponse{}, nil
	case <-ctx.Done():
		return nil, toStatus(ctx.Err())
	}
}

func (s *server) Shutdown(ctx context.Context, _ *pb.ShutdownRequest) (*pb.ShutdownResponse, error) {
	return &pb.ShutdownResponse{}, toStatus(s.close(ctx))
}

// close cancels what still runs, waits for it and closes the endpoint, once.
func (s *server) close(ctx context.Context) error {
	s.mu.Lock()
	s.state = stateClosed
	for _, cancel := range s.active {
		cancel()
	}
	idle := s.idle
	s.mu.Unlock()
	select {
	case <-idle:
	case <-ctx.Done():
		return ctx.Err()
	}
	var err error
	s.closing.Do(func() { err = guarded("Close", s.endpoint.Close) })
	return err
}
