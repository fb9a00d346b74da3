package sdktest

import (
	"math/rand/v2"
	"reflect"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/vision19/vision/sdk"
	pb "github.com/vision19/vision/sdk/internal/proto/v1"
	"github.com/vision19/vision/sdk/schema"
)

// awkward are descriptions with what the generator could stumble over.
func awkward() map[string]sdk.Description {
	output := sdk.Output{Kind: sdk.EmbeddingOutput}
	return map[string]sdk.Description{
		"nothing": {Endpoint: "x", Output: output},
		"painter": (&painter{}).Describe(),
		"one of two": {Endpoint: "x", Output: output, OneOf: []string{"image", "text"}, Inputs: []sdk.Input{
			{Name: "image", Kind: sdk.ImageInput, MaxCount: 64, MaxPixels: 50}, {Name: "text", Kind: sdk.TextInput, MaxCount: 64, MaxLength: 3},
		}},
		"inputs of one size": {Endpoint: "x", Output: output, Inputs: []sdk.Input{
			{Name: "mask", Kind: sdk.MaskInput, Required: true, SameSizeAs: "image", MaxPixels: 900}, {Name: "image", Kind: sdk.ImageInput, Required: true},
		}},
		"numbers": {Endpoint: "x", Output: output, Parameters: schema.Schema{
			{Name: "a", Type: schema.Int, Required: true},
			{Name: "b", Type: schema.Float, Min: schema.Bound(-1), Max: schema.Bound(1), MultipleOf: 0.05, Required: true},
			{Name: "c", Type: schema.Int, Min: schema.Bound(7), Max: schema.Bound(100), MultipleOf: 8},
			{Name: "d", Type: schema.Int, Max: schema.Bound(-3)},
			{Name: "e", Type: schema.Float, Min: schema.Bound(2.5)},
			{Name: "f", Type: schema.Int, Min: schema.Bound(0), Max: schema.Bound(9), Default: int64(5), Sampling: &schema.Sampling{Max: schema.Bound(7)}},
			{Name: "g", Type: schema.Bool, Required: true},
			{Name: "h", Type: schema.String, Required: true, MaxLength: 1},
			{Name: "i", Type: schema.String, Allowed: []any{"p", "q"}},
			{Name: "j", Type: schema.Int, Allowed: []any{int64(2), int64(4)}, Required: true},
			{Name: "k", Type: schema.Int, Min: schema.Bound(0), Max: schema.Bound(1<<32 - 1), Random: true},
		}},
	}
}

func TestGenerator_makes_requests_that_the_description_takes(t *testing.T) {
	for name, d := range awkward() {
		if err := d.Check(); err != nil {
			t.Fatal(name, err)
		}
		g := generator{d}
		drafts := []draft{g.plain(smallSide), g.minima(true), g.minima(false), g.maxima(smallSide), g.maxima(largeSide)}
		for seed := range uint64(100) {
			drafts = append(drafts, g.sample(seed))
		}
		for _, p := range d.Parameters {
			for _, value := range edges(p) {
				drafts = append(drafts, g.plain(smallSide).with(p.Name, p.Name, value))
			}
		}
		drafts = append(drafts, odd(d, g.plain(smallSide))...)
		for _, f := range drafts {
			if _, err := f.check(d, rand.New(rand.NewPCG(1, 1))); err != nil {
				t.Errorf("%s, %s: %v", name, f.what, err)
			}
		}
	}
}

func TestGenerator_makes_requests_that_the_description_refuses(t *testing.T) {
	for name, d := range awkward() {
		base := generator{d}.plain(smallSide)
		drafts := append(oversized(d, base), missing(d, base)...)
		for _, p := range d.Parameters {
			for _, value := range outside(p) {
				drafts = append(drafts, base.with(p.Name, p.Name, value))
			}
		}
		for _, f := range drafts {
			if _, err := d.CheckRequest(f.request, f.raw); err == nil {
				t.Errorf("%s, %s: %v is taken", name, f.what, f.raw)
			}
		}
	}
}

func TestGenerator_gives_the_same_for_the_same_seed(t *testing.T) {
	g := generator{(&painter{}).Describe()}
	seen := map[string]bool{}
	for seed := range uint64(20) {
		a, b := g.sample(seed), g.sample(seed)
		if !reflect.DeepEqual(a, b) {
			t.Errorf("seed %d gives two requests", seed)
		}
		r, err := a.check(g.d, rand.New(rand.NewPCG(seed, 1)))
		if err != nil {
			t.Fatal(err)
		}
		seen[show(r)] = true
	}
	if len(seen) < 10 {
		t.Errorf("20 seeds give %d requests", len(seen))
	}
}

// What a plugin says is foreign: whatever it is, a record takes it or tells what is wrong.
func FuzzRecord(f *testing.F) {
	add := func(events ...*pb.InferEvent) {
		var data []byte
		for _, e := range events {
			message, err := proto.Marshal(e)
			if err != nil {
				f.Fatal(err)
			}
			data = protowire.AppendBytes(data, message)
		}
		f.Add(data)
	}
	result := &pb.InferEvent{Event: &pb.InferEvent_Result{Result: &pb.Result{Images: []*pb.Blob{nil, {Size: 1<<64 - 1}, {Size: 3}}}}}
	chunk := &pb.InferEvent{Event: &pb.InferEvent_Chunk{Chunk: []byte("ab")}}
	end := &pb.InferEvent{Event: &pb.InferEvent_End{End: &pb.End{}}}
	step := &pb.InferEvent{Event: &pb.InferEvent_Step{Step: &pb.Step{Done: 1, Total: 1}}}
	add(&pb.InferEvent{Event: &pb.InferEvent_Accepted{}}, step, result, chunk, end)
	add(step, step, end, end)
	add(&pb.InferEvent{}, &pb.InferEvent{Event: &pb.InferEvent_End{}}, &pb.InferEvent{Event: &pb.InferEvent_Preview{}})
	f.Fuzz(func(t *testing.T, data []byte) {
		var r record
		for len(data) > 0 {
			message, n := protowire.ConsumeBytes(data)
			if n < 0 {
				return
			}
			data = data[n:]
			var e pb.InferEvent
			if proto.Unmarshal(message, &e) != nil {
				return
			}
			over := r.end != nil
			err := r.take(&e)
			if err == nil && over {
				t.Error("an event after the end is taken")
			}
			if err != nil {
				return
			}
		}
		if r.end != nil && r.failed() == nil && r.result == nil {
			t.Error("a request without a result is taken for answered")
		}
	})
}
