package convert_test

import (
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/vision19/vision/sdk/internal/convert"
	pb "github.com/vision19/vision/sdk/internal/proto/v1"
	"github.com/vision19/vision/sdk/schema"
)

func TestValue_survives_with_its_type(t *testing.T) {
	for _, v := range []any{true, false, int64(0), int64(math.MinInt64), int64(math.MaxInt64), 0.0, -1.5, math.Inf(1), "", "é", nil} {
		if got := convert.FromValue(convert.ToValue(v)); got != v {
			t.Errorf("%#v, want %#v", got, v)
		}
	}
	for _, v := range []any{1, float32(1), []byte("x"), struct{}{}} {
		if got := convert.ToValue(v); got != nil {
			t.Errorf("%T becomes %v", v, got)
		}
	}
}

func TestValues_leave_out_what_they_do_not_hold(t *testing.T) {
	values := schema.Values{"a": true, "b": int64(2), "c": 1.5, "d": "x"}
	odd := schema.Values{"a": true, "b": int64(2), "c": 1.5, "d": "x", "e": 1, "f": nil}
	message := convert.ToValues(odd)
	message = append(message, nil, &pb.NamedValue{Name: "g"}, &pb.NamedValue{Name: "h", Value: &pb.Value{}})
	if got := convert.FromValues(message); !reflect.DeepEqual(got, values) {
		t.Errorf("%v, want %v", got, values)
	}
	if got := convert.FromValues(nil); got == nil || len(got) != 0 {
		t.Errorf("%#v", got)
	}
}

func TestFaults_survive_in_order(t *testing.T) {
	faults := schema.Faults{{Param: "b", Message: "is wrong"}, {Param: "a", Message: ""}}
	if got := convert.FromFaults(convert.ToFaults(faults)); !reflect.DeepEqual(got, faults) {
		t.Errorf("%v, want %v", got, faults)
	}
	if got := convert.FromFaults([]*pb.Fault{nil}); len(got) != 1 {
		t.Error(got)
	}
}

func TestFromMillis_is_bounded(t *testing.T) {
	for ms, want := range map[uint64]time.Duration{0: 0, 1500: 1500 * time.Millisecond, 86_400_000: 24 * time.Hour, 86_400_001: 24 * time.Hour, math.MaxUint64: 24 * time.Hour} {
		if got := convert.FromMillis(ms); got != want {
			t.Errorf("%d ms is %s, want %s", ms, got, want)
		}
	}
}

func TestFromSchema_of_empty_messages_is_found_wrong(t *testing.T) {
	got := convert.FromSchema([]*pb.Parameter{nil, {}, {Name: "p", Type: "int", Default: &pb.Value{}, Allowed: []*pb.Value{nil, {}}, Sampling: &pb.Sampling{}}})
	if len(got) != 3 || len(got[:1].Check()) == 0 || len(got[1:2].Check()) == 0 {
		t.Errorf("%+v", got)
	}
	if p := got[2]; p.Default != nil || p.Allowed != nil || p.Sampling == nil {
		t.Errorf("%+v", p)
	}
}

// drawn makes a sound schema that uses every field of a parameter.
func drawn(r *rand.Rand) schema.Schema {
	var s schema.Schema
	for i := range r.IntN(6) {
		p := schema.Parameter{
			Name: string(rune('a'+i)) + strings.Repeat("_x", r.IntN(3)), Doc: strings.Repeat("é ", r.IntN(4)),
			Type: []schema.Type{schema.Bool, schema.Int, schema.Float, schema.String}[r.IntN(4)], Required: r.IntN(3) == 0,
		}
		value := func() any {
			switch p.Type {
			case schema.Bool:
				return r.IntN(2) == 0
			case schema.Int:
				return int64(8 * r.IntN(9))
			case schema.Float:
				return float64(8 * r.IntN(9))
			default:
				return strings.Repeat("ü", r.IntN(9))
			}
		}
		if p.Type == schema.Int || p.Type == schema.Float {
			if r.IntN(2) == 0 {
				p.Min = schema.Bound(0)
			}
			if r.IntN(2) == 0 {
				p.Max = schema.Bound(64)
			}
			p.MultipleOf = []float64{0, 1, 0.5, 8}[r.IntN(4)]
		}
		if p.Type == schema.String {
			p.MaxLength = []int{0, 8, 1000}[r.IntN(3)]
			p.Format = []string{"", schema.FormatPath}[r.IntN(2)]
		}
		if r.IntN(3) == 0 {
			p.Sampling = &schema.Sampling{}
			for range r.IntN(3) {
				p.Sampling.Values = append(p.Sampling.Values, value())
			}
			if r.IntN(2) == 0 && (p.Type == schema.Int || p.Type == schema.Float) {
				p.Sampling.Min, p.Sampling.Max = schema.Bound(8), schema.Bound(16)
			}
		}
		switch {
		case p.Required:
		case p.Type == schema.Int && p.Min != nil && p.Max != nil && r.IntN(2) == 0:
			p.Random = true
		default:
			p.Default = value()
			if r.IntN(2) == 0 && p.Sampling == nil {
				p.Allowed = []any{p.Default, value()}
			}
		}
		s = append(s, p)
	}
	return s
}

func FuzzSchema_survives_the_wire(f *testing.F) {
	for seed := range uint64(200) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		s := drawn(rand.New(rand.NewPCG(seed, 1)))
		if faults := s.Check(); faults != nil {
			t.Fatalf("the drawn schema is wrong: %v", faults)
		}
		data, err := proto.Marshal(&pb.Description{Parameters: convert.ToSchema(s)})
		if err != nil {
			t.Fatal(err)
		}
		var message pb.Description
		if err := proto.Unmarshal(data, &message); err != nil {
			t.Fatal(err)
		}
		if got := convert.FromSchema(message.GetParameters()); !reflect.DeepEqual(got, s) {
			t.Errorf("\n%+v, want\n%+v", got, s)
		}
	})
}
