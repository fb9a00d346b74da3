// Package convert turns what both ends of the protocol share into wire types and back: values, parameters and errors. Every function is
// total: any message gives a value, and what it cannot express is left out, for the receiver's own checks to find.
package convert

import (
	"strings"
	"time"

	pb "github.com/vision19/vision/sdk/internal/proto/v1"
	"github.com/vision19/vision/sdk/schema"
)

// Text makes a string UTF-8: protobuf carries nothing else, and one bad string would end the stream that all requests share.
func Text(s string) string { return strings.ToValidUTF8(s, "?") }

// ToValue returns nil for a type that Values does not hold.
func ToValue(v any) *pb.Value {
	switch x := v.(type) {
	case bool:
		return &pb.Value{Kind: &pb.Value_Bool{Bool: x}}
	case int64:
		return &pb.Value{Kind: &pb.Value_Int{Int: x}}
	case float64:
		return &pb.Value{Kind: &pb.Value_Float{Float: x}}
	case string:
		return &pb.Value{Kind: &pb.Value_String_{String_: Text(x)}}
	}
	return nil
}

// FromValue returns nil for an empty value.
func FromValue(v *pb.Value) any {
	switch x := v.GetKind().(type) {
	case *pb.Value_Bool:
		return x.Bool
	case *pb.Value_Int:
		return x.Int
	case *pb.Value_Float:
		return x.Float
	case *pb.Value_String_:
		return x.String_
	}
	return nil
}

// ToValues leaves out what Values does not hold.
func ToValues(values schema.Values) []*pb.NamedValue {
	out := make([]*pb.NamedValue, 0, len(values))
	for name, v := range values {
		if w := ToValue(v); w != nil {
			out = append(out, &pb.NamedValue{Name: Text(name), Value: w})
		}
	}
	return out
}

// FromValues leaves out empty values; of two with one name the last counts.
func FromValues(values []*pb.NamedValue) schema.Values {
	out := make(schema.Values, len(values))
	for _, v := range values {
		if x := FromValue(v.GetValue()); x != nil {
			out[v.GetName()] = x
		}
	}
	return out
}

func toList(values []any) []*pb.Value {
	var out []*pb.Value
	for _, v := range values {
		if w := ToValue(v); w != nil {
			out = append(out, w)
		}
	}
	return out
}

func fromList(values []*pb.Value) []any {
	var out []any
	for _, v := range values {
		if x := FromValue(v); x != nil {
			out = append(out, x)
		}
	}
	return out
}

// ToSchema converts every parameter.
func ToSchema(s schema.Schema) []*pb.Parameter {
	var out []*pb.Parameter
	for _, p := range s {
		w := &pb.Parameter{
			Name: p.Name, Doc: p.Doc, Type: string(p.Type), Required: p.Required, Default: ToValue(p.Default),
			Min: p.Min, Max: p.Max, MultipleOf: p.MultipleOf, Allowed: toList(p.Allowed),
			MaxLength: uint32(max(p.MaxLength, 0)), Random: p.Random, Format: p.Format,
		}
		if p.Sampling != nil {
			w.Sampling = &pb.Sampling{Min: p.Sampling.Min, Max: p.Sampling.Max, Values: toList(p.Sampling.Values)}
		}
		out = append(out, w)
	}
	return out
}

// FromSchema converts every parameter; schema.Check finds what is wrong with them.
func FromSchema(parameters []*pb.Parameter) schema.Schema {
	var out schema.Schema
	for _, w := range parameters {
		p := schema.Parameter{
			Name: w.GetName(), Doc: w.GetDoc(), Type: schema.Type(w.GetType()), Required: w.GetRequired(), Default: FromValue(w.GetDefault()),
			MultipleOf: w.GetMultipleOf(), Allowed: fromList(w.GetAllowed()),
			MaxLength: int(w.GetMaxLength()), Random: w.GetRandom(), Format: w.GetFormat(),
		}
		if w != nil {
			p.Min, p.Max = w.Min, w.Max
		}
		if s := w.GetSampling(); s != nil {
			p.Sampling = &schema.Sampling{Min: s.Min, Max: s.Max, Values: fromList(s.GetValues())}
		}
		out = append(out, p)
	}
	return out
}

// ToFaults converts every fault; text that is not UTF-8 is made so.
func ToFaults(faults schema.Faults) []*pb.Fault {
	var out []*pb.Fault
	for _, f := range faults {
		out = append(out, &pb.Fault{Param: Text(f.Param), Message: Text(f.Message)})
	}
	return out
}

// FromFaults converts every fault.
func FromFaults(faults []*pb.Fault) schema.Faults {
	var out schema.Faults
	for _, f := range faults {
		out = append(out, schema.Fault{Param: f.GetParam(), Message: f.GetMessage()})
	}
	return out
}

// maxRetry bounds what a peer may ask for: above it a retry time is a mistake, and the largest would overflow a Duration.
const maxRetry = 24 * time.Hour

// FromMillis turns a peer's milliseconds into a duration of at most a day.
func FromMillis(ms uint64) time.Duration {
	if ms > uint64(maxRetry/time.Millisecond) {
		return maxRetry
	}
	return time.Duration(ms) * time.Millisecond
}
