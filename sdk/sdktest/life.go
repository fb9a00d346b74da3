package sdktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/vision19/vision/sdk"
	pb "github.com/vision19/vision/sdk/internal/proto/v1"
	"github.com/vision19/vision/sdk/schema"
	"github.com/vision19/vision/sdk/wire"
)

func describesAtOnce(ctx context.Context, s *suite) (string, error) {
	x, err := s.start(ctx)
	if err != nil {
		return "", err
	}
	return quick("Describe", func() error {
		_, _, err := x.client.Describe(ctx)
		if errors.Is(err, sdk.ErrInvalidInput) {
			return nil // an answer; what is wrong with it has a case of its own
		}
		return x.explain(err)
	})
}

func descriptionIsSound(ctx context.Context, s *suite) (string, error) {
	x, err := s.start(ctx)
	if err != nil {
		return "", err
	}
	d, version, err := x.client.Describe(ctx)
	if err != nil {
		return "", s.stage(describing, x.explain(err))
	}
	var faults schema.Faults
	missing := func(name, doc string) {
		if doc == "" {
			faults = append(faults, schema.Fault{Param: name, Message: "has no Doc: one sentence that a person reads in forms and documents"})
		}
	}
	missing("the endpoint", d.Doc)
	if d.Title == "" {
		faults = append(faults, schema.Fault{Param: "the endpoint", Message: "has no Title"})
	}
	for _, in := range d.Inputs {
		missing("the input "+in.Name, in.Doc)
	}
	for _, p := range append(d.Parameters[:len(d.Parameters):len(d.Parameters)], d.Config...) {
		missing("the parameter "+p.Name, p.Doc)
	}
	if len(faults) > 0 {
		return "", faults
	}
	return fmt.Sprintf("%s %s, SDK %s", d.Endpoint, d.Version, version), nil
}

// same compares two descriptions as they travel.
func same(what string, a, b sdk.Description) error {
	x, err := a.MarshalBinary()
	if err != nil {
		return err
	}
	y, err := b.MarshalBinary()
	if err != nil {
		return err
	}
	if !bytes.Equal(x, y) {
		return fmt.Errorf("the description differs %s: it must be constant", what)
	}
	return nil
}

func descriptionStays(ctx context.Context, s *suite) (string, error) {
	x, err := s.start(ctx)
	if err != nil {
		return "", err
	}
	first, _, err := x.client.Describe(ctx)
	if err != nil {
		return "", s.stage(describing, x.explain(err))
	}
	again, _, err := x.client.Describe(ctx)
	if err = errors.Join(err, same("when it is asked again", first, again)); err != nil {
		return "", err
	}
	y, err := s.configured(ctx)
	if err != nil {
		return "", err
	}
	if y.d.Endpoint != first.Endpoint {
		return "", fmt.Errorf("the endpoint is %q before Configure and %q after", first.Endpoint, y.d.Endpoint)
	}
	if err := same("in its Config schema after Configure", sdk.Description{Config: first.Config}, sdk.Description{Config: y.d.Config}); err != nil {
		return "", err
	}
	now, _, err := y.client.Describe(ctx)
	if err = errors.Join(err, same("after Configure from what Configure answered", y.d, now)); err != nil {
		return "", err
	}
	if err := s.stage(loading, y.client.Load(ctx, func(float64, string) {})); err != nil {
		return "", err
	}
	now, _, err = y.client.Describe(ctx)
	return "", errors.Join(err, same("after Load from what Configure answered", y.d, now))
}

