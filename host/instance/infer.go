package instance

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/wire"
)

// answers is what one process has answered so far.
type answers struct {
	good atomic.Bool
	bad  atomic.Int32 // internal errors since the last good answer
}

// badAnswers is how many internal errors in a row end a process: a CUDA context that has met an illegal address fails until the process ends,
// and one that lies about what it makes starts over, too, until it cools down.
const badAnswers = 5

// errLost is in the chain of an error of a request whose process has gone.
var errLost = errors.New("the process was lost")

// Lost reports whether a request failed because its process went, so that another may do it.
func Lost(err error) bool { return errors.Is(err, errLost) }

// Infer sends one checked request to the process, together with the others of its batch unless that is nil. A process that dies under it is one
// sdk.ErrUnavailable with its last lines, for which Lost is true.
func (i *Instance) Infer(ctx context.Context, request sdk.Request, sink wire.Sink, batch *wire.Batch) (sdk.Result, error) {
	s := i.now.Load()
	if s.State != Ready && s.State != Draining || s.process == nil {
		batch.Leave()
		return sdk.Result{}, sdk.NewError(sdk.CodeUnavailable, fmt.Sprintf("plugin %s is %s", i.config.Name, s.State), errLost)
	}
	result, err := s.process.Client().Infer(ctx, s.Description, request, sink, batch)
	switch {
	case err == nil:
		s.answers.good.Store(true)
		s.answers.bad.Store(0)
	case ctx.Err() != nil:
		i.cancelled.Store(request.ID, time.Now())
	case errors.Is(err, sdk.ErrUnavailable) && s.process.Client().Broken():
		err = i.lost(ctx, s, err)
	case errors.Is(err, sdk.ErrBusy) && i.leaves(s): // it drains and takes no more: nothing has been begun
		err = sdk.NewError(sdk.CodeUnavailable, err.Error(), errors.Join(errLost, err))
	case errors.Is(err, sdk.ErrInternal) && s.answers.bad.Add(1) == badAnswers:
		i.tell(func() {
			i.fail(s.generation, fmt.Errorf("the plugin failed %d times in a row, at last: %w", badAnswers, err))
		})
	}
	return result, err
}

// leaves reports whether the process of a snapshot is on its way out.
func (i *Instance) leaves(s *snapshot) bool {
	now := i.now.Load()
	return now.process != s.process || now.State != Ready
}

// lost waits until the process behind a broken connection has been found dead, which it is a moment later, and says how it ended.
func (i *Instance) lost(ctx context.Context, s *snapshot, err error) error {
	for timeout := time.After(endTime); ; {
		now := i.now.Load()
		if now.process != s.process {
			if now.LastError != nil && now.State != Stopped {
				err = now.LastError
			}
			break
		}
		select {
		case <-now.changed:
			continue
		case <-ctx.Done():
		case <-timeout: // it lives, but its connection does not
			err = s.process.Explain(err)
			i.tell(func() { i.fail(s.generation, err) })
		}
		break
	}
	return sdk.NewError(sdk.AsError(err).Code, err.Error(), errors.Join(errLost, err))
}
