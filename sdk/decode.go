package sdk

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/vision19/vision/sdk/internal/convert"
	pb "github.com/vision19/vision/sdk/internal/proto/v1"
)

// MarshalBinary gives the description in the protocol's form, for UnmarshalBinary.
func (d Description) MarshalBinary() ([]byte, error) {
	data, err := proto.Marshal(toDescription(d))
	if err != nil {
		return nil, fmt.Errorf("marshal a description: %w", err)
	}
	return data, nil
}

// UnmarshalBinary reads what MarshalBinary has written. It takes any message of the protocol; Check finds what is wrong with it.
func (d *Description) UnmarshalBinary(data []byte) error {
	var message pb.Description
	if err := proto.Unmarshal(data, &message); err != nil {
		return fmt.Errorf("unmarshal a description: %w", err)
	}
	*d = fromDescription(&message)
	return nil
}

func fromDescription(d *pb.Description) Description {
	o, c := d.GetOutput(), d.GetCapabilities()
	out := Description{
		Endpoint: d.GetEndpoint(), Title: d.GetTitle(), Doc: d.GetDoc(), Version: d.GetVersion(), OneOf: d.GetOneOf(), Notes: d.GetNotes(),
		Parameters: convert.FromSchema(d.GetParameters()), Config: convert.FromSchema(d.GetConfig()),
		Output: Output{
			Kind: OutputKind(o.GetKind()), MediaType: o.GetMediaType(), Width: fromExtent(o.GetWidth()), Height: fromExtent(o.GetHeight()),
			Dimensions: int(o.GetDimensions()), MaxBytes: int64(min(o.GetMaxBytes(), MaxOutput)), SameCosine: o.GetSameCosine(),
		},
		MemoryBytes: int64(min(d.GetMemoryBytes(), 1<<62)),
		Capabilities: Capabilities{
			MaxConcurrency: int(c.GetMaxConcurrency()), Progress: c.GetProgress(), Previews: c.GetPreviews(),
			Cancellation: c.GetCancellation(), Deterministic: c.GetDeterministic(),
			MaxBatch: int(c.GetMaxBatch()), BatchKey: c.GetBatchKey(),
		},
	}
	for _, i := range d.GetInputs() {
		out.Inputs = append(out.Inputs, Input{
			Name: i.GetName(), Doc: i.GetDoc(), Kind: InputKind(i.GetKind()), Required: i.GetRequired(), MaxCount: int(i.GetMaxCount()),
			MaxLength: int(i.GetMaxLength()), MaxPixels: int(min(i.GetMaxPixels(), 1<<31)), SameSizeAs: i.GetSameSizeAs(), Content: Content(i.GetContent()),
		})
	}
	return out
}

// MaxOutput bounds what a plugin may declare as the bytes of one result: an 8192 x 8192 RGBA image, raw. The host holds
// a result in memory while it answers.
const MaxOutput = 256 << 20

func fromExtent(e *pb.Extent) Extent {
	return Extent{Parameter: e.GetParameter(), Input: e.GetInput(), Times: e.GetTimes(), Plus: e.GetPlus()}
}
