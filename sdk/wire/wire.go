// Package wire is the host's door to a plugin, the client side of vision.plugin.v1, and the only one.
// What arrives from a plugin is foreign: it is bounded, checked and never trusted.
package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/internal/link"
	pb "github.com/vision19/vision/sdk/internal/proto/v1"
)

// Environment variables that a launcher sets for a plugin.
const (
	EnvSlotsFD   = link.EnvSlotsFD   // the descriptor of the shared memory in the plugin
	EnvSlotsSize = link.EnvSlotsSize // its bytes
	EnvParent    = link.EnvParent    // the host's process id
)

// Handshake is what go-plugin's client and server must agree on.
func Handshake() plugin.HandshakeConfig { return link.Handshake }

// DialOptions are the gRPC options of a connection to a plugin.
func DialOptions() []grpc.DialOption { return link.DialOptions() }

// Plugins is what go-plugin's client dispenses: a *Client that uses the slots, which may be nil.
func Plugins(slots *Slots) map[int]plugin.PluginSet {
	return map[int]plugin.PluginSet{link.Major: {link.Name: &grpcPlugin{slots: slots}}}
}

// Dispense returns the client of a started plugin process.
func Dispense(c plugin.ClientProtocol) (*Client, error) {
	raw, err := c.Dispense(link.Name)
	if err != nil {
		return nil, fmt.Errorf("dispense the plugin: %w", err)
	}
	client, ok := raw.(*Client)
	if !ok {
		return nil, errors.New("dispense the plugin: not a vision plugin")
	}
	return client, nil
}

type grpcPlugin struct {
	plugin.NetRPCUnsupportedPlugin
	slots *Slots
}

// GRPCServer implements plugin.GRPCPlugin; a host is no server.
func (p *grpcPlugin) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error {
	return errors.New("sdk.Serve is the server")
}

// GRPCClient implements plugin.GRPCPlugin.
func (p *grpcPlugin) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return New(conn, p.slots), nil
}

// Client calls one plugin. Its methods may be called from any goroutine. Every error is an *sdk.Error: a
// broken connection is sdk.ErrUnavailable.
type Client struct {
	conn  grpc.ClientConnInterface
	rpc   pb.PluginClient
	slots *Slots

	mu     sync.Mutex
	stream *stream // of all requests; nil before the first
}

// New makes a client on a connection. slots may be nil: results then travel in chunks.
func New(conn grpc.ClientConnInterface, slots *Slots) *Client {
	return &Client{conn: conn, rpc: pb.NewPluginClient(conn), slots: slots}
}

// Conn is the connection itself, for whoever checks what the methods of Client never do.
func (c *Client) Conn() grpc.ClientConnInterface { return c.conn }

// Describe returns the plugin's description, checked, and the SDK version that it was built with.
func (c *Client) Describe(ctx context.Context) (d sdk.Description, sdkVersion string, err error) {
	r, err := c.rpc.Describe(ctx, &pb.DescribeRequest{})
	if err != nil {
		return sdk.Description{}, "", fromStatus(err)
	}
	d = fromDescription(r.GetDescription())
	return d, r.GetSdkVersion(), checked(d)
}

// Configure configures the plugin and returns the description that holds from now on, checked.
func (c *Client) Configure(ctx context.Context, config sdk.Config) (sdk.Description, error) {
	r, err := c.rpc.Configure(ctx, toConfig(config))
	if err != nil {
		return sdk.Description{}, fromStatus(err)
	}
	d := fromDescription(r.GetDescription())
	return d, checked(d)
}

func checked(d sdk.Description) error {
	if err := d.Check(); err != nil {
		return sdk.NewError(sdk.CodeInternal, "the plugin's description is wrong: "+err.Error(), err)
	}
	return nil
}

// Load loads the model and returns when the plugin is ready.
func (c *Client) Load(ctx context.Context, progress sdk.LoadProgress) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.rpc.Load(ctx, &pb.LoadRequest{})
	if err != nil {
		return fromStatus(err)
	}
	for {
		e, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fromStatus(err)
		}
		progress(min(max(e.GetFraction(), 0), 1), e.GetStage())
	}
}

// Health is a plugin's own view of itself.
type Health struct {
	State       string   // created, configured, loading, ready, draining, closed, failed
	MemoryBytes int64    // resident memory of the process; 0 when unknown
	Active      []string // ids of the requests whose work has not ended
}

// Health asks how the plugin is.
func (c *Client) Health(ctx context.Context) (Health, error) {
	r, err := c.rpc.Health(ctx, &pb.HealthRequest{})
	if err != nil {
		return Health{}, fromStatus(err)
	}
	return Health{State: r.GetState(), MemoryBytes: int64(min(r.GetMemoryBytes(), 1<<62)), Active: r.GetActive()}, nil
}

// Drain stops admission and returns when nothing is in flight, or with ctx's error.
func (c *Client) Drain(ctx context.Context) error {
	_, err := c.rpc.Drain(ctx, &pb.DrainRequest{})
	return fromStatus(err)
}

// Shutdown closes the endpoint.
func (c *Client) Shutdown(ctx context.Context) error {
	_, err := c.rpc.Shutdown(ctx, &pb.ShutdownRequest{})
	return fromStatus(err)
}
