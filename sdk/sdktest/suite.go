package sdktest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/vision19/vision/sdk"
)

// suite is one run: its target and what the cases share. A loaded process is shared while nothing is wrong with it, and at most one is loaded at
// a time, unless a case is about two: a model may fill the device.
type suite struct {
	target  Target
	o       Options
	shared  *session // loaded; nil without one
	stream  *stream  // the shared session's, when it is spoken to without a client
	fresh   []Process
	pace    *pace
	failure map[string]bool // stages that have failed: told once
	ids     atomic.Int64
	waits   waits
}

// waits are times of which a test of this suite takes others.
type waits struct {
	long, short time.Duration // a request that runs as long can be disturbed; what does not reach short is over too soon
	stop        time.Duration // that work may go on after its end, at least; three of its steps, where those are longer
	loadStop    time.Duration // that a cancelled Load may go on: libraries read a file to its end
}

func newSuite(target Target, o Options) *suite {
	return &suite{
		target: target, o: o, failure: map[string]bool{},
		waits: waits{long: time.Second, short: 200 * time.Millisecond, stop: 2 * time.Second, loadStop: 10 * time.Second},
	}
}

// The stages of a life, each of which needs the ones before.
const (
	starting    = "start"
	describing  = "describe itself"
	configuring = "configure"
	loading     = "load"
	answering   = "answer"
)

// stage tells the first failure of a stage as such, and skips what else needs it.
func (s *suite) stage(name string, err error) error {
	if err == nil {
		return nil
	}
	if s.failure[name] {
		return skip("the plugin does not %s, which another case tells", name)
	}
	s.failure[name] = true
	return fmt.Errorf("the plugin does not %s: %w", name, err)
}

// start starts a process that ends with the case.
func (s *suite) start(ctx context.Context) (*session, error) {
	if s.failure[starting] {
		return nil, s.stage(starting, errors.New(""))
	}
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	p, err := s.target.Start(ctx)
	if err != nil {
		return nil, s.stage(starting, err)
	}
	s.fresh = append(s.fresh, p)
	return &session{suite: s, process: p, client: p.Client()}, nil
}

// configured starts a process, asks for its description and configures it.
func (s *suite) configured(ctx context.Context) (*session, error) {
	x, err := s.start(ctx)
	if err != nil {
		return nil, err
	}
	asked, cancel := context.WithTimeout(ctx, configureTime)
	defer cancel()
	d, _, err := x.client.Describe(asked)
	if err != nil {
		return nil, s.stage(describing, x.explain(err))
	}
	config, err := s.config(d)
	if err == nil {
		x.d, err = x.client.Configure(asked, config)
	}
	return x, s.stage(configuring, x.explain(err))
}

// configureTime is what the host gives a plugin to look at its files.
const configureTime = 30 * time.Second

// config is the configuration that the options give.
func (s *suite) config(d sdk.Description) (sdk.Config, error) {
	values, faults := d.Config.Validate(s.o.Config)
	if err := sdk.InvalidInputs(faults); err != nil {
		return sdk.Config{}, fmt.Errorf("its configuration is wrong before it sees it: %w", err)
	}
	return sdk.Config{Values: values, Device: s.o.device(d)}, nil
}

// loaded starts a process and loads its model.
func (s *suite) loaded(ctx context.Context) (*session, error) {
	if s.failure[loading] {
		return nil, s.stage(loading, errors.New(""))
	}
	x, err := s.configured(ctx)
	if err != nil {
		return nil, err
	}
	err = x.client.Load(ctx, func(float64, string) {})
	return x, s.stage(loading, x.explain(err))
}

// ready returns the shared session, which it makes when there is none that lives.
func (s *suite) ready(ctx context.Context) (*session, error) {
	if s.failure[answering] {
		return nil, s.stage(answering, errors.New(""))
	}
	if s.shared != nil && s.stream == nil && s.shared.alive() {
		return s.shared, nil
	}
	s.discard()
	x, err := s.loaded(ctx)
	if err != nil {
		return nil, err
	}
	s.keep(x)
	if s.pace == nil {
		s.pace, err = measure(ctx, x)
	}
	return x, s.stage(answering, x.explain(err))
}

// raw returns the stream of a shared session that no client uses.
func (s *suite) raw(ctx context.Context) (*stream, error) {
	if s.pace == nil {
		if _, err := s.ready(ctx); err != nil {
			return nil, err
		}
	}
	if s.stream != nil && s.shared.alive() {
		return s.stream, nil
	}
	s.discard()
	x, err := s.loaded(ctx)
	if err != nil {
		return nil, err
	}
	s.keep(x)
	s.stream, err = openStream(x)
	return s.stream, err
}

// keep makes a session outlast its case.
func (s *suite) keep(x *session) {
	s.shared = x
	s.fresh = slices.DeleteFunc(s.fresh, func(p Process) bool { return p == x.process })
}

// discard ends the shared session.
func (s *suite) discard() {
	if s.stream != nil {
		s.stream.close()
		s.stream = nil
	}
	if s.shared != nil {
		s.shared.process.Kill()
		s.shared = nil
	}
}

// endFresh ends what a case has started for itself.
func (s *suite) endFresh() {
	for _, p := range s.fresh {
		p.Kill()
	}
	s.fresh = nil
}

func (s *suite) close() {
	s.endFresh()
	s.discard()
}

// id is a request's: unique in the run.
func (s *suite) id() string { return "test-" + strconv.FormatInt(s.ids.Add(1), 10) }
