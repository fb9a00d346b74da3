package sdk

import (
	"context"
	"sync"

	"google.golang.org/grpc"

	"github.com/vision19/vision/sdk/internal/link"
	pb "github.com/vision19/vision/sdk/internal/proto/v1"
)

// stream is one Infer call's way back to the host; its methods may be called from any goroutine.
type stream struct {
	mu       sync.Mutex
	grpc     grpc.ServerStreamingServer[pb.InferEvent]
	previews bool
	done     int
	over     bool // the result is being sent: a late Step must not follow it
}

func (s *stream) send(e *pb.InferEvent) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return nil
	}
	return s.grpc.Send(e)
}

// Step implements Progress.
func (s *stream) Step(done, total int) {
	s.mu.Lock()
	stale := s.over || done <= s.done || done > total
	if !stale {
		s.done = done
		// A failed send means that the host has gone, which ends the context.
		_ = s.grpc.Send(&pb.InferEvent{Event: &pb.InferEvent_Step{Step: &pb.Step{Done: uint32(done), Total: uint32(total)}}})
	}
	s.mu.Unlock()
}

// WantsPreview implements Progress.
func (s *stream) WantsPreview() bool { return s.previews }

// Preview implements Progress.
func (s *stream) Preview(i Image) {
	if s.previews {
		_ = s.send(&pb.InferEvent{Event: &pb.InferEvent_Preview{Preview: toImage(i)}})
	}
}

func (s *server) Infer(r *pb.InferRequest, out grpc.ServerStreamingServer[pb.InferEvent]) error {
	ctx, end, err := s.begin(out.Context(), r.GetId())
	if err != nil {
		return toStatus(err)
	}
	defer end()
	select {
	case s.permits <- struct{}{}:
		defer func() { <-s.permits }()
	case <-ctx.Done():
		return toStatus(ctx.Err())
	}
	progress := &stream{grpc: out, previews: r.GetPreviews()}
	if err := progress.send(&pb.InferEvent{Event: &pb.InferEvent_Accepted{Accepted: &pb.Accepted{}}}); err != nil {
		return toStatus(err)
	}
	var result Result
	err = guarded("Infer", func() (err error) {
		result, err = s.endpoint.Infer(ctx, fromRequest(r), progress)
		return err
	})
	if ctx.Err() != nil {
		err = context.Cause(ctx) // whatever the endpoint made of it
	}
	if err != nil {
		return toStatus(err)
	}
	return toStatus(s.reply(progress, r.GetSlot(), result))
}

// reply sends the result: its bytes through the slot when they fit there, in chunks otherwise.
func (s *server) reply(p *stream, slot *pb.Slot, result Result) error {
	p.mu.Lock()
	p.over = true
	p.mu.Unlock()
	header := toResult(result)
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
	if err := p.grpc.Send(&pb.InferEvent{Event: &pb.InferEvent_Result{Result: header}}); err != nil || header.InSlot {
		return err
	}
	for _, i := range result.Images {
		for data := i.Data; len(data) > 0; {
			n := min(len(data), link.ChunkSize)
			if err := p.grpc.Send(&pb.InferEvent{Event: &pb.InferEvent_Chunk{Chunk: data[:n]}}); err != nil {
				return err
			}
			data = data[n:]
		}
	}
	return nil
}
