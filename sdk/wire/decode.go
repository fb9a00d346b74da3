package wire

import (
	"context"
	"errors"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/internal/convert"
	pb "github.com/vision19/vision/sdk/internal/proto/v1"
)

// The host's half of the conversions; the plugin's half is in package sdk. Every function is total.

// fromDescription goes by bytes, so that the one conversion, which the host's memory of descriptions uses too, is sdk's.
func fromDescription(d *pb.Description) sdk.Description {
	var out sdk.Description
	data, err := proto.Marshal(d)
	if err != nil || out.UnmarshalBinary(data) != nil {
		return sdk.Description{} // text that is not UTF-8: Check then refuses it
	}
	return out
}

func fromImage(i *pb.Image) sdk.Image {
	return sdk.Image{MediaType: i.GetMediaType(), Width: int(i.GetWidth()), Height: int(i.GetHeight()), Data: i.GetData()}
}

// fromResult cuts data into the images that the header announces; begin has checked that they fit.
func fromResult(r *pb.Result, data []byte) sdk.Result {
	out := sdk.Result{Values: convert.FromValues(r.GetValues()), Unsafe: r.GetUnsafe(), Warnings: r.GetWarnings()}
	for _, b := range r.GetImages() {
		n := min(b.GetSize(), uint64(len(data)))
		out.Images = append(out.Images, sdk.Image{MediaType: b.GetMediaType(), Width: int(b.GetWidth()), Height: int(b.GetHeight()), Data: data[:n:n]})
		data = data[n:]
	}
	for _, e := range r.GetEmbeddings() {
		out.Embeddings = append(out.Embeddings, e.GetValues())
	}
	if f := r.GetFeatures(); f != nil {
		out.Features = &sdk.Features{Hashes: f.GetHashes(), Embedding: f.GetEmbedding().GetValues()}
	}
	return out
}

func toConfig(c sdk.Config) *pb.ConfigureRequest {
	return &pb.ConfigureRequest{
		Values: convert.ToValues(c.Values),
		Device: &pb.Device{Name: c.Device.Name, Kind: c.Device.Kind, MemoryBytes: uint64(max(c.Device.MemoryBytes, 0)), Threads: uint32(max(c.Device.Threads, 0))},
	}
}

func toRequest(r sdk.Request) *pb.InferRequest {
	out := &pb.InferRequest{Id: r.ID, Values: convert.ToValues(r.Values)}
	if len(r.Texts) > 0 {
		out.Texts = make(map[string]*pb.Texts, len(r.Texts))
	}
	for name, texts := range r.Texts {
		out.Texts[name] = &pb.Texts{Texts: texts}
	}
	if len(r.Images) > 0 {
		out.Images = make(map[string]*pb.Images, len(r.Images))
	}
	for name, images := range r.Images {
		list := &pb.Images{}
		for _, i := range images {
			list.Images = append(list.Images, &pb.Image{MediaType: i.MediaType, Width: uint32(max(i.Width, 0)), Height: uint32(max(i.Height, 0)), Data: i.Data})
		}
		out.Images[name] = list
	}
	return out
}

// known are the codes that a plugin may answer with; a newer plugin's others become internal.
var known = map[sdk.Code]bool{
	sdk.CodeInvalidInput: true, sdk.CodeUnsafe: true, sdk.CodeOutOfMemory: true, sdk.CodeCancelled: true,
	sdk.CodeDeadline: true, sdk.CodeBusy: true, sdk.CodeUnavailable: true, sdk.CodeInternal: true,
}

// maxMessage bounds an error's text from a plugin: it goes into logs and answers.
const maxMessage = 4096

func clip(text string) string {
	if len(text) > maxMessage {
		return strings.ToValidUTF8(text[:maxMessage], "") + "..."
	}
	return text
}

func fromError(e *pb.Error) *sdk.Error {
	code := sdk.Code(e.GetCode())
	if !known[code] {
		code = sdk.CodeInternal
	}
	out := sdk.NewError(code, clip(e.GetMessage()), nil)
	out.Param, out.RetryAfter, out.Faults = clip(e.GetParam()), convert.FromMillis(e.GetRetryAfterMs()), convert.FromFaults(e.GetFaults())
	return out
}

// fromStatus turns what gRPC returns into an *sdk.Error; nil stays nil.
func fromStatus(err error) error {
	if err == nil {
		return nil
	}
	s, _ := status.FromError(err)
	for _, detail := range s.Details() {
		if e, ok := detail.(*pb.Error); ok {
			return fromError(e)
		}
	}
	switch {
	case s.Code() == codes.Canceled || errors.Is(err, context.Canceled):
		return sdk.AsError(context.Canceled)
	case s.Code() == codes.DeadlineExceeded || errors.Is(err, context.DeadlineExceeded):
		return sdk.AsError(context.DeadlineExceeded)
	case s.Code() == codes.Unavailable:
		return sdk.NewError(sdk.CodeUnavailable, "the connection to the plugin broke: "+clip(s.Message()), err)
	case s.Code() == codes.ResourceExhausted: // gRPC's own message limit: nothing of ours uses the code without details
		return sdk.NewError(sdk.CodeInvalidInput, "the request is too large: "+clip(s.Message()), err)
	}
	return sdk.NewError(sdk.CodeInternal, clip(s.Message()), err)
}
