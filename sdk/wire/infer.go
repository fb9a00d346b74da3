package wire

import (
	"context"
	"fmt"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/internal/batch"
	"github.com/vision19/vision/sdk/internal/link"
	pb "github.com/vision19/vision/sdk/internal/proto/v1"
)

// Sink takes what a plugin reports about one request. Its functions may be nil and are called one after another. Steps and previews that come
// faster than they are taken are left out.
type Sink struct {
	Accepted func()
	Step     func(done, total int)
	Preview  func(sdk.Image)
}

// Infer sends a request that has been checked against d, and returns its result, checked against d. The request's ID must be unique among
// those under way. When ctx ends, Infer returns at once and tells the plugin to stop. With a batch, which may be nil, it takes one place of it
// and leaves together with the others, if d says that the plugin takes batches.
func (c *Client) Infer(ctx context.Context, d sdk.Description, request sdk.Request, sink Sink, batch *Batch) (sdk.Result, error) {
	w, err := c.begin(ctx, d, request, sink, batch)
	if err != nil {
		return sdk.Result{}, err
	}
	for {
		select {
		case report := <-w.reports:
			if ctx.Err() == nil { // of two that are ready select takes either
				report()
			}
			continue
		case <-w.done:
		case <-ctx.Done():
			w.stream.stop(request.ID)
			return sdk.Result{}, sdk.AsError(ctx.Err())
		}
		break
	}
	for len(w.reports) > 0 && ctx.Err() == nil {
		(<-w.reports)()
	}
	if w.err != nil {
		return sdk.Result{}, w.err
	}
	return w.result, d.CheckResult(request, w.result)
}

// begin sends the request. Whatever comes of it, one place of the batch is settled.
func (c *Client) begin(ctx context.Context, d sdk.Description, request sdk.Request, sink Sink, batch *Batch) (*work, error) {
	message := toRequest(request)
	err := ctx.Err()
	if n := proto.Size(message); err == nil && n > link.PayloadLimit {
		err = sdk.NewError(sdk.CodeInvalidInput, fmt.Sprintf("the request has %d bytes: at most %d go to a plugin at once", n, link.PayloadLimit), nil)
	}
	if err != nil {
		batch.Leave()
		return nil, sdk.AsError(err)
	}
	slot, release := c.slots.lend()
	message.Slot, message.Previews, message.Quiet = slot, sink.Preview != nil, sink.Accepted == nil && sink.Step == nil
	w := &work{
		receiver: receiver{limit: d.Output.ByteLimit(), shared: c.slots.slice(slot)},
		stream:   c.open(), reports: make(chan func(), maxReports), sink: sink, release: release, done: make(chan struct{}),
	}
	if err := w.stream.register(request.ID, w); err != nil {
		release()
		batch.Leave()
		return nil, err
	}
	if batch != nil && d.Capabilities.MaxBatch < 2 {
		batch.Leave()
		batch = nil
	}
	if batch != nil && batch.join(ctx, w, message) {
		return w, nil
	}
	if !w.stream.start(ctx, message) && w.stream.withdraw(request.ID, w) {
		return nil, sdk.AsError(ctx.Err())
	}
	return w, nil
}

// maxReports is how many steps and previews of a request wait for whoever takes them.
const maxReports = 64

// maxWaiting is how many commands wait for the stream before their senders do.
const maxWaiting = 256

// work is one request under way. The stream's reader fills it in and then closes done.
type work struct {
	receiver
	stream  *stream
	sink    Sink
	reports chan func()
	release func() // gives the slot back

	done   chan struct{}
	result sdk.Result
	err    error
}

// finish ends the wait of the caller, once; the plugin may still be at work.
func (w *work) finish(result sdk.Result, err error) {
	select {
	case <-w.done:
	default:
		w.result, w.err = result, err
		close(w.done)
	}
}

// over reports whether the caller's wait has ended.
func (w *work) over() bool {
	select {
	case <-w.done:
		return true
	default:
		return false
	}
}

// stream is the one Infer call of a connection.
type stream struct {
	grpc   grpc.BidiStreamingClient[pb.InferCommands, pb.InferEvents]
	ctx    context.Context
	cancel context.CancelFunc
	out    chan *pb.InferCommand

	mu   sync.Mutex
	work map[string]*work
	err  error // why the stream has ended
}

