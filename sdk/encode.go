package sdk

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/vision19/vision/sdk/internal/convert"
	pb "github.com/vision19/vision/sdk/internal/proto/v1"
)

// The plugin's half of the conversions; the host's half is in package wire.

func toDescription(d Description) *pb.Description {
	out := &pb.Description{
		Endpoint: d.Endpoint, Title: d.Title, Doc: d.Doc, Version: d.Version, OneOf: d.OneOf, Notes: d.Notes,
		Parameters: convert.ToSchema(d.Parameters), Config: convert.ToSchema(d.Config),
		Output: &pb.Output{
			Kind: string(d.Output.Kind), MediaType: d.Output.MediaType, Width: toExtent(d.Output.Width), Height: toExtent(d.Output.Height),
			Dimensions: uint32(max(d.Output.Dimensions, 0)), MaxBytes: uint64(max(d.Output.MaxBytes, 0)), SameCosine: d.Output.SameCosine,
		},
		MemoryBytes: uint64(max(d.MemoryBytes, 0)),
		Capabilities: &pb.Capabilities{
			MaxConcurrency: uint32(max(d.Capabilities.MaxConcurrency, 0)), Progress: d.Capabilities.Progress, Previews: d.Capabilities.Previews,
			Cancellation: d.Capabilities.Cancellation, Deterministic: d.Capabilities.Deterministic,
			MaxBatch: uint32(max(d.Capabilities.MaxBatch, 0)), BatchKey: d.Capabilities.BatchKey,
		},
	}
	for _, i := range d.Inputs {
		out.Inputs = append(out.Inputs, &pb.Input{
			Name: i.Name, Doc: i.Doc, Kind: string(i.Kind), Required: i.Required, MaxCount: uint32(max(i.MaxCount, 0)),
			MaxLength: uint32(max(i.MaxLength, 0)), MaxPixels: uint64(max(i.MaxPixels, 0)), SameSizeAs: i.SameSizeAs, Content: string(i.Content),
		})
	}
	return out
}

func toExtent(e Extent) *pb.Extent {
	return &pb.Extent{Parameter: e.Parameter, Input: e.Input, Times: e.Times, Plus: e.Plus}
}

func toImage(i Image) *pb.Image {
	return &pb.Image{MediaType: convert.Text(i.MediaType), Width: uint32(max(i.Width, 0)), Height: uint32(max(i.Height, 0)), Data: i.Data}
}

// toResult converts all but the images' bytes.
func toResult(r Result) *pb.Result {
	out := &pb.Result{Values: convert.ToValues(r.Values), Unsafe: r.Unsafe}
	for _, w := range r.Warnings {
		out.Warnings = append(out.Warnings, convert.Text(w))
	}
	for _, i := range r.Images {
		out.Images = append(out.Images, &pb.Blob{
			MediaType: convert.Text(i.MediaType), Width: uint32(max(i.Width, 0)), Height: uint32(max(i.Height, 0)), Size: uint64(len(i.Data)),
		})
	}
	for _, e := range r.Embeddings {
		out.Embeddings = append(out.Embeddings, &pb.Embedding{Values: e})
	}
	if r.Features != nil {
		hashes := make(map[string]string, len(r.Features.Hashes))
		for name, hash := range r.Features.Hashes {
			hashes[convert.Text(name)] = convert.Text(hash)
		}
		out.Features = &pb.Features{Hashes: hashes, Embedding: &pb.Embedding{Values: r.Features.Embedding}}
	}
	return out
}

func fromConfig(r *pb.ConfigureRequest) Config {
	d := r.GetDevice()
	return Config{
		Values: convert.FromValues(r.GetValues()),
		Device: Device{Name: d.GetName(), Kind: d.GetKind(), MemoryBytes: int64(d.GetMemoryBytes()), Threads: max(int(d.GetThreads()), 1)},
	}
}

func fromRequest(r *pb.InferRequest) Request {
	out := Request{ID: r.GetId(), Texts: map[string][]string{}, Images: map[string][]Image{}, Values: convert.FromValues(r.GetValues())}
	for name, texts := range r.GetTexts() {
		out.Texts[name] = texts.GetTexts()
	}
	for name, images := range r.GetImages() {
		for _, i := range images.GetImages() {
			out.Images[name] = append(out.Images[name], Image{MediaType: i.GetMediaType(), Width: int(i.GetWidth()), Height: int(i.GetHeight()), Data: i.GetData()})
		}
	}
	return out
}

var grpcCodes = map[Code]codes.Code{
	CodeInvalidInput: codes.InvalidArgument,
	CodeUnsafe:       codes.FailedPrecondition,
	CodeOutOfMemory:  codes.ResourceExhausted,
	CodeCancelled:    codes.Canceled,
	CodeDeadline:     codes.DeadlineExceeded,
	CodeBusy:         codes.Unavailable,
	CodeUnavailable:  codes.Unavailable,
	CodeInternal:     codes.Internal,
}

// toStatus carries the error in the status's details, so that it arrives as the *Error that it is.
func toStatus(err error) error {
	if err == nil {
		return nil
	}
	e := AsError(err)
	code, ok := grpcCodes[e.Code]
	if !ok {
		code = codes.Internal
	}
	detail := toError(e)
	s, detailErr := status.New(code, detail.GetMessage()).WithDetails(detail)
	if detailErr != nil {
		return status.Error(code, detail.GetMessage())
	}
	return s.Err()
}

// toError gives the error's text as UTF-8: native libraries' messages need not be, and protobuf carries nothing else.
func toError(e *Error) *pb.Error {
	return &pb.Error{
		Code: string(e.Code), Message: convert.Text(e.Message), Param: convert.Text(e.Param),
		RetryAfterMs: uint64(max(e.RetryAfter.Milliseconds(), 0)), Faults: convert.ToFaults(e.Faults),
	}
}
