package wire

import (
	"errors"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/vision19/vision/sdk"
	pb "github.com/vision19/vision/sdk/internal/proto/v1"
)

func FuzzFromDescription(f *testing.F) {
	for _, d := range []*pb.Description{
		{},
		{
			Endpoint: "fuzz", MemoryBytes: 1<<64 - 1, OneOf: []string{"a"}, Inputs: []*pb.Input{nil, {Name: "a", Kind: "image", MaxPixels: 1<<64 - 1, MaxCount: 1<<32 - 1, Content: "lines"}},
			Parameters: []*pb.Parameter{nil, {Name: "p", Type: "int", Min: proto.Float64(1), Allowed: []*pb.Value{nil, {}}, Default: &pb.Value{}, Sampling: &pb.Sampling{Values: []*pb.Value{nil}}}},
			Output:     &pb.Output{Kind: "image", MediaType: "image/png", MaxBytes: 1<<64 - 1, Dimensions: 1<<32 - 1, Width: &pb.Extent{Input: "a", Times: "p", Plus: []string{"p", ""}}},
		},
		{Endpoint: "fuzz", Output: &pb.Output{Kind: "embedding"}, Capabilities: &pb.Capabilities{MaxConcurrency: 1<<32 - 1}},
		{
			Endpoint: "fuzz", Output: &pb.Output{Kind: "embedding"}, Inputs: []*pb.Input{{Name: "a", Kind: "image"}},
			Parameters:   []*pb.Parameter{{Name: "p", Type: "int", Default: &pb.Value{Kind: &pb.Value_Int{Int: 3}}}},
			Capabilities: &pb.Capabilities{MaxBatch: sdk.MaxBatchLimit, BatchKey: []string{"a", "p"}},
		},
		{Endpoint: "fuzz", Output: &pb.Output{Kind: "embedding"}, Capabilities: &pb.Capabilities{MaxBatch: 1<<32 - 1, BatchKey: []string{"", "a"}}},
	} {
		data, err := proto.Marshal(d)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var message pb.Description
		if proto.Unmarshal(data, &message) != nil {
			return
		}
		d := fromDescription(&message)
		if d.MemoryBytes < 0 || d.Output.MaxBytes < 0 || d.Output.ByteLimit() > sdk.MaxOutput || d.Output.Dimensions < 0 {
			t.Errorf("%d bytes of memory, %d of output", d.MemoryBytes, d.Output.MaxBytes)
		}
		for _, i := range d.Inputs {
			if i.Count() < 1 || i.TextLimit() < 1 || i.PixelLimit() < 1 {
				t.Errorf("%+v", i)
			}
		}
		if checked(d) != nil {
			return
		}
		// What a host goes on to do with a description that it has accepted.
		if n := d.Capabilities.Concurrency(); n < 1 || n > sdk.MaxConcurrencyLimit {
			t.Errorf("%d requests at once", n)
		}
		if n := d.Capabilities.Batch(); n < 1 || n > sdk.MaxBatchLimit {
			t.Errorf("%d requests in a batch", n)
		}
		r, err := d.CheckRequest(sdk.Request{}, nil)
		if err != nil && !errors.Is(err, sdk.ErrInvalidInput) {
			t.Error(err)
		}
		if err := d.CheckResult(r, sdk.Result{Images: []sdk.Image{{MediaType: sdk.PNG, Width: 1, Height: 1}}}); err == nil {
			t.Error("no bytes are a picture")
		}
		if (d.BatchKeyOf(r) == "") != (d.Capabilities.MaxBatch < 2) {
			t.Errorf("the key of batches of %d is %q", d.Capabilities.MaxBatch, d.BatchKeyOf(r))
		}
		if err == nil {
			for _, p := range d.Parameters {
				if got := r.Values[p.Name]; got != p.Default {
					t.Errorf("%s is %v, its default is %v", p.Name, got, p.Default)
				}
			}
		}
	})
}

// events puts messages into the form that FuzzReceiver takes apart again.
func events(t testing.TB, messages ...*pb.InferEvent) []byte {
	var out []byte
	for _, m := range messages {
		data, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		out = protowire.AppendBytes(out, data)
	}
	return out
}

