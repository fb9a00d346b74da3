package sdktest

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/imaging"
	pb "github.com/vision19/vision/sdk/internal/proto/v1"
)

func eventsInOrder(ctx context.Context, s *suite) (string, error) {
	t, err := s.raw(ctx)
	if err != nil {
		return "", err
	}
	// Two in one message, as a host sends them that has many to ask.
	a, b := t.message(s.pace.usual), t.message(seeded(t.d, s.pace.cheap, 1))
	if err := t.send(start(a), start(b)); err != nil {
		return "", err
	}
	records, err := t.collect(ctx, a.GetId(), b.GetId())
	if err != nil {
		return "", err
	}
	for _, r := range records {
		if err := r.failed(); err != nil {
			return "", err
		}
		if r.accepted != 1 {
			return "", errors.New("accepted does not come: a caller waits for it to know that its request is worked on")
		}
	}
	return "", nil
}

func stepsRise(ctx context.Context, s *suite) (string, error) {
	t, err := s.raw(ctx)
	if err != nil {
		return "", err
	}
	if !t.d.Capabilities.Progress {
		return "", skip("the plugin does not declare that it tells its progress")
	}
	r, err := t.ask(ctx, t.message(s.pace.usual))
	if err != nil {
		return "", err
	}
	if err := r.failed(); err != nil {
		return "", err
	}
	if r.steps == 0 || r.done != r.total {
		return "", fmt.Errorf("%d steps are told, the last %d of %d: progress must end at its total", r.steps, r.done, r.total)
	}
	return fmt.Sprintf("%d steps", r.steps), nil
}

func previewsWhenAsked(ctx context.Context, s *suite) (string, error) {
	t, err := s.raw(ctx)
	if err != nil {
		return "", err
	}
	unasked, err := t.ask(ctx, t.message(s.pace.usual))
	if err != nil {
		return "", err
	}
	if unasked.previews > 0 {
		return "", fmt.Errorf("%d previews come though nobody asked for them", unasked.previews)
	}
	if !t.d.Capabilities.Previews {
		return "", skip("the plugin does not declare previews, and sends none")
	}
	m := t.message(s.pace.usual)
	m.Previews = true
	asked, err := t.ask(ctx, m)
	if err != nil {
		return "", err
	}
	if err := asked.failed(); err != nil {
		return "", err
	}
	if asked.previews == 0 {
		return "", errors.New("no preview comes though one was asked for")
	}
	for _, i := range asked.images {
		raw := int(i.GetWidth())*int(i.GetHeight())*3 == len(i.GetData()) && len(i.GetData()) > 0
		if h, err := imaging.Inspect(i.GetData()); !(i.GetMediaType() == sdk.RawRGB && raw) && (err != nil || h.Width != int(i.GetWidth()) || h.Height != int(i.GetHeight())) {
			return "", fmt.Errorf("a preview of %d x %d px, %s, is no such picture", i.GetWidth(), i.GetHeight(), i.GetMediaType())
		}
	}
	return fmt.Sprintf("%d previews", asked.previews), nil
}

func quietIsQuiet(ctx context.Context, s *suite) (string, error) {
	t, err := s.raw(ctx)
	if err != nil {
		return "", err
	}
	m := t.message(s.pace.usual)
	m.Quiet = true
	r, err := t.ask(ctx, m)
	if err != nil {
		return "", err
	}
	if r.accepted+r.steps > 0 {
		return "", fmt.Errorf("a quiet request gets %d events beside its result: accepted and steps are for those who watch", r.accepted+r.steps)
	}
	return "", r.failed()
}

// good asks for a good answer, as a stream's lives.
func (t *stream) good(ctx context.Context, after string) error {
	r, err := t.ask(ctx, t.message(t.suite.pace.cheap))
	if err == nil {
		err = r.failed()
	}
	if err != nil {
		return fmt.Errorf("after %s a good request is not answered: %w", after, err)
	}
	return nil
}

func cancelNothing(ctx context.Context, s *suite) (string, error) {
	t, err := s.raw(ctx)
	if err != nil {
		return "", err
	}
	m := t.message(s.pace.cheap)
	if _, err := t.ask(ctx, m); err != nil {
		return "", err
	}
	if err := t.send(stop(m.GetId()), stop("no-such-request"), stop("")); err != nil {
		return "", err
	}
	return "", t.good(ctx, "cancels of nothing")
}

// sendTwice sends two requests with one id, and returns how many of them are refused.
func (s *suite) sendTwice(ctx context.Context, t *stream) (refused int, err error) {
	// They leave in one message: the second is admitted or refused while the first is under way.
	m := t.message(s.pace.usual)
	if err := t.send(start(m), start(m)); err != nil {
		return 0, err
	}
	limited, cancel := context.WithTimeout(ctx, 2*s.limit())
	defer cancel()
	for ends := 0; ends < 2; {
		e, err := t.next(limited)
		if err != nil {
			return 0, fmt.Errorf("two requests of one id have %d ends: %w", ends, err)
		}
		if end := e.GetEnd(); end != nil {
			ends++
			if end.GetError() != nil {
				refused++
			}
		}
	}
	return refused, nil
}

func refusesIDTwice(ctx context.Context, s *suite) (string, error) {
	t, err := s.raw(ctx)
	if err != nil {
		return "", err
	}
	empty := t.message(s.pace.cheap)
	empty.Id = ""
	r, err := t.ask(ctx, empty)
	if err != nil {
		return "", fmt.Errorf("with an empty id: %w", err)
	}
	if r.failed() == nil {
		return "", errors.New("a request with an empty id is answered")
	}
	refused := 0
	for tries := 0; refused == 0 && tries < 5; tries++ { // on a busy machine the first may be over before the second is read
		if refused, err = s.sendTwice(ctx, t); err != nil {
			return "", err
		}
	}
	if refused != 1 {
		return "", fmt.Errorf("of two requests with one id %d are refused: one must be, for their events cannot be told apart", refused)
	}
	return "", t.good(ctx, "an id that was used twice")
}

// future is a field that no version of this protocol knows, nested in a message of its own.
func future(m proto.Message) {
	field := protowire.AppendTag(nil, 15_000, protowire.BytesType)
	m.ProtoReflect().SetUnknown(protowire.AppendBytes(field, []byte("from a later version")))
}

func ignoresUnknown(ctx context.Context, s *suite) (string, error) {
	t, err := s.raw(ctx)
	if err != nil {
		return "", err
	}
	m, describe, health := t.message(s.pace.cheap), &pb.DescribeRequest{}, &pb.HealthRequest{}
	for _, message := range []proto.Message{m, describe, health} {
		future(message)
	}
	for _, v := range m.GetValues() {
		future(v)
	}
	command := &pb.InferCommand{}
	future(command)
	if _, err := t.rpc.Describe(ctx, describe); err != nil {
		return "", t.explain(fmt.Errorf("its Describe with an unknown field: %w", err))
	}
	if _, err := t.rpc.Health(ctx, health); err != nil {
		return "", t.explain(fmt.Errorf("its Health with an unknown field: %w", err))
	}
	if err := t.send(command, start(m)); err != nil {
		return "", err
	}
	records, err := t.collect(ctx, m.GetId())
	if err != nil {
		return "", err
	}
	if err := records[m.GetId()].failed(); err != nil {
		return "", fmt.Errorf("a request with unknown fields: %w", err)
	}
	return "", nil
}
