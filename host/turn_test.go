package host

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/vision19/vision/host/config"
	"github.com/vision19/vision/host/device"
	"github.com/vision19/vision/host/instance"
	"github.com/vision19/vision/host/sched"
	"github.com/vision19/vision/host/telemetry"
	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/wire"
)

// tame is an instance.Process without a process, so that a turn can pass in no time. It has loaded at once, is well, and ends when it is told to.
type tame struct {
	done chan struct{}
	end  sync.Once
}

func (p *tame) Client() *wire.Client    { return wire.New(tameConn{}, nil) }
func (p *tame) PID() int                { return 1 }
func (p *tame) Done() <-chan struct{}   { return p.done }
func (p *tame) Explain(err error) error { return err }
func (p *tame) Dump()                   {}
func (p *tame) Stop(context.Context)    { p.Kill() }
func (p *tame) Kill()                   { p.end.Do(func() { close(p.done) }) }

type tameConn struct{}

func (tameConn) Invoke(_ context.Context, method string, _, reply any, _ ...grpc.CallOption) error {
	if method != "/vision.plugin.v1.Plugin/Configure" {
		return nil
	}
	d := sdk.Description{Endpoint: "tame", Output: sdk.Output{Kind: sdk.EmbeddingOutput}}
	data, err := d.MarshalBinary()
	if err != nil {
		return err
	}
	return proto.Unmarshal(protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), data), reply.(proto.Message))
}

func (tameConn) NewStream(ctx context.Context, _ *grpc.StreamDesc, _ string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
	return tameLoad{ctx}, nil
}

// tameLoad is the stream of a Load that has ended.
type tameLoad struct{ ctx context.Context }

func (tameLoad) Header() (metadata.MD, error) { return nil, nil }
func (tameLoad) Trailer() metadata.MD         { return nil }
func (tameLoad) CloseSend() error             { return nil }
func (l tameLoad) Context() context.Context   { return l.ctx }
func (tameLoad) SendMsg(any) error            { return nil }
func (tameLoad) RecvMsg(any) error            { return io.EOF }

// tameLease is room in the ledger.
type tameLease struct {
	ledger *device.Ledger
	key    string
}

func (l tameLease) Loaded(int) int64  { return 100 }
func (l tameLease) Measure(int) int64 { return 100 }
func (l tameLease) Release(bool)      { l.ledger.Release(l.key) }

// tameUnit is a unit of 100 bytes with one process that is ready, and so many requests at work.
func tameUnit(t *testing.T, h *Host, d device.Device, name string, busy int) *replica {
	t.Helper()
	p := &part{plugin: config.Plugin{Name: name, KeepAlive: time.Hour}, bytes: 100, devices: []device.Device{d}}
	u := &unit{host: h, name: name, part: p, busy: busy, queue: sched.NewDispatcher(name, sched.Options{Limit: 1}), ring: telemetry.NewRing(1, 1000)}
	r := &replica{unit: u, number: 1, key: name, name: name, device: d}
	r.held.Store(p)
	r.instance = instance.New(instance.Config{
		Name: name, Log: h.log,
		Admit: func(context.Context) (instance.Lease, error) {
			if !h.ledger.Reserve(d.Name, r.key, p.bytes) {
				t.Errorf("no room for %s", name)
			}
			return tameLease{h.ledger, r.key}, nil
		},
		Launch: func(context.Context) (instance.Process, error) { return &tame{done: make(chan struct{})}, nil },
		Change: func(s instance.Status) { u.changed(r, s) },
	})
	u.replicas = []*replica{r}
	h.units = append(h.units, u)
	r.instance.Start()
	if err := r.instance.AwaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRoom_work_of_a_plugin_ends_for_another_after_its_turn_and_never_because_another_is_out_of_memory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := device.Device{Name: "cpu0", Kind: "cpu", Budget: 300}
		h := &Host{log: slog.New(slog.DiscardHandler), ledger: device.NewLedger([]device.Device{d}), drain: t.Context()}
		failed, busy, idle := tameUnit(t, h, d, "failed", 1), tameUnit(t, h, d, "busy", 1), tameUnit(t, h, d, "idle", 0)
		defer func() {
			for _, r := range []*replica{failed, busy, idle} {
				r.instance.Close(context.Background())
			}
		}()
		goes := func(need int64) []*replica {
			t.Helper()
			victims, err := h.makeRoom(failed, need)
			if err != nil {
				t.Fatal(err)
			}
			return victims
		}
		if got := goes(300); got != nil {
			t.Errorf("%d go before a turn is over", len(got))
		}
		time.Sleep(turn + time.Second) // in no time: the clock is the bubble's
		if got := goes(300); !slices.Contains(got, busy) {
			t.Errorf("%d go after a turn, but not the one at work", len(got))
		}
		h.relieve(t.Context(), failed)
		for r, want := range map[*replica]instance.State{failed: instance.Ready, busy: instance.Ready, idle: instance.Stopped} {
			if got := r.instance.Status().State; got != want {
				t.Errorf("%s is %s, want %s", r.name, got, want)
			}
		}
	})
}