func FuzzReceiver(f *testing.F) {
	accepted := &pb.InferEvent{Event: &pb.InferEvent_Accepted{Accepted: &pb.Accepted{}}}
	step := func(done, total uint32) *pb.InferEvent {
		return &pb.InferEvent{Event: &pb.InferEvent_Step{Step: &pb.Step{Done: done, Total: total}}}
	}
	chunk := func(n int) *pb.InferEvent {
		return &pb.InferEvent{Event: &pb.InferEvent_Chunk{Chunk: make([]byte, n)}}
	}
	result := func(inSlot bool, sizes ...uint64) *pb.InferEvent {
		r := &pb.Result{InSlot: inSlot, Embeddings: []*pb.Embedding{nil, {Values: []float32{1}}}, Features: &pb.Features{}}
		for _, n := range sizes {
			r.Images = append(r.Images, &pb.Blob{MediaType: sdk.PNG, Width: 1 << 31, Height: 1, Size: n})
		}
		return &pb.InferEvent{Event: &pb.InferEvent_Result{Result: r}}
	}
	f.Add(events(f, accepted, step(1, 2), step(1, 2), step(2, 2), result(false, 3, 4), chunk(5), chunk(2)), uint16(100))
	f.Add(events(f, result(true, 10)), uint16(100))
	f.Add(events(f, result(true, 65)), uint16(100))
	f.Add(events(f, result(false, 1<<63, 1<<63)), uint16(100))
	f.Add(events(f, result(false, 1<<64-1)), uint16(0))
	f.Add(events(f, result(false, 101), chunk(101)), uint16(100))
	f.Add(events(f, result(false, 10), chunk(11)), uint16(100))
	f.Add(events(f, chunk(1), result(false, 1)), uint16(100))
	f.Add(events(f, result(false), result(false)), uint16(100))
	f.Add(events(f, result(true, 4), chunk(1)), uint16(100))
	f.Add(events(f, &pb.InferEvent{}, &pb.InferEvent{Event: &pb.InferEvent_Preview{Preview: &pb.Image{Width: 1<<32 - 1}}}), uint16(1))
	f.Fuzz(func(t *testing.T, data []byte, limit uint16) {
		last := 0
		in := receiver{limit: int64(limit), shared: make([]byte, 64)}
		sink := Sink{
			Accepted: func() {},
			Step: func(done, total int) {
				if done <= last || done > total {
					t.Errorf("step %d of %d after %d", done, total, last)
				}
				last = done
			},
			Preview: func(i sdk.Image) {
				if i.Width < 0 || i.Height < 0 {
					t.Errorf("a preview of %d x %d", i.Width, i.Height)
				}
			},
		}
		for len(data) > 0 {
			message, n := protowire.ConsumeBytes(data)
			if n < 0 {
				break
			}
			data = data[n:]
			var e pb.InferEvent
			if proto.Unmarshal(message, &e) != nil {
				return
			}
			report, err := in.take(&e, sink)
			if report != nil {
				report()
			}
			if len(in.data) > int(limit) || cap(in.data) > int(limit)+64 { // append rounds up to a size class
				t.Fatalf("%d bytes are held, declared at most %d", cap(in.data), limit)
			}
			if err != nil {
				if !errors.Is(err, sdk.ErrInternal) {
					t.Errorf("%v is not the plugin's fault", err)
				}
				return
			}
		}
		got, err := in.finish()
		if err != nil {
			if !errors.Is(err, sdk.ErrInternal) {
				t.Errorf("%v is not the plugin's fault", err)
			}
			return
		}
		total := 0
		for i, image := range got.Images {
			total += len(image.Data)
			if announced := in.header.GetImages()[i].GetSize(); uint64(len(image.Data)) != announced {
				t.Errorf("image %d has %d bytes, announced are %d", i, len(image.Data), announced)
			}
		}
		if total > int(limit) {
			t.Errorf("%d bytes, declared at most %d", total, limit)
		}
	})
}

func TestReceiver_ends_a_request_with_too_many_events(t *testing.T) {
	in := receiver{limit: 1}
	e := &pb.InferEvent{Event: &pb.InferEvent_Step{Step: &pb.Step{Done: 1, Total: 1}}}
	for range maxEvents {
		if _, err := in.take(e, Sink{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := in.take(e, Sink{}); !errors.Is(err, sdk.ErrInternal) {
		t.Error(err)
	}
}
