package sdktest

import (
	"context"
	"net"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/internal/link"
	"github.com/vision19/vision/sdk/wire"
)

// Target is a plugin that can be started. A target that also has the method Executable() string, a file's path, is tested as a program
// too: how it starts without a host, and how it ends with one.
type Target interface {
	Name() string
	// Start starts the plugin anew: nothing is left of the process before. ctx ends the start, not the process.
	Start(ctx context.Context) (Process, error)
}

// Process is one started plugin. A process that also has the method Exit() string, valid after Done, says how it ended: "exit status 0" when all
// was well.
type Process interface {
	Client() *wire.Client
	PID() int              // 0 in this process
	Done() <-chan struct{} // closed when it has ended
	Stop(context.Context)  // drains it and shuts it down while the context lasts, and ends it afterwards in any case
	Kill()                 // ends it at once; may be called again
	Tail() []string        // the last lines that it has printed
}

type (
	exiting    interface{ Exit() string }
	executable interface{ Executable() string }
)

// InProcess is an endpoint served in this process, by sdk.Register. new is called for every start, since an endpoint is never used twice.
func InProcess(new func() sdk.Endpoint) Target { return &local{new: new} }

type local struct {
	new    func() sdk.Endpoint
	tamper func(stop func()) []grpc.ServerOption // for this package's own tests, which break the protocol; nil otherwise
}

// Name implements Target.
func (l *local) Name() string { return "in process" }

// Start implements Target.
func (l *local) Start(context.Context) (Process, error) {
	listener := bufconn.Listen(1 << 20)
	p := &served{done: make(chan struct{})}
	serving := link.ServerOptions()
	if l.tamper != nil {
		serving = append(serving, l.tamper(func() { p.server.Stop() })...)
	}
	p.server = grpc.NewServer(serving...)
	sdk.Register(p.server, l.new())
	go func() {
		defer close(p.done)
		_ = p.server.Serve(listener) // ends with Kill
	}()
	options := append(wire.DialOptions(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	var err error
	if p.conn, err = grpc.NewClient("passthrough:///in-process", options...); err != nil {
		p.server.Stop()
		return nil, err
	}
	p.client = wire.New(p.conn, nil)
	return p, nil
}

// served is an endpoint on a server of this process.
type served struct {
	server *grpc.Server
	conn   *grpc.ClientConn
	client *wire.Client
	done   chan struct{}
	once   sync.Once
}

// Client implements Process.
func (p *served) Client() *wire.Client { return p.client }

// PID implements Process.
func (p *served) PID() int { return 0 }

// Done implements Process.
func (p *served) Done() <-chan struct{} { return p.done }

// Tail implements Process: what an endpoint prints goes where this process prints.
func (p *served) Tail() []string { return nil }

// Stop implements Process.
func (p *served) Stop(ctx context.Context) {
	_ = p.client.Drain(ctx)
	_ = p.client.Shutdown(ctx) // what the endpoint answers changes nothing
	p.Kill()
}

// Kill implements Process.
func (p *served) Kill() {
	p.once.Do(func() {
		_ = p.conn.Close()
		p.server.Stop()
	})
	<-p.done
}
