// Package link holds what both ends of the connection between host and plugin must agree on.
package link

import (
	"time"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
)

// Major is the protocol's major version: vision.plugin.v1. go-plugin negotiates it.
const Major = 1

// Minor counts the additions to the protocol within the major. A peer with a lower minor does not send the newer fields.
// 1: batches, which only a plugin gets whose capabilities declare them. 2: what an image input shows, and from
// which cosine on embeddings are the same.
const Minor = 2

// Name is the name under which the one plugin of a process is dispensed.
const Name = "vision"

// Handshake makes a plugin that is started by hand say so. It is no secret.
var Handshake = plugin.HandshakeConfig{
	ProtocolVersion:  Major,
	MagicCookieKey:   "VISION_PLUGIN",
	MagicCookieValue: "a1f0c6a9-vision-plugin",
}

// MessageLimit bounds one message, in both directions on both sides. A request travels as one message, and its
// largest is 16 images of 4 MiB, the HTTP body's own bound; results travel in chunks. gRPC's default, 4 MiB on the receiving
// side alone, is what every plugin system has run into first.
const MessageLimit = 64 << 20

// PayloadLimit bounds what one request or one event may hold, with room left for its envelope. Whoever would send more must refuse it first: a
// message above MessageLimit ends the stream that all requests share.
const PayloadLimit = MessageLimit - 1<<20

// ChunkSize is how much of a result travels in one message: large enough to be cheap, small enough that progress and
// cancellation of other requests get in between.
const ChunkSize = 512 << 10

// Windows and buffers sized for images: with gRPC's defaults (64 KiB) a 1.5 MB picture takes 24 round trips.
const (
	streamWindow = 16 << 20
	connWindow   = 32 << 20
	buffer       = 1 << 20
)

// Environment variables that the host sets for a plugin, beside go-plugin's.
const (
	EnvSlotsFD   = "VISION_SLOTS_FD"   // descriptor of the shared memory
	EnvSlotsSize = "VISION_SLOTS_SIZE" // its bytes
	EnvParent    = "VISION_PARENT"     // the host's process id, watched where the kernel has no death signal
)

// ServerOptions are the plugin side's gRPC options.
func ServerOptions() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.MaxRecvMsgSize(MessageLimit), grpc.MaxSendMsgSize(MessageLimit),
		grpc.InitialWindowSize(streamWindow), grpc.InitialConnWindowSize(connWindow),
		grpc.ReadBufferSize(buffer), grpc.WriteBufferSize(buffer),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: time.Second, PermitWithoutStream: true}),
	}
}

// DialOptions are the host side's gRPC options.
func DialOptions() []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(MessageLimit), grpc.MaxCallSendMsgSize(MessageLimit)),
		grpc.WithInitialWindowSize(streamWindow), grpc.WithInitialConnWindowSize(connWindow),
		grpc.WithReadBufferSize(buffer), grpc.WithWriteBufferSize(buffer),
	}
}
