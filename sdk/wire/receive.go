package wire

import (
	"fmt"

	"github.com/vision19/vision/sdk"
	pb "github.com/vision19/vision/sdk/internal/proto/v1"
)

// maxEvents bounds the steps and previews of one request: a plugin that reports without end is broken.
const maxEvents = 100_000

// receiver assembles one result from the events of an Infer stream.
type receiver struct {
	limit  int64
	shared []byte // the lent slot

	events  int
	done    int
	header  *pb.Result
	data    []byte
	missing int64
}

func broken(format string, args ...any) error {
	return sdk.NewError(sdk.CodeInternal, "the plugin broke the protocol: "+fmt.Sprintf(format, args...), nil)
}

// take handles one event and returns what is to be reported of it; an error ends the request.
func (r *receiver) take(e *pb.InferEvent, sink Sink) (report func(), err error) {
	if r.events++; r.events > maxEvents {
		return nil, broken("more than %d events for one request", maxEvents)
	}
	switch x := e.GetEvent().(type) {
	case *pb.InferEvent_Accepted:
		return sink.Accepted, nil
	case *pb.InferEvent_Step:
		done, total := int(x.Step.GetDone()), int(x.Step.GetTotal())
		// What moves backward is left out: progress is monotone for whoever watches it.
		if done > r.done && done <= total && sink.Step != nil {
			r.done = done
			return func() { sink.Step(done, total) }, nil
		}
	case *pb.InferEvent_Preview:
		if sink.Preview != nil {
			return func() { sink.Preview(fromImage(x.Preview)) }, nil
		}
	case *pb.InferEvent_Result:
		return nil, r.begin(x.Result)
	case *pb.InferEvent_Chunk:
		if r.header == nil || int64(len(x.Chunk)) > r.missing {
			return nil, broken("more bytes than the result announces")
		}
		r.data = append(r.data, x.Chunk...)
		r.missing -= int64(len(x.Chunk))
	}
	return nil, nil
}

func (r *receiver) begin(header *pb.Result) error {
	if r.header != nil || header == nil {
		return broken("more than one result")
	}
	total := uint64(0)
	for _, b := range header.GetImages() {
		if b.GetSize() > uint64(r.limit)-total {
			return broken("a result of more than the declared %d bytes", r.limit)
		}
		total += b.GetSize()
	}
	r.header, r.missing = header, int64(total)
	if !header.GetInSlot() {
		r.data = make([]byte, 0, total)
		return nil
	}
	if total > uint64(len(r.shared)) {
		return broken("a result beyond its slot")
	}
	// Copied before it is looked at: the plugin can still write to the slot.
	r.data, r.missing = append([]byte(nil), r.shared[:total]...), 0
	return nil
}

func (r *receiver) finish() (sdk.Result, error) {
	if r.header == nil {
		return sdk.Result{}, broken("the stream ended without a result")
	}
	if r.missing > 0 {
		return sdk.Result{}, broken("the stream ended %d bytes before the end of the result", r.missing)
	}
	return fromResult(r.header, r.data), nil
}
