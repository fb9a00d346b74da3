package sdktest

import (
	"context"
	"errors"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/vision19/vision/sdk"
	pb "github.com/vision19/vision/sdk/internal/proto/v1"
)

// tampered is a good endpoint behind a server that breaks what the Go SDK keeps by itself, and a plugin in another language may not.
type tampered struct {
	name  string
	unary func(method string, call func() (any, error)) (any, error)
	recv  func(commands *pb.InferCommands) error // what the plugin hears
	send  func(events *pb.InferEvents)           // what it says
	load  func(err error) error                  // what Load answers
	ended func(stop func(), err error) error     // what becomes of a stream's end
	deaf  bool                                   // its streams' contexts never end
	cases string
}

func (s tampered) options(stop func()) []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.UnaryInterceptor(func(ctx context.Context, r any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			call := func() (any, error) { return next(ctx, r) }
			if s.unary == nil {
				return call()
			}
			return s.unary(path.Base(info.FullMethod), call)
		}),
		grpc.StreamInterceptor(func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
			err := next(srv, &tamperedStream{ServerStream: stream, how: s, stop: stop})
			if s.load != nil && path.Base(info.FullMethod) == "Load" {
				return s.load(err)
			}
			return err
		}),
	}
}

type tamperedStream struct {
	grpc.ServerStream
	how  tampered
	stop func()
}

func (s *tamperedStream) Context() context.Context {
	if s.how.deaf {
		return context.WithoutCancel(s.ServerStream.Context())
	}
	return s.ServerStream.Context()
}

func (s *tamperedStream) RecvMsg(m any) error {
	err := s.ServerStream.RecvMsg(m)
	if c, ok := m.(*pb.InferCommands); ok && err == nil && s.how.recv != nil {
		return s.how.recv(c)
	} else if ok && err != nil && s.how.ended != nil {
		return s.how.ended(s.stop, err)
	}
	return err
}

func (s *tamperedStream) SendMsg(m any) error {
	if e, ok := m.(*pb.InferEvents); ok && s.how.send != nil {
		s.how.send(e)
		if len(e.GetEvents()) == 0 {
			return nil
		}
	}
	err := s.ServerStream.SendMsg(m)
	if s.how.deaf {
		return nil
	}
	return err
}

// answered lets a call succeed that is refused.
func answered(method string, reply any, when string) func(string, func() (any, error)) (any, error) {
	return func(called string, call func() (any, error)) (any, error) {
		r, err := call()
		if err != nil && called == method && strings.Contains(err.Error(), when) {
			return reply, nil
		}
		return r, err
	}
}

// description is the painter's, as it travels.
func description() *pb.Description {
	var out pb.Description
	data, err := (&painter{}).Describe().MarshalBinary()
	if err = errors.Join(err, proto.Unmarshal(data, &out)); err != nil {
		panic(err)
	}
	return &out
}

func without(keep func(*pb.InferEvent) bool) func(*pb.InferEvents) {
	return func(e *pb.InferEvents) {
		e.Events = slices.DeleteFunc(e.Events, func(x *pb.InferEvent) bool { return !keep(x) })
	}
}

// doubled says every event twice that is so.
func doubled(which func(*pb.InferEvent) bool) func(*pb.InferEvents) {
	return func(e *pb.InferEvents) {
		var out []*pb.InferEvent
		for _, x := range e.Events {
			if out = append(out, x); which(x) {
				out = append(out, x)
			}
		}
		e.Events = out
	}
}

