package sdk

import (
	"context"
	"fmt"
	"strings"
)

// Batcher is what an Endpoint also is when its description declares a MaxBatch above 1. The host then brings requests that wait at the same
// time together, as far as they agree in the description's BatchKey.
//
// Calls. One InferBatch call has 1 to MaxBatch requests. A request that is alone goes to Infer, so both must give the same answer.
//
// Concurrency. A batch counts as one call: InferBatch and Infer together run in at most Capabilities.MaxConcurrency goroutines at once.
//
// Cancellation. A call's own Context ends when that request is cancelled or past its deadline; the others go on, and what becomes of this one
// is dropped. The context of InferBatch ends when those of all its calls have, or when the host shuts the plugin down; it must then return soon.
//
// Failure. A fault in one request belongs into its Outcome. A panic, or another number of outcomes than of calls, makes the SDK
// answer each call once more with Infer, so that one request does not fail its neighbours.
//
// Memory is as with Infer: the requests belong to InferBatch until it returns, the results to the SDK from then on.
type Batcher interface {
	// InferBatch answers the calls: one outcome for each, in their order.
	InferBatch(ctx context.Context, calls []Call) []Outcome
}

// Call is one request of a batch.
type Call struct {
	Context  context.Context // ends with this request alone
	Request  Request
	Progress Progress // of this request
}

// Outcome is what became of one call: the result, or the error as Infer would return it.
type Outcome struct {
	Result Result
	Err    error
}

// MaxBatchLimit bounds Capabilities.MaxBatch: beyond it a batch computes hardly more in a second, and each of its requests waits longer.
const MaxBatchLimit = 64

// Batch returns how many requests one batch may hold: 1 when the endpoint takes none.
func (c Capabilities) Batch() int { return max(c.MaxBatch, 1) }

// BatchKeyOf returns what requests must have in common to be computed together: requests of one endpoint with the same key may be, others not.
// It is "" when the description declares no batches. The request has been checked.
func (d Description) BatchKeyOf(r Request) string {
	if d.Capabilities.Batch() == 1 {
		return ""
	}
	var key strings.Builder
	key.WriteString("batch")
	for _, name := range d.Capabilities.BatchKey {
		if !d.hasImage(name) {
			fmt.Fprintf(&key, " %s=%#v", name, r.Values[name])
			continue
		}
		fmt.Fprintf(&key, " %s=", name)
		for _, i := range r.Images[name] {
			fmt.Fprintf(&key, "%dx%d,", i.Width, i.Height)
		}
	}
	return key.String()
}

func (d Description) checkBatch(fault func(param, format string, args ...any)) {
	if n := d.Capabilities.MaxBatch; n < 0 || n > MaxBatchLimit {
		fault("max_batch", "is %d: from 0 to %d", n, MaxBatchLimit)
	}
	for _, name := range d.Capabilities.BatchKey {
		if _, ok := d.Parameters.Lookup(name); !ok && !d.hasImage(name) {
			fault("batch_key", "names %q, which is neither a parameter nor an image input", name)
		}
	}
}