// open returns the connection's stream, which the first request opens. One that cannot be opened is returned as one that has ended.
func (c *Client) open() *stream {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stream != nil {
		return c.stream
	}
	ctx, cancel := context.WithCancel(context.Background())
	call, err := c.rpc.Infer(ctx)
	if err != nil {
		cancel()
		c.stream = &stream{ctx: ctx, cancel: cancel}
		c.stream.fail(err)
		return c.stream
	}
	s := &stream{grpc: call, ctx: ctx, cancel: cancel, out: make(chan *pb.InferCommand, maxWaiting), work: map[string]*work{}}
	go s.read()
	go func() {
		_ = batch.Run(ctx, s.out, commandSize, func(commands []*pb.InferCommand) error { return call.Send(&pb.InferCommands{Commands: commands}) })
	}()
	c.stream = s
	return s
}

// Broken reports whether the connection that carries the requests is gone, as distinct from a plugin that calls itself unavailable.
func (c *Client) Broken() bool {
	c.mu.Lock()
	s := c.stream
	c.mu.Unlock()
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err != nil
}

func commandSize(c *pb.InferCommand) int { return 16 + proto.Size(c) }

// register makes the work the one that takes the request's events. With an error its slot is the caller's to release.
func (s *stream) register(id string, w *work) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	if _, twice := s.work[id]; twice || id == "" {
		return sdk.NewError(sdk.CodeInternal, fmt.Sprintf("the request id %q is empty or in use", id), nil)
	}
	s.work[id] = w
	return nil
}

// withdraw takes back the work of a request that has not been sent, and reports whether it was still there: fail finishes what it finds.
func (s *stream) withdraw(id string, w *work) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.work[id] != w {
		return false
	}
	delete(s.work, id)
	w.release()
	return true
}

// start sends a request unless ctx ends first. When the stream has ended, nothing is sent, which fail tells the work.
func (s *stream) start(ctx context.Context, r *pb.InferRequest) bool {
	if ctx.Err() != nil {
		return false
	}
	select {
	case s.out <- &pb.InferCommand{Command: &pb.InferCommand_Start{Start: r}}:
		return true
	case <-s.ctx.Done():
		return true
	case <-ctx.Done():
		return false
	}
}

// stop tells the plugin to stop working on a request. A plugin that has left so many commands unread reads nothing any more: its connection ends.
func (s *stream) stop(id string) {
	select {
	case s.out <- &pb.InferCommand{Command: &pb.InferCommand_Cancel{Cancel: id}}:
	default:
		s.cancel()
	}
}

// read gives every event to its request, until the stream ends.
func (s *stream) read() {
	defer s.cancel()
	strays := 0
	for {
		message, err := s.grpc.Recv()
		if err != nil {
			s.fail(err)
			return
		}
		for _, e := range message.GetEvents() {
			s.mu.Lock()
			w := s.work[e.GetId()]
			if e.GetEnd() != nil {
				delete(s.work, e.GetId())
			}
			s.mu.Unlock()
			switch {
			case w != nil && (e.GetEnd() != nil || !w.over()):
				s.take(w, e)
				strays = 0
			case strays >= maxEvents:
				s.fail(broken("more than %d events in a row for nobody", maxEvents))
				return
			default: // of a request whose caller has gone, or has been told that the plugin breaks the protocol
				strays++
			}
		}
	}
}

// take handles one event of a request.
func (s *stream) take(w *work, e *pb.InferEvent) {
	switch x := e.GetEvent().(type) {
	case *pb.InferEvent_End:
		var err error
		if x.End.GetResult() != nil {
			err = w.receiver.begin(x.End.GetResult())
		}
		w.release()
		switch {
		case x.End.GetError() != nil:
			w.finish(sdk.Result{}, fromError(x.End.GetError()))
		case err != nil:
			w.finish(sdk.Result{}, err)
		default:
			w.finish(w.receiver.finish())
		}
	default:
		report, err := w.receiver.take(e, w.sink)
		if err != nil {
			w.finish(sdk.Result{}, err)
			s.stop(e.GetId())
			return
		}
		if report != nil {
			select {
			case w.reports <- report:
			default:
			}
		}
	}
}

// fail ends every request: the connection is gone.
func (s *stream) fail(err error) {
	failure := fromStatus(err)
	if e := sdk.AsError(failure); e.Code != sdk.CodeUnavailable {
		failure = sdk.NewError(sdk.CodeUnavailable, "the connection to the plugin was closed: "+e.Error(), nil)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = failure
	for _, w := range s.work {
		w.release()
		w.finish(sdk.Result{}, failure)
	}
	s.work = nil
}
