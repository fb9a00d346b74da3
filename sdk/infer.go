package sdk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/vision19/vision/sdk/internal/batch"
	"github.com/vision19/vision/sdk/internal/link"
	pb "github.com/vision19/vision/sdk/internal/proto/v1"
)

// maxActive bounds the requests that a host may have under way at once, waiting ones among them.
const maxActive = 4096

// outbox is how many events wait for the stream before their senders do.
const outbox = 256

func eventSize(e *pb.InferEvent) int { return 16 + proto.Size(e) }

// Infer serves one host: it starts and cancels requests as told and sends their events.
func (s *server) Infer(stream grpc.BidiStreamingServer[pb.InferCommands, pb.InferEvents]) error {
	ctx, cancel := context.WithCancel(stream.Context())
	out := make(chan *pb.InferEvent, outbox)
	var running, sender sync.WaitGroup
	sender.Go(func() {
		defer cancel() // a stream that takes nothing any more ends the requests
		_ = batch.Run(ctx, out, eventSize, func(events []*pb.InferEvent) error { return stream.Send(&pb.InferEvents{Events: events}) })
	})
	defer sender.Wait() // gRPC forbids a send after the return
	defer cancel()
	defer running.Wait()
	for {
		commands, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			cancel()
			return err
		}
		for _, c := range commands.GetCommands() {
			switch x := c.GetCommand().(type) {
			case *pb.InferCommand_Start:
				// Admitted here, in the order of the commands: a cancel that follows must find it.
				run, end, err := s.begin(ctx, x.Start.GetId())
				running.Go(func() { s.serve(ctx, run, end, err, x.Start, out) })
			case *pb.InferCommand_Cancel:
				s.cancel(x.Cancel)
			}
		}
	}
}

func (s *server) cancel(id string) {
	s.mu.Lock()
	cancel := s.active[id]
	s.mu.Unlock()
	if cancel != nil {
		cancel()
	}
}

// serve answers one request.
func (s *server) serve(ctx, run context.Context, over func(), err error, r *pb.InferRequest, out chan<- *pb.InferEvent) {
	p := &progress{ctx: ctx, id: r.GetId(), out: out, previews: r.GetPreviews(), quiet: r.GetQuiet()}
	end := &pb.End{}
	if err == nil {
		end.Result, err = s.answer(run, over, r, p)
	}
	if err != nil {
		end.Error = toError(AsError(err))
	}
	p.send(&pb.InferEvent{Event: &pb.InferEvent_End{End: end}})
}

// answer runs the endpoint within the request's context and permits. It returns a result that needs no chunks, and sends another with them.
func (s *server) answer(ctx context.Context, over func(), r *pb.InferRequest, p *progress) (*pb.Result, error) {
	defer over()
	select {
	case s.permits <- struct{}{}:
		defer func() { <-s.permits }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if !p.quiet {
		p.send(&pb.InferEvent{Event: &pb.InferEvent_Accepted{Accepted: &pb.Accepted{}}})
	}
	var result Result
	err := guarded("Infer", func() (err error) {
		result, err = s.endpoint.Infer(ctx, fromRequest(r), p)
		return err
	})
	if ctx.Err() != nil {
		return nil, ctx.Err() // whatever the endpoint made of it
	}
	if err != nil {
		return nil, err
	}
	return s.reply(p, r.GetSlot(), result)
}

// reply puts the result's bytes into the slot when they fit there, and sends it with chunks otherwise.
func (s *server) reply(p *progress, slot *pb.Slot, result Result) (*pb.Result, error) {
	p.close()
	header := toResult(result)
	if n := proto.Size(header); n > link.PayloadLimit {
		return nil, NewError(CodeInternal, fmt.Sprintf("the result has %d bytes beside its images: at most %d", n, link.PayloadLimit), nil)
	}
	total := 0
	for _, i := range result.Images {
		total += len(i.Data)
	}
	shared := s.region.Slice(slot.GetOffset(), slot.GetSize())
	header.InSlot = total > 0 && total <= len(shared)
	if header.InSlot {
		for _, i := range result.Images {
			shared = shared[copy(shared, i.Data):]
		}
	}
	if header.InSlot || total == 0 {
		return header, nil
	}
	p.send(&pb.InferEvent{Event: &pb.InferEvent_Result{Result: header}})
	for _, i := range result.Images {
		for data := i.Data; len(data) > 0; {
			n := min(len(data), link.ChunkSize)
			p.send(&pb.InferEvent{Event: &pb.InferEvent_Chunk{Chunk: data[:n]}})
			data = data[n:]
		}
	}
	return nil, nil
}

// progress is one request's way back to the host; its methods may be called from any goroutine.
type progress struct {
	ctx      context.Context // of the stream
	id       string
	out      chan<- *pb.InferEvent
	previews bool
	quiet    bool // nobody watches

	mu   sync.Mutex
	done int
	over bool // the result is being sent: a late Step must not follow it
}

// send waits for room; a stream that has ended takes nothing.
func (p *progress) send(e *pb.InferEvent) {
	e.Id = p.id
	select {
	case p.out <- e:
	case <-p.ctx.Done():
	}
}

func (p *progress) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
}

// Step implements Progress.
func (p *progress) Step(done, total int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.quiet || p.over || done <= p.done || done > total {
		return
	}
	p.done = done
	p.send(&pb.InferEvent{Event: &pb.InferEvent_Step{Step: &pb.Step{Done: uint32(done), Total: uint32(total)}}})
}

// WantsPreview implements Progress.
func (p *progress) WantsPreview() bool { return p.previews }

// Preview implements Progress.
func (p *progress) Preview(i Image) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.previews && !p.over && len(i.Data) < link.PayloadLimit {
		p.send(&pb.InferEvent{Event: &pb.InferEvent_Preview{Preview: toImage(i)}})
	}
}
