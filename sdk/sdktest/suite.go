package sdktest

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/wire"
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
}

func newSuite(target Target, o Options) *suite {
	return &suite{target: target, o: o, failure: map[string]bool{}}
}

// session is one process that is spoken to.
type session struct {
	suite   *suite
	process Process
	client  *wire.Client
	d       sdk.Description
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
	conn, err := x.conn()
	if err != nil {
		return nil, err
	}
	s.keep(x)
	s.stream, err = openStream(x, conn)
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

func (x *session) alive() bool {
	select {
	case <-x.process.Done():
		return false
	default:
		return true
	}
}

// conn is the connection below the client, where the process gives it.
func (x *session) conn() (grpc.ClientConnInterface, error) {
	c, ok := x.process.(connected)
	if !ok || c.Conn() == nil {
		return nil, skip("this target gives no access to the connection itself")
	}
	return c.Conn(), nil
}

// explain adds to an error that the process has ended, and what it printed last.
func (x *session) explain(err error) error {
	if err == nil || x.alive() {
		return err
	}
	how := ""
	if e, ok := x.process.(exiting); ok {
		how = " (" + e.Exit() + ")"
	}
	return fmt.Errorf("%w; the process has ended%s%s", err, how, printed(x.process))
}

// infer sends a checked request under a new id.
func (x *session) infer(ctx context.Context, r sdk.Request, sink wire.Sink) (sdk.Result, error) {
	r.ID = x.suite.id()
	return x.client.Infer(ctx, x.d, r, sink, nil)
}

// answer sends a checked request and waits as long as may be expected.
func (x *session) answer(ctx context.Context, r sdk.Request) (sdk.Result, error) {
	limit := x.suite.limit()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	result, err := x.infer(ctx, r, wire.Sink{})
	if ctx.Err() != nil {
		return result, x.explain(fmt.Errorf("no answer within %s", limit.Round(time.Second)))
	}
	return result, x.explain(err)
}

// firstLimit bounds the first answer, of which nothing is known.
const firstLimit = 10 * time.Minute

// limit bounds an answer by what the others took.
func (s *suite) limit() time.Duration {
	if s.pace == nil {
		return firstLimit
	}
	return max(30*time.Second, 20*s.pace.usualCost)
}

// lives checks that the plugin still answers as it should: what came before has not harmed it.
func (x *session) lives(ctx context.Context, after string) error {
	if _, err := x.answer(ctx, x.suite.pace.cheap); err != nil {
		return fmt.Errorf("after %s a good request is not answered: %w", after, err)
	}
	return nil
}

// poll is how often something is asked for that nothing reports.
const poll = 5 * time.Millisecond

// idle waits until the plugin works on nothing, and returns how long that took.
func (x *session) idle(ctx context.Context, limit time.Duration) (time.Duration, error) {
	began := time.Now()
	for {
		h, err := x.health(ctx)
		took := time.Since(began)
		switch {
		case err != nil:
			return took, x.explain(fmt.Errorf("Health: %w", err))
		case len(h.Active) == 0:
			return took, nil
		case took > limit:
			return took, fmt.Errorf("the plugin is still at work on %d requests after %s", len(h.Active), took.Round(time.Millisecond))
		}
		select {
		case <-ctx.Done():
			return took, ctx.Err()
		case <-time.After(poll):
		}
	}
}

// quickTime is what the protocol gives Describe and Health.
const quickTime = time.Second

func (x *session) health(ctx context.Context) (wire.Health, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*quickTime) // how quick it is has a case of its own
	defer cancel()
	return x.client.Health(ctx)
}

// quick calls f until it has returned within quickTime, three times at most: this machine may be busy itself.
func quick(what string, f func() error) (string, error) {
	best := time.Duration(math.MaxInt64)
	for range 3 {
		began := time.Now()
		if err := f(); err != nil {
			return "", fmt.Errorf("%s: %w", what, err)
		}
		if best = min(best, time.Since(began)); best <= quickTime {
			return fmt.Sprintf("%s in %s", what, short(best)), nil
		}
	}
	return "", fmt.Errorf("%s takes %s: at most %s", what, short(best), quickTime)
}

// short writes a duration to two or three digits.
func short(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= 10*time.Millisecond:
		return d.Round(time.Millisecond).String()
	}
	return d.Round(10 * time.Microsecond).String()
}

// fingerprint tells answers apart: of all that a caller gets but the texts.
func fingerprint(r sdk.Result) [sha256.Size]byte {
	h := sha256.New()
	for _, i := range r.Images {
		fmt.Fprintln(h, i.MediaType, i.Width, i.Height, len(i.Data))
		h.Write(i.Data)
	}
	for _, e := range r.Embeddings {
		fmt.Fprintln(h, len(e))
		_ = binary.Write(h, binary.LittleEndian, e) // a hash does not fail
	}
	fmt.Fprintln(h, r.Unsafe)
	return [sha256.Size]byte(h.Sum(nil))
}
