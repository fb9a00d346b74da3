package main

import (
	"context"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/schema"
	"github.com/vision19/vision/sdk/wire"
)

// liar is a plugin without the SDK, which would not let it lie. A lie of a request is chosen by the prompt, lie:NAME, one of a start by the file's
// name, testplugin--liar-NAME. The numbers below are those of the fields in plugin.proto.
type liar struct {
	plugin.NetRPCUnsupportedPlugin
	name string
}

func serveLiar(name string) {
	l := &liar{name: name}
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig:  wire.Handshake(),
		VersionedPlugins: map[int]plugin.PluginSet{1: {"vision": l}},
		GRPCServer: func(options []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(options, grpc.ForceServerCodec(rawCodec{}), grpc.UnknownServiceHandler(l.serve))...)
		},
	})
}

// GRPCServer implements plugin.GRPCPlugin: nothing is registered, so that every call is an unknown one.
func (l *liar) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error { return nil }

// GRPCClient implements plugin.GRPCPlugin.
func (l *liar) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("a plugin is no client")
}

// frame is a message as its bytes.
type frame []byte

// rawCodec passes frames as they are; go-plugin's own services have messages.
type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(v any) ([]byte, error) {
	if f, ok := v.(*frame); ok {
		return *f, nil
	}
	return proto.Marshal(v.(proto.Message))
}

func (rawCodec) Unmarshal(data []byte, v any) error {
	if f, ok := v.(*frame); ok {
		*f = append(frame(nil), data...)
		return nil
	}
	return proto.Unmarshal(data, v.(proto.Message))
}

// serve answers every method.
func (l *liar) serve(_ any, stream grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(stream)
	method = method[strings.LastIndex(method, "/")+1:]
	if method == "Infer" {
		return l.infer(stream)
	}
	var request, answer frame
	if err := stream.RecvMsg(&request); err != nil {
		return err
	}
	switch method {
	case "Describe", "Configure":
		answer = field(1, l.describe())
		if l.name == "describe-garbage" {
			answer = frame{0xff, 0xff, 0xff}
		}
	case "Load":
		for k := 0; l.name == "load" && k < 50_000; k++ {
			event := append(protowire.AppendTag(nil, 1, protowire.Fixed64Type), 0, 0, 0, 0, 0, 0, 0xf8, 0x7f) // NaN
			event = append(event, field(2, []byte(strings.Repeat("x", 1000)))...)
			if err := stream.SendMsg((*frame)(&event)); err != nil {
				return err
			}
		}
		return nil
	case "Health":
		answer = field(1, []byte("ready"))
		if l.name == "health" {
			answer = varint(answer, 2, math.MaxUint64)
			for range 100_000 {
				answer = append(answer, field(3, []byte("1000000"))...)
			}
		}
	}
	return stream.SendMsg(&answer)
}

func (l *liar) describe() []byte {
	d := (&echo{}).Describe()
	switch l.name {
	case "describe-huge":
		d.Doc = strings.Repeat("x", 60<<20)
	case "describe-parameters":
		for range 10_000 {
			d.Parameters = append(d.Parameters, schema.Parameter{Name: "p" + strings.Repeat("x", len(d.Parameters)%50), Type: schema.Int, Default: int64(1)})
		}
	case "describe-output":
		d.Output.MaxBytes = math.MaxInt64
	case "embedding":
		d.Output = sdk.Output{Kind: sdk.EmbeddingOutput}
	}
	data, err := d.MarshalBinary()
	if err != nil {
		panic(err)
	}
	return data
}

// infer answers each start of the stream in a goroutine of its own.
func (l *liar) infer(stream grpc.ServerStream) error {
	var mu sync.Mutex
	send := func(event []byte, more ...[]byte) error {
		mu.Lock()
		defer mu.Unlock()
		message := frame(field(1, event)) // InferEvents.events
		for _, event := range more {
			message = append(message, field(1, event)...)
		}
		return stream.SendMsg(&message)
	}
	for {
		var commands frame
		if err := stream.RecvMsg(&commands); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		for _, command := range fields(commands, 1) {
			for _, start := range fields(command, 1) {
				id, prompt := string(first(fields(start, 1))), ""
				for _, texts := range fields(start, 2) {
					prompt = string(first(fields(first(fields(texts, 2)), 1)))
				}
				_, lie, _ := strings.Cut(prompt, "lie:")
				switch lie {
				case "garbage":
					message := frame{0xff, 0xff, 0xff, 0xff}
					mu.Lock()
					_ = stream.SendMsg(&message)
					mu.Unlock()
				case "eof":
					return nil
				default:
					go l.lie(lie, id, send)
				}
			}
		}
	}
}

