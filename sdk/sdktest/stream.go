package sdktest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/internal/convert"
	pb "github.com/vision19/vision/sdk/internal/proto/v1"
)

// stream is the Infer call of a session that package wire does not use: every event is seen as it comes, and what a correct host never says
// can be said. A connection has one such call in its life, so a session has a client or a stream.
type stream struct {
	*session
	rpc    pb.PluginClient
	call   grpc.BidiStreamingClient[pb.InferCommands, pb.InferEvents]
	cancel context.CancelFunc
	events chan *pb.InferEvent
	err    error // why events has been closed
}

func openStream(x *session) (*stream, error) {
	ctx, cancel := context.WithCancel(context.Background())
	t := &stream{session: x, rpc: pb.NewPluginClient(x.client.Conn()), cancel: cancel, events: make(chan *pb.InferEvent, 1024)}
	var err error
	if t.call, err = t.rpc.Infer(ctx, grpc.MaxCallSendMsgSize(1<<30)); err != nil { // the plugin's own bound is what counts
		cancel()
		return nil, fmt.Errorf("open the Infer stream: %w", err)
	}
	go func() {
		defer close(t.events)
		for {
			message, err := t.call.Recv()
			if err != nil {
				t.err = err
				return
			}
			for _, e := range message.GetEvents() {
				select {
				case t.events <- e:
				case <-ctx.Done():
					t.err = ctx.Err()
					return
				}
			}
		}
	}()
	return t, nil
}

func (t *stream) close() { t.cancel() }

// next waits for an event.
func (t *stream) next(ctx context.Context) (*pb.InferEvent, error) {
	select {
	case e, ok := <-t.events:
		if !ok {
			return nil, t.explain(fmt.Errorf("the stream has ended: %w", t.err))
		}
		return e, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("no event: %w", ctx.Err())
	}
}

// send sends commands as one message.
func (t *stream) send(commands ...*pb.InferCommand) error {
	if err := t.call.Send(&pb.InferCommands{Commands: commands}); err != nil {
		return t.explain(fmt.Errorf("send to the plugin: %w", err))
	}
	return nil
}

// message is a request as it travels.
func (t *stream) message(r sdk.Request) *pb.InferRequest {
	out := &pb.InferRequest{Id: t.suite.id(), Values: convert.ToValues(r.Values), Texts: map[string]*pb.Texts{}, Images: map[string]*pb.Images{}}
	for name, texts := range r.Texts {
		out.Texts[name] = &pb.Texts{Texts: texts}
	}
	for name, images := range r.Images {
		list := &pb.Images{}
		for _, i := range images {
			list.Images = append(list.Images, &pb.Image{MediaType: i.MediaType, Width: uint32(i.Width), Height: uint32(i.Height), Data: i.Data})
		}
		out.Images[name] = list
	}
	return out
}

func start(r *pb.InferRequest) *pb.InferCommand {
	return &pb.InferCommand{Command: &pb.InferCommand_Start{Start: r}}
}

func stop(id string) *pb.InferCommand {
	return &pb.InferCommand{Command: &pb.InferCommand_Cancel{Cancel: id}}
}

// record is all that was heard of one request.
type record struct {
	accepted, steps, previews int
	done, total               uint32 // of the last step
	images                    []*pb.Image
	result                    *pb.Result
	bytes                     uint64
	end                       *pb.End
}

// take adds an event, and tells where it breaks the order: accepted, then steps and previews, then one result and its chunks, then end.
func (r *record) take(e *pb.InferEvent) error {
	if r.end != nil {
		return errors.New("an event follows the end of its request")
	}
	switch x := e.GetEvent().(type) {
	case *pb.InferEvent_Accepted:
		if r.accepted++; r.accepted > 1 || r.steps+r.previews > 0 || r.result != nil {
			return errors.New("accepted is not the first event, or comes twice")
		}
	case *pb.InferEvent_Step:
		done, total := x.Step.GetDone(), x.Step.GetTotal()
		switch {
		case r.result != nil:
			return errors.New("a step follows the result")
		case done <= r.done || done > total:
			return fmt.Errorf("step %d of %d follows step %d of %d: it must rise, up to its total", done, total, r.done, r.total)
		}
		r.steps, r.done, r.total = r.steps+1, done, total
	case *pb.InferEvent_Preview:
		if r.result != nil {
			return errors.New("a preview follows the result")
		}
		r.previews, r.images = r.previews+1, append(r.images, x.Preview)
	case *pb.InferEvent_Result:
		return r.begin(x.Result)
	case *pb.InferEvent_Chunk:
		if r.result == nil {
			return errors.New("a chunk comes before its result")
		}
		r.bytes += uint64(len(x.Chunk))
	case *pb.InferEvent_End:
		r.end = x.End
		return r.finish()
	default:
		return errors.New("an event is empty")
	}
	return nil
}

func (r *record) begin(result *pb.Result) error {
	if r.result != nil {
		return errors.New("a request has two results")
	}
	r.result = result
	return nil
}

func (r *record) finish() error {
	if r.end.GetResult() != nil {
		if err := r.begin(r.end.GetResult()); err != nil {
			return err
		}
	}
	switch {
	case r.end.GetError() != nil && r.result != nil:
		return errors.New("a request has both a result and an error")
	case r.end.GetError() == nil && r.result == nil:
		return errors.New("a request has neither a result nor an error")
	case r.result.GetInSlot():
		return errors.New("a result is said to be in a slot that nobody lent")
	}
	announced := uint64(0)
	for _, i := range r.result.GetImages() {
		announced += i.GetSize()
	}
	if announced != r.bytes {
		return fmt.Errorf("the result announces %d bytes, the chunks have %d", announced, r.bytes)
	}
	return nil
}

// failed is the error of a request that ended with one.
func (r *record) failed() error {
	if e := r.end.GetError(); e != nil {
		return sdk.NewError(sdk.Code(e.GetCode()), e.GetMessage(), nil)
	}
	return nil
}

// collect waits until all the named requests have ended, and checks the order of what is heard of each.
func (t *stream) collect(ctx context.Context, ids ...string) (map[string]*record, error) {
	ctx, cancel := context.WithTimeout(ctx, t.suite.limit()*time.Duration(len(ids)))
	defer cancel()
	records := map[string]*record{}
	for _, id := range ids {
		records[id] = &record{}
	}
	for open := len(ids); open > 0; {
		e, err := t.next(ctx)
		if err != nil {
			return nil, fmt.Errorf("%d of %d requests have no end: %w", open, len(ids), err)
		}
		r, known := records[e.GetId()]
		if !known {
			return nil, fmt.Errorf("an event is for the request %q, which is over or was never made", e.GetId())
		}
		if err := r.take(e); err != nil {
			return nil, err
		}
		if e.GetEnd() != nil {
			open--
		}
	}
	return records, nil
}

// ask sends one request and collects what is heard of it.
func (t *stream) ask(ctx context.Context, r *pb.InferRequest) (*record, error) {
	if err := t.send(start(r)); err != nil {
		return nil, err
	}
	records, err := t.collect(ctx, r.GetId())
	return records[r.GetId()], err
}

// ended makes nil of the end of a server's stream, and the plugin's own words of an error.
func ended(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return errors.New(status.Convert(err).Message())
}
