package sdk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
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
			// Admitted here, in the order of the commands: a cancel that follows must find them.
			case *pb.InferCommand_Start:
				p := s.admit(ctx, x.Start, out)
				running.Go(func() { s.serve(p) })
			case *pb.InferCommand_Batch:
				var together []*pending
				for _, r := range x.Batch.GetRequests() {
					together = append(together, s.admit(ctx, r, out))
				}
				for part := range slices.Chunk(together, s.batchSize()) {
					running.Go(func() { s.serveBatch(ctx, part) })
				}
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

// pending is one request on its way to its answer.
type pending struct {
	request  *pb.InferRequest
	refused  error           // why it has not been admitted; run and over are nil then
	run      context.Context // ends when it is cancelled
	over     func()          // its work has ended
	progress *progress
	ended    sync.Once
}

func (s *server) admit(ctx context.Context, r *pb.InferRequest, out chan<- *pb.InferEvent) *pending {
	run, over, err := s.begin(ctx, r.GetId())
	return &pending{
		request: r, refused: err, run: run, over: over,
		progress: &progress{ctx: ctx, id: r.GetId(), out: out, previews: r.GetPreviews(), quiet: r.GetQuiet()},
	}
}

// end sends the last event, once.
func (p *pending) end(result *pb.Result, err error) {
	p.ended.Do(func() {
		p.progress.close()
		if p.over != nil {
			p.over()
		}
		end := &pb.End{Result: result}
		if err != nil {
			end = &pb.End{Error: toError(AsError(err))}
		}
		p.progress.send(&pb.InferEvent{Event: &pb.InferEvent_End{End: end}})
	})
}

// serve answers one request.
func (s *server) serve(p *pending) {
	if p.refused != nil {
		p.end(nil, p.refused)
		return
	}
	p.end(s.answer(p))
}

// answer runs the endpoint within the request's context and permits. It returns a result that needs no chunks, and sends another with them.
func (s *server) answer(p *pending) (*pb.Result, error) {
	select {
	case s.permits <- struct{}{}:
		defer func() { <-s.permits }()
	case <-p.run.Done():
		return nil, p.run.Err()
	}
	p.progress.accepted()
	outcome := s.infer(Call{Context: p.run, Request: fromRequest(p.request), Progress: p.progress})
	if p.run.Err() != nil {
		return nil, p.run.Err() // whatever the endpoint made of it
	}
	return s.reply(p, outcome)
}

// infer has the endpoint answer one request.
func (s *server) infer(c Call) Outcome {
	var out Outcome
	out.Err = guarded("Infer", func() (err error) {
		out.Result, err = s.endpoint.Infer(c.Context, c.Request, c.Progress)
		return err
	})
	return out
}

// reply puts the result's bytes into the slot when they fit there, and sends it with chunks otherwise.
func (s *server) reply(p *pending, outcome Outcome) (*pb.Result, error) {
	if outcome.Err != nil {
		return nil, outcome.Err
	}
	result, slot := outcome.Result, p.request.GetSlot()
	p.progress.close()
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
	p.progress.send(&pb.InferEvent{Event: &pb.InferEvent_Result{Result: header}})
	for _, i := range result.Images {
		for data := i.Data; len(data) > 0; {
			n := min(len(data), link.ChunkSize)
			p.progress.send(&pb.InferEvent{Event: &pb.InferEvent_Chunk{Chunk: data[:n]}})
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

// accepted reports that the work begins.
func (p *progress) accepted() {
	if !p.quiet {
		p.send(&pb.InferEvent{Event: &pb.InferEvent_Accepted{Accepted: &pb.Accepted{}}})
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
