package sdktest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"sync"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/wire"
)

// maxBatch bounds the batches that are sent.
const maxBatch = 8

// batched sends requests as one batch. The first is cancelled as soon as it is worked on, if so asked.
func (x *session) batched(ctx context.Context, requests []sdk.Request, cancelFirst bool) ([]sdk.Result, []error) {
	results, errs := make([]sdk.Result, len(requests)), make([]error, len(requests))
	batch := wire.NewBatch(len(requests))
	var group sync.WaitGroup
	for i, r := range requests {
		r.ID = x.suite.id()
		group.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, x.suite.limit())
			defer cancel()
			var sink wire.Sink
			if i == 0 && cancelFirst {
				sink.Accepted = cancel
			}
			results[i], errs[i] = x.client.Infer(ctx, x.d, r, sink, batch)
		})
	}
	group.Wait()
	return results, errs
}

// batchable returns requests that one batch may hold: they differ in what is random, which no batch key names.
func (s *suite) batchable(ctx context.Context) (x *session, requests []sdk.Request, err error) {
	if x, err = s.ready(ctx); err != nil {
		return nil, nil, err
	}
	n := min(x.d.Capabilities.MaxBatch, maxBatch)
	if n < 2 {
		return nil, nil, skip("the plugin does not declare that it takes batches")
	}
	for i := range n {
		requests = append(requests, seeded(x.d, s.pace.cheap, uint64(i)))
	}
	return x, requests, nil
}

func batchEqualsSingles(ctx context.Context, s *suite) (string, error) {
	x, requests, err := s.batchable(ctx)
	if err != nil {
		return "", err
	}
	results, errs := x.batched(ctx, requests, false)
	if err := errors.Join(errs...); err != nil {
		return "", x.explain(fmt.Errorf("a batch of %d: %w", len(requests), err))
	}
	for i, r := range requests {
		alone, err := x.answer(ctx, r)
		if err != nil {
			return "", err
		}
		if x.d.Capabilities.Deterministic {
			if err := alike(alone, results[i]); err != nil {
				return "", fmt.Errorf("request %d of a batch of %d: %w", i+1, len(requests), err)
			}
		}
	}
	return fmt.Sprintf("a batch of %d", len(requests)), nil
}

// The difference between an answer alone and one of a batch: sums are taken in another order.
const (
	vectorTolerance = 1e-4 // of a unit vector's number
	pixelTolerance  = 4    // of 255, the mean over a picture's bytes
)

// alike compares two answers. Compressed pictures are compared by size alone: equal pixels need not be equal bytes.
func alike(a, b sdk.Result) error {
	if len(a.Images) != len(b.Images) || len(a.Embeddings) != len(b.Embeddings) || a.Unsafe != b.Unsafe {
		return errors.New("it is answered with other things than alone")
	}
	for i, image := range a.Images {
		other := b.Images[i]
		if image.Width != other.Width || image.Height != other.Height || image.MediaType != other.MediaType {
			return errors.New("its picture has another size than alone")
		}
		if d := difference(image.Data, other.Data); image.MediaType == sdk.RawRGB && d > pixelTolerance {
			return fmt.Errorf("its picture differs by %.1f of 255 from the one alone", d)
		}
	}
	for i, e := range a.Embeddings {
		for k := range e {
			if d := math.Abs(float64(e[k]) - float64(b.Embeddings[i][k])); !(d <= vectorTolerance) {
				return fmt.Errorf("its vector %d differs by %g from the one alone: at most %g", i+1, d, vectorTolerance)
			}
		}
	}
	return nil
}

// difference is the mean of the differences of two pictures' bytes.
func difference(a, b []byte) float64 {
	if len(a) != len(b) || len(a) == 0 {
		return 255
	}
	sum := 0
	for i := range a {
		sum += max(int(a[i])-int(b[i]), int(b[i])-int(a[i]))
	}
	return float64(sum) / float64(len(a))
}

func badInBatch(ctx context.Context, s *suite) (string, error) {
	x, requests, err := s.batchable(ctx)
	if err != nil {
		return "", err
	}
	name, g := "", generator{x.d}
	for i := range requests {
		f := draft{request: requests[i]}
		f.request.Images = maps.Clone(f.request.Images)
		for _, in := range x.d.Inputs {
			if in.Kind != sdk.TextInput {
				g.give(f, in, 1, smallSide)
				name = in.Name
			}
		}
		requests[i] = f.request
	}
	if name == "" {
		return "", skip("it takes no pictures: no other wrong request is known")
	}
	image := requests[0].Images[name][0]
	image.Data = image.Data[:len(image.Data)/2]
	requests[0].Images[name] = []sdk.Image{image}
	_, errs := x.batched(ctx, requests, false)
	if err := errors.Join(errs[1:]...); err != nil {
		return "", x.explain(fmt.Errorf("beside a request with half a picture: %w", err))
	}
	if errs[0] != nil && !errors.Is(errs[0], sdk.ErrInvalidInput) {
		return "", fmt.Errorf("half a picture in a batch: %w: it must be refused as %s", errs[0], sdk.CodeInvalidInput)
	}
	return "", nil
}

func cancelInBatch(ctx context.Context, s *suite) (string, error) {
	x, requests, err := s.batchable(ctx)
	if err != nil {
		return "", err
	}
	_, errs := x.batched(ctx, requests, true)
	if err := errors.Join(errs[1:]...); err != nil {
		return "", x.explain(fmt.Errorf("beside a cancelled request of a batch: %w", err))
	}
	_, err = x.idle(ctx, s.limit())
	return "", err
}