func refusesOutOfOrder(ctx context.Context, s *suite) (string, error) {
	x, err := s.start(ctx)
	if err != nil {
		return "", err
	}
	d, _, err := x.client.Describe(ctx)
	if err != nil {
		return "", s.stage(describing, x.explain(err))
	}
	x.d = d
	early := func(when string) error {
		ctx, cancel := context.WithTimeout(ctx, startTime)
		defer cancel()
		if _, err := x.infer(ctx, generator{d}.plain(smallSide).request, wire.Sink{}); err == nil {
			return fmt.Errorf("its Infer %s is answered", when)
		} else if ctx.Err() != nil {
			return fmt.Errorf("its Infer %s is neither answered nor refused", when)
		}
		return nil
	}
	if err := early("before Configure"); err != nil {
		return "", err
	}
	if err := x.client.Load(ctx, func(float64, string) {}); err == nil {
		return "", errors.New("its Load before Configure is accepted")
	}
	if err := x.state(ctx, "created", "refused calls"); err != nil {
		return "", err
	}
	y, err := s.configured(ctx)
	if err != nil {
		return "", err
	}
	x = y
	if err := early("before Load"); err != nil {
		return "", err
	}
	return "", x.state(ctx, "configured", "a refused Infer")
}

func healthTellsState(ctx context.Context, s *suite) (string, error) {
	x, err := s.start(ctx)
	if err != nil {
		return "", err
	}
	if err := x.state(ctx, "created", "its start"); err != nil {
		return "", err
	}
	if x, err = s.configured(ctx); err != nil {
		return "", err
	}
	if err := x.state(ctx, "configured", "Configure"); err != nil {
		return "", err
	}
	if err := s.stage(loading, x.client.Load(ctx, func(float64, string) {})); err != nil {
		return "", err
	}
	return "", x.state(ctx, "ready", "Load")
}

func loads(ctx context.Context, s *suite) (string, error) {
	x, err := s.configured(ctx)
	if err != nil {
		return "", err
	}
	events, last, fault := 0, 0.0, error(nil)
	began := time.Now()
	take := func(fraction float64) {
		if !(fraction >= 0 && fraction <= 1) { // NaN too
			fault = fmt.Errorf("its Load reports the fraction %g: from 0 to 1", fraction)
		} else if fraction < last-1e-9 {
			fault = fmt.Errorf("its Load reports the fraction %g after %g: it must not fall", fraction, last)
		}
		events, last = events+1, math.Max(last, fraction)
	}
	if err := x.load(ctx, take); err != nil {
		return "", s.stage(loading, x.explain(err))
	}
	return fmt.Sprintf("in %s, %d reports", short(time.Since(began)), events), fault
}

// load loads, and sees what is reported as it was sent: a client keeps fractions within their bounds.
func (x *session) load(ctx context.Context, take func(float64)) error {
	call, err := pb.NewPluginClient(x.client.Conn()).Load(ctx, &pb.LoadRequest{})
	for err == nil {
		var e *pb.LoadEvent
		if e, err = call.Recv(); err == nil {
			take(e.GetFraction())
		}
	}
	return ended(err)
}

func cancelledLoadEnds(ctx context.Context, s *suite) (string, error) {
	x, err := s.configured(ctx)
	if err != nil {
		return "", err
	}
	gone, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	err = x.client.Load(gone, func(float64, string) { cancel() })
	took, idle := x.idle(ctx, s.waits.loadStop)
	if idle != nil {
		return "", fmt.Errorf("after a cancelled Load: %w", idle)
	}
	ending, end := context.WithTimeout(ctx, s.waits.loadStop)
	defer end()
	if err := x.client.Shutdown(ending); err != nil {
		return "", x.explain(fmt.Errorf("its Shutdown after a cancelled Load: %w", err))
	}
	if err == nil {
		return "it had loaded before it could be cancelled", nil
	}
	return "idle after " + short(took), nil
}

func loadedOnce(ctx context.Context, s *suite) (string, error) {
	x, err := s.ready(ctx)
	if err != nil {
		return "", err
	}
	again, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	if err := x.client.Load(again, func(float64, string) {}); err == nil {
		return "", errors.New("a second Load is accepted")
	} else if again.Err() != nil {
		return "", errors.New("a second Load is neither refused nor done")
	}
	return "", x.lives(ctx, "a second Load")
}
