package sdk

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/vision19/vision/sdk/internal/link"
	pb "github.com/vision19/vision/sdk/internal/proto/v1"
	"github.com/vision19/vision/sdk/internal/slots"
	"github.com/vision19/vision/sdk/internal/stdio"
)

// parentCheck is how often a plugin looks whether its host still lives; a dead host's plugins are gone within 2 s.
const parentCheck = 500 * time.Millisecond

// Serve runs the endpoint as a plugin process: what main calls, and never returns. It guards the handshake from what
// native code prints, makes slog write to the host's log, answers panics as errors, and ends the process with its host.
func Serve(e Endpoint) {
	stderr, err := stdio.Guard()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	slog.SetDefault(slog.New(stdio.NewHandler(stderr, slog.LevelDebug)))
	stdio.WatchParent(link.EnvParent, parentCheck, func() { os.Exit(1) })
	// Results are megabytes of short-lived bytes beside a small heap; the default of 100 would collect at every one.
	debug.SetGCPercent(400)
	server := newServer(e, openSlots())
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig:  link.Handshake,
		VersionedPlugins: map[int]plugin.PluginSet{link.Major: {link.Name: &grpcPlugin{server: server}}},
		GRPCServer: func(opts []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(append(opts, link.ServerOptions()...), directOutput(stderr)...)...)
		},
		// go-plugin's own lines are about its handshake, which the host logs too.
		Logger: hclog.New(&hclog.LoggerOptions{Level: hclog.Error, Output: stderr, JSONFormat: true}),
	})
	os.Exit(0)
}

// directOutput points os.Stdout and os.Stderr at the real descriptor again, at the first call. go-plugin has put pipes in
// their place that travel over gRPC, and what is printed there just before an exit never arrives.
func directOutput(stderr *os.File) []grpc.ServerOption {
	var once sync.Once
	restore := func() { once.Do(func() { os.Stdout, os.Stderr = stderr, stderr }) }
	return []grpc.ServerOption{
		grpc.UnaryInterceptor(func(ctx context.Context, r any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			restore()
			return next(ctx, r)
		}),
		grpc.StreamInterceptor(func(s any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
			restore()
			return next(s, stream)
		}),
	}
}

// openSlots maps the memory that the host shares; without it results travel in chunks.
func openSlots() *slots.Region {
	fd, err := strconv.Atoi(os.Getenv(link.EnvSlotsFD))
	if err != nil {
		return nil
	}
	size, err := strconv.Atoi(os.Getenv(link.EnvSlotsSize))
	if err != nil || size <= 0 {
		return nil
	}
	region, err := slots.Open(os.NewFile(uintptr(fd), "slots"), size)
	if err != nil {
		slog.Warn("results travel in chunks", "error", err)
		return nil
	}
	return region
}

// grpcPlugin is the server side of go-plugin's interface.
type grpcPlugin struct {
	plugin.NetRPCUnsupportedPlugin
	server *server
}

// GRPCServer implements plugin.GRPCPlugin.
func (p *grpcPlugin) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	pb.RegisterPluginServer(s, p.server)
	return nil
}

// GRPCClient implements plugin.GRPCPlugin; a plugin process is no client.
func (p *grpcPlugin) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, fmt.Errorf("package wire is the client")
}