// lie answers one request. What is no lie gets a right answer.
func (l *liar) lie(name, id string, send func([]byte, ...[]byte) error) {
	event := func(number protowire.Number, value []byte) []byte {
		return append(field(1, []byte(id)), field(number, value)...)
	}
	end := func(result []byte) []byte { return event(7, field(2, result)) }
	blob := func(w, h, size uint64) []byte {
		return field(1, varint(varint(varint(field(1, []byte(sdk.RawRGB)), 2, w), 3, h), 4, size))
	}
	nan := field(2, append(field(1, []byte{0, 0, 0xc0, 0x7f}), field(1, []byte{0, 0, 0x80, 0x3f})...)) // Embedding{NaN, 1}
	chunk := make([]byte, 64*64*3)
	good := blob(64, 64, uint64(len(chunk)))
	switch name {
	case "announce":
		_ = send(event(5, blob(64, 64, 2<<30)))
		_ = send(end(nil))
	case "overflow":
		_ = send(end(append(blob(64, 64, math.MaxUint64), blob(64, 64, 64*64*3+1)...)))
	case "slot":
		_ = send(end(varint(blob(64, 64, 40<<20), 7, 1)))
	case "dims":
		_ = send(event(5, blob(1<<31, 1<<31, uint64(len(chunk)))))
		_ = send(event(6, chunk))
		_ = send(event(7, nil))
	case "nan":
		_ = send(end(nan))
	case "nan-value":
		value := append(protowire.AppendTag(nil, 3, protowire.Fixed64Type), 0, 0, 0, 0, 0, 0, 0xf8, 0x7f)
		_ = send(event(5, append(append(good, field(3, append(field(1, []byte("width")), field(2, value)...))...), field(6, []byte("warned"))...)))
		_ = send(event(6, chunk))
		_ = send(event(7, nil))
	case "chunks":
		_ = send(event(5, good))
		for range 100 {
			_ = send(event(6, chunk))
		}
		_ = send(event(7, nil))
	case "two":
		_ = send(event(5, good))
		_ = send(end(good))
	case "others": // events of requests that nobody has made
		for range 1000 {
			_ = send(append(field(1, []byte("nobody")), field(7, nil)...))
		}
		fallthrough
	case "":
		_ = send(event(5, good))
		_ = send(event(6, chunk))
		_ = send(event(7, nil))
	case "events": // half as many again as a host takes, without an end
		for k := range uint64(1500) {
			step := event(3, varint(varint(nil, 1, k+1), 2, math.MaxUint32))
			if send(step, slices.Repeat([][]byte{step}, 99)...) != nil {
				return
			}
		}
	case "silent":
	default:
		_ = send(event(7, field(1, append(field(1, []byte("invented")), field(2, []byte(strings.Repeat("no lie has this name ", 1_000_000)))...))))
	}
}

func field(number protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), value)
}

func varint(b []byte, number protowire.Number, value uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, number, protowire.VarintType), value)
}

// fields are the values of a message's field of bytes, in their order.
func fields(message []byte, number protowire.Number) (values [][]byte) {
	for len(message) > 0 {
		n, kind, size := protowire.ConsumeTag(message)
		if size < 0 {
			return values
		}
		message = message[size:]
		if size = protowire.ConsumeFieldValue(n, kind, message); size < 0 {
			return values
		}
		if n == number && kind == protowire.BytesType {
			value, _ := protowire.ConsumeBytes(message)
			values = append(values, value)
		}
		message = message[size:]
	}
	return values
}

func first(values [][]byte) []byte {
	if len(values) == 0 {
		return nil
	}
	return values[0]
}
