package sdktest

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/schema"
)

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
		return x.explain(fmt.Errorf("its Health after %s: %w", after, err))
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
		return x.explain(fmt.Errorf("its Configure with %s = %v: %w", p.Name, value, err))
	}
	if err == nil {
		return nil
	}
	if e := sdk.AsError(err); p.Format == schema.FormatPath && (e.Code != sdk.CodeInvalidInput || e.Param != p.Name) {
		return fmt.Errorf("its Configure with %s = %v, which is not there, answers %s of %q (%w): it must be %s of %q, so that the host can show the line",
			p.Name, value, e.Code, e.Param, err, sdk.CodeInvalidInput, p.Name)
	}
	return x.state(ctx, "failed", "a refused Configure")
}
