package sdktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
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

func configuredOnce(ctx context.Context, s *suite) (string, error) {
	x, err := s.configured(ctx)
	if err != nil {
		return "", err
	}
	config, err := s.config(x.d)
	if err != nil {
		return "", err
	}
	if _, err := x.client.Configure(ctx, config); err == nil {
		return "", errors.New("a second Configure is accepted")
	}
	return "", x.state(ctx, "configured", "a second Configure")
}

// state checks that the plugin lives and what it says of its state.
func (x *session) state(ctx context.Context, want, after string) error {
	h, err := x.health(ctx)
	if err != nil {
		return x.explain(fmt.Errorf("Health after %s: %w", after, err))
	}
	if h.State != want {
		return fmt.Errorf("the state after %s is %q: it must be %q", after, h.State, want)
	}
	return nil
}

// maxStarts bounds the processes that one case starts to be told something wrong.
const maxStarts = 8

func configureNames(ctx context.Context, s *suite) (string, error) {
	x, err := s.start(ctx)
	if err != nil {
		return "", err
	}
	d, _, err := x.client.Describe(ctx)
	if err != nil {
		return "", s.stage(describing, x.explain(err))
	}
	config, err := s.config(d)
	if err != nil {
		return "", s.stage(configuring, err)
	}
	starts := 0
	for _, p := range d.Config {
		values := []any{filepath.Join(string(filepath.Separator), "no-such-folder", "no-such-file")}
		if p.Format != schema.FormatPath {
			values = outside(p)[:1]
		}
		for _, value := range values {
			if starts++; starts > maxStarts {
				return fmt.Sprintf("the first %d", maxStarts), nil
			}
			if err := s.misconfigure(ctx, config, p, value); err != nil {
				return "", err
			}
		}
	}
	if starts == 0 {
		return "", skip("its configuration has no values")
	}
	return fmt.Sprintf("%d wrong values", starts), nil
}

func (s *suite) misconfigure(ctx context.Context, config sdk.Config, p schema.Parameter, value any) error {
	x, err := s.start(ctx)
	if err != nil {
		return err
	}
	wrong := sdk.Config{Values: schema.Values{p.Name: value}, Device: config.Device}
	for name, v := range config.Values {
		if name != p.Name {
			wrong.Values[name] = v
		}
	}
	ctx, cancel := context.WithTimeout(ctx, configureTime)
	defer cancel()
	_, err = x.client.Configure(ctx, wrong)
	if !x.alive() || ctx.Err() != nil {
		return x.explain(fmt.Errorf("Configure with %s = %v: %w", p.Name, value, err))
	}
	if err == nil {
		return nil
	}
	if e := sdk.AsError(err); p.Format == schema.FormatPath && (e.Code != sdk.CodeInvalidInput || e.Param != p.Name) {
		return fmt.Errorf("Configure with %s = %v, which is not there, answers %s of %q (%w): it must be %s of %q, so that the host can show the line",
			p.Name, value, e.Code, e.Param, err, sdk.CodeInvalidInput, p.Name)
	}
	return x.state(ctx, "failed", "a refused Configure")
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
			return fmt.Errorf("Infer %s is answered", when)
		} else if ctx.Err() != nil {
			return fmt.Errorf("Infer %s is neither answered nor refused", when)
		}
		return nil
	}
	if err := early("before Configure"); err != nil {
		return "", err
	}
	if err := x.client.Load(ctx, func(float64, string) {}); err == nil {
		return "", errors.New("Load before Configure is accepted")
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
			fault = fmt.Errorf("Load reports the fraction %g: from 0 to 1", fraction)
		} else if fraction < last-1e-9 {
			fault = fmt.Errorf("Load reports the fraction %g after %g: it must not fall", fraction, last)
		}
		events, last = events+1, math.Max(last, fraction)
	}
	if err := x.load(ctx, take); err != nil {
		return "", s.stage(loading, x.explain(err))
	}
	return fmt.Sprintf("in %s, %d reports", short(time.Since(began)), events), fault
}

// load loads, and sees what is reported as it was sent where the connection can be had.
func (x *session) load(ctx context.Context, take func(float64)) error {
	conn, err := x.conn()
	if err != nil {
		return x.client.Load(ctx, func(f float64, _ string) { take(f) })
	}
	call, err := pb.NewPluginClient(conn).Load(ctx, &pb.LoadRequest{})
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
	took, idle := x.idle(ctx, loadStopTime)
	if idle != nil {
		return "", fmt.Errorf("after a cancelled Load: %w", idle)
	}
	ending, end := context.WithTimeout(ctx, loadStopTime)
	defer end()
	if err := x.client.Shutdown(ending); err != nil {
		return "", x.explain(fmt.Errorf("Shutdown after a cancelled Load: %w", err))
	}
	if err == nil {
		return "it had loaded before it could be cancelled", nil
	}
	return "idle after " + short(took), nil
}

// loadStopTime is how long a cancelled Load may go on: libraries read a file to its end.
const loadStopTime = 10 * time.Second

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
