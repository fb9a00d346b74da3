package sdktest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/vision19/vision/sdk/internal/link"
	pb "github.com/vision19/vision/sdk/internal/proto/v1"
)

func survivesBrokenMessages(ctx context.Context, s *suite) (string, error) {
	t, err := s.raw(ctx)
	if err != nil {
		return "", err
	}
	if err := t.send(&pb.InferCommand{}); err != nil {
		return "", err
	}
	if err := t.send(); err != nil {
		return "", err
	}
	if err := t.send(&pb.InferCommand{Command: &pb.InferCommand_Batch{Batch: &pb.InferBatch{}}}); err != nil {
		return "", err
	}
	values := t.message(s.pace.cheap)
	values.Values = append(values.Values, &pb.NamedValue{}, &pb.NamedValue{Name: "x"}, &pb.NamedValue{Name: "y", Value: &pb.Value{}},
		&pb.NamedValue{Name: "x", Value: &pb.Value{Kind: &pb.Value_Float{Float: math.NaN()}}})
	inputs := t.message(s.pace.cheap)
	for _, in := range t.d.Inputs {
		inputs.Texts[in.Name], inputs.Images[in.Name] = &pb.Texts{}, &pb.Images{Images: []*pb.Image{{Width: math.MaxUint32, Height: math.MaxUint32}}}
	}
	slot := t.message(s.pace.cheap)
	slot.Slot = &pb.Slot{Offset: math.MaxUint64 - 5, Size: math.MaxUint64}
	for _, m := range []*pb.InferRequest{values, inputs, slot} {
		if _, err := t.ask(ctx, m); err != nil {
			return "", err
		}
	}
	return "", t.good(ctx, "broken messages")
}

func survivesOversizedMessage(ctx context.Context, s *suite) (string, error) {
	t, err := s.raw(ctx)
	if err != nil {
		return "", err
	}
	defer s.discard() // the stream has ended
	m := t.message(s.pace.cheap)
	m.Texts["too_long"] = &pb.Texts{Texts: []string{strings.Repeat("x", link.MessageLimit+1)}}
	_ = t.send(start(m)) // the stream may end while it is sent
	limited, cancel := context.WithTimeout(ctx, s.limit())
	defer cancel()
	for {
		e, err := t.next(limited)
		if limited.Err() != nil {
			return "", errors.New("a message above the limit is neither answered nor ends its stream")
		}
		if err != nil || e.GetEnd() != nil {
			break
		}
	}
	if !t.alive() {
		return "", t.explain(errors.New("a message above the limit"))
	}
	return "", t.state(ctx, "ready", "an oversized message")
}

func lostHost(ctx context.Context, s *suite) (string, error) {
	x, err := s.ready(ctx)
	if err != nil {
		return "", err
	}
	r, err := s.findLong(ctx, x)
	if err != nil {
		return "", err
	}
	t, err := s.raw(ctx)
	if err != nil {
		return "", err
	}
	defer s.discard() // the stream ends
	m := t.message(r)
	if err := t.send(start(m)); err != nil {
		return "", err
	}
	limited, cancel := context.WithTimeout(ctx, s.limit())
	defer cancel()
	for e := (*pb.InferEvent)(nil); e.GetAccepted() == nil; {
		if e, err = t.next(limited); err != nil {
			return "", err
		}
		if e.GetEnd() != nil {
			return "", errOver
		}
	}
	time.Sleep(s.waits.short / 4) // in the midst of a step
	t.close()
	took, err := t.idle(ctx, s.stopLimit())
	if err != nil {
		return "", fmt.Errorf("after its stream broke: %w", err)
	}
	return "idle after " + short(took), nil
}
