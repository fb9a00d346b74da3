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
// those under way. When ctx ends, Infer returns at once and tells the plugin to stop.
func (c *Client) Infer(ctx context.Context, d sdk.Description, request sdk.Request, sink Sink) (sdk.Result, error) {
	if err := ctx.Err(); err != nil {
		return sdk.Result{}, sdk.AsError(err)
	}
	s, err := c.open()
	if err != nil {
		return sdk.Result{}, err
	}
	slot, release := c.slots.lend()
	w := &work{
		receiver: receiver{limit: d.Output.ByteLimit(), shared: c.slots.slice(slot)},
		reports:  make(chan func(), maxReports), sink: sink, release: release, done: make(chan struct{}),
	}
	message := toRequest(request)
	if n := proto.Size(message); n > link.PayloadLimit {
		release()
		return sdk.Result{}, sdk.NewError(sdk.CodeInvalidInput, fmt.Sprintf("the request has %d bytes: at most %d go to a plugin at once", n, link.PayloadLimit), nil)
	}
	message.Slot, message.Previews, message.Quiet = slot, sink.Preview != nil, sink.Accepted == nil && sink.Step == nil
	if err := s.start(request.ID, w, message); err != nil {
		release()
		return sdk.Result{}, err
	}
	for {
		select {
		case report := <-w.reports:
			report()
			continue
		case <-w.done:
		case <-ctx.Done():
			s.send(&pb.InferCommand{Command: &pb.InferCommand_Cancel{Cancel: request.ID}})
			return sdk.Result{}, sdk.AsError(ctx.Err())
		}
		break
	}
	for len(w.reports) > 0 {
		(<-w.reports)()
	}
	if w.err != nil {
		return sdk.Result{}, w.err
	}
	return w.result, d.CheckResult(request, w.result)
}

// maxReports is how many steps and previews of a request wait for whoever takes them.
const maxReports = 64

// maxWaiting is how many commands wait for the stream before their senders do.
const maxWaiting = 256

// work is one request under way. The stream's reader fills it in and then closes done.
type work struct {
	receiver
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

// open returns the connection's stream, which the first request opens.
func (c *Client) open() (*stream, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stream != nil {
		return c.stream, nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	call, err := c.rpc.Infer(ctx)
	if err != nil {
		cancel()
		return nil, fromStatus(err)
	}
	s := &stream{grpc: call, ctx: ctx, cancel: cancel, out: make(chan *pb.InferCommand, maxWaiting), work: map[string]*work{}}
	go s.read()
	go func() {
		_ = batch.Run(ctx, s.out, commandSize, func(commands []*pb.InferCommand) error { return call.Send(&pb.InferCommands{Commands: commands}) })
	}()
	c.stream = s
	return s, nil
}

func commandSize(c *pb.InferCommand) int {
	n := 256
	for _, images := range c.GetStart().GetImages() {
		for _, i := range images.GetImages() {
			n += len(i.GetData())
		}
	}
	for _, texts := range c.GetStart().GetTexts() {
		for _, text := range texts.GetTexts() {
			n += len(text)
		}
	}
	return n
}

// start registers the work and sends its request.
func (s *stream) start(id string, w *work, r *pb.InferRequest) error {
	s.mu.Lock()
	_, twice := s.work[id]
	err := s.err
	if err == nil && !twice {
		s.work[id] = w
	}
	s.mu.Unlock()
	if err != nil {
		return err
	}
	if twice || id == "" {
		return sdk.NewError(sdk.CodeInternal, fmt.Sprintf("the request id %q is empty or in use", id), nil)
	}
	s.send(&pb.InferCommand{Command: &pb.InferCommand_Start{Start: r}})
	return nil
}

// send waits for room; a stream that has ended takes nothing, and fail has told the waiting.
func (s *stream) send(c *pb.InferCommand) {
	select {
	case s.out <- c:
	case <-s.ctx.Done():
	}
}

// read gives every event to its request, until the stream ends.
func (s *stream) read() {
	defer s.cancel()
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
			if w != nil { // a plugin may answer nobody
				s.take(w, e)
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
			go s.send(&pb.InferCommand{Command: &pb.InferCommand_Cancel{Cancel: e.GetId()}}) // the reader must not wait for a plugin that reads nothing
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