func tamperedServers() []tampered {
	loadWhen := func(when string) func(error) error {
		return func(err error) error {
			if err != nil && strings.Contains(err.Error(), when) {
				return nil
			}
			return err
		}
	}
	return []tampered{
		{name: "takes a second configuration", unary: answered("Configure", &pb.ConfigureResponse{Description: description()}, "not created"), cases: "is_configured_once"},
		{name: "loads unconfigured", load: loadWhen("is created"), cases: "refuses_calls_out_of_order"},
		{name: "loads twice", load: loadWhen("is ready"), cases: "is_loaded_once"},
		{name: "is always ready", unary: func(method string, call func() (any, error)) (any, error) {
			r, err := call()
			if h, ok := r.(*pb.HealthResponse); ok {
				h.State = "ready"
			}
			return r, err
		}, cases: "is_configured_once refuses_calls_out_of_order health_tells_its_state drains shuts_down_before_it_was_configured"},
		{name: "answers before it is loaded", send: func(e *pb.InferEvents) {
			for _, x := range e.Events {
				if strings.HasPrefix(x.GetEnd().GetError().GetMessage(), "the plugin is c") {
					x.Event = &pb.InferEvent_End{End: &pb.End{Result: &pb.Result{Unsafe: true}}}
				}
			}
		}, cases: "refuses_calls_out_of_order shutdown_ends_what_runs"},
		{name: "hears no cancels", recv: func(c *pb.InferCommands) error {
			c.Commands = slices.DeleteFunc(c.Commands, func(x *pb.InferCommand) bool { return x.GetCancel() != "" })
			return nil
		}, cases: "a_cancelled_request_ends_within_a_step a_deadline_ends_the_work a_waiting_request_can_be_cancelled cancelling_one_request_leaves_the_others is_well_while_it_works"},
		{name: "sends its results twice", send: doubled(func(e *pb.InferEvent) bool { return e.GetResult() != nil }), cases: "answers_every_sampled_request"},
		{name: "says nothing first", send: without(func(e *pb.InferEvent) bool { return e.GetAccepted() == nil }), cases: "its_events_come_in_order"},
		{name: "loses a chunk", send: without(func(e *pb.InferEvent) bool { return len(e.GetChunk()) == 0 }), cases: "answers_every_sampled_request"},
		{name: "ends twice", send: doubled(func(e *pb.InferEvent) bool { return e.GetEnd() != nil }), cases: "its_events_come_in_order"},
		{name: "goes backward", send: func(e *pb.InferEvents) {
			for _, x := range e.Events {
				if s := x.GetStep(); s != nil {
					s.Done = s.GetTotal() - s.GetDone() + 1
				}
			}
		}, cases: "its_events_come_in_order its_steps_rise_to_their_total"},
		{name: "shows everybody previews", recv: func(c *pb.InferCommands) error {
			for _, x := range c.Commands {
				if r := x.GetStart(); r != nil {
					r.Previews = true
				}
			}
			return nil
		}, cases: "sends_previews_only_when_asked"},
		{name: "is never quiet", recv: func(c *pb.InferCommands) error {
			for _, x := range c.Commands {
				if r := x.GetStart(); r != nil {
					r.Quiet = false
				}
			}
			return nil
		}, cases: "tells_nothing_where_nobody_watches"},
		{name: "stumbles over a cancel of nothing", recv: func(c *pb.InferCommands) error {
			for _, x := range c.Commands {
				if x.GetCancel() == "no-such-request" {
					return errors.New("key error")
				}
			}
			return nil
		}, cases: "cancelling_nothing_does_nothing"},
		{name: "answers one id twice", send: func(e *pb.InferEvents) {
			for _, x := range e.Events {
				if strings.Contains(x.GetEnd().GetError().GetMessage(), "in use") {
					x.Event = &pb.InferEvent_End{End: &pb.End{Result: &pb.Result{Unsafe: true}}}
				}
			}
		}, cases: "refuses_an_id_twice"},
		{name: "stumbles over a new field", recv: func(c *pb.InferCommands) error {
			for _, x := range c.Commands {
				if len(x.GetStart().ProtoReflect().GetUnknown()) > 0 {
					return errors.New("unknown field")
				}
			}
			return nil
		}, cases: "ignores_what_it_does_not_know"},
		{name: "stumbles over an empty command", recv: func(c *pb.InferCommands) error {
			if slices.ContainsFunc(c.Commands, func(x *pb.InferCommand) bool { return x.GetCommand() == nil && len(x.ProtoReflect().GetUnknown()) == 0 }) {
				return errors.New("no command")
			}
			return nil
		}, cases: "survives_broken_messages"},
		{name: "dies of a large message", ended: func(stop func(), err error) error {
			if strings.Contains(err.Error(), "larger than max") {
				stop()
			}
			return err
		}, cases: "survives_an_oversized_message"},
		{name: "does not see that its host is gone", deaf: true, ended: func(_ func(), err error) error {
			time.Sleep(8 * time.Second) // longer than the case allows on a busy machine
			return err
		}, cases: "a_lost_host_ends_its_requests"},
		{name: "does not drain", unary: func(method string, call func() (any, error)) (any, error) {
			if method == "Drain" {
				return &pb.DrainResponse{}, nil
			}
			return call()
		}, cases: "drains"},
		{name: "shuts down once only", unary: func() func(string, func() (any, error)) (any, error) {
			var calls atomic.Int64
			return func(method string, call func() (any, error)) (any, error) {
				if method == "Shutdown" && calls.Add(1) > 1 {
					return nil, errors.New("closed already")
				}
				return call()
			}
		}(), cases: "shutdown_ends_what_runs shuts_down_before_it_was_configured"},
		{name: "is deaf while it works", unary: func(method string, call func() (any, error)) (any, error) {
			r, err := call()
			if h, ok := r.(*pb.HealthResponse); ok && len(h.GetActive()) == 1 {
				time.Sleep(1100 * time.Millisecond)
			}
			return r, err
		}, cases: "is_well_while_it_works"},
	}
}

func TestSuite_finds_servers_that_break_the_protocol(t *testing.T) {
	t.Parallel()
	for _, b := range tamperedServers() {
		t.Run(strings.ReplaceAll(b.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			target := &local{new: func() sdk.Endpoint { return &painter{} }, tamper: b.options}
			s := impatient(target, Options{Match: regexp.MustCompile(related(b.cases))})
			expect(t, s.run(t.Context()), b.cases)
		})
	}
}

// related matches the cases that must fail and some that must not; what a broken protocol does to the others is beside the point, since they wait
// long for what does not come.
func related(cases string) string {
	names := append(strings.Fields(cases), "describes_itself_at_once", "answers_every_sampled_request", "the_same_seed_gives_the_same_answer")
	return "^(" + strings.Join(names, "|") + ")$"
}
