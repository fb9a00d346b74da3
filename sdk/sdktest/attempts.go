package sdktest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/wire"
)

// edgeTime is what one request at an edge may take before it is left at that: the highest values may be meant for other machines. edgesTime is what all
// of them take at most.
const (
	edgeTime  = 3 * time.Second
	edgesTime = 12 * time.Second
)

// tally counts what requests that may be refused came to.
type tally struct{ answered, refused, left int }

func (t tally) String() string {
	return fmt.Sprintf("%d answered, %d refused by name, %d left out because they take long", t.answered, t.refused, t.left)
}

// attempt asks what may be answered, or refused as wrong input by the name of an input or a parameter.
func (x *session) attempt(ctx context.Context, f draft, t *tally) error {
	r, err := f.check(x.d, rand.New(rand.NewPCG(1, 5)))
	if err != nil {
		return fmt.Errorf("%s: the description refuses a value of its own: %w", f.what, err)
	}
	limit := max(edgeTime, 5*x.suite.pace.usualCost)
	if x.suite.o.Long {
		limit = 100 * limit
	}
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	result, err := x.infer(limited, r, wire.Sink{})
	switch {
	case !x.alive():
		return x.explain(fmt.Errorf("%s: %w", f.what, err))
	case limited.Err() != nil:
		t.left++
		return x.settle(ctx)
	case err == nil:
		t.answered++
		return wrap(f.what, reported(x.d, result))
	}
	e := sdk.AsError(err)
	_, parameter := x.d.Parameters.Lookup(e.Param)
	_, input := x.d.Input(e.Param)
	if e.Code != sdk.CodeInvalidInput || !(parameter || input) {
		return fmt.Errorf("%s, %s: %w (%s of %q): it must be answered, or refused as %s of an input or a parameter", f.what, show(r), err, e.Code, e.Param, sdk.CodeInvalidInput)
	}
	t.refused++
	return nil
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// settle waits until what was cancelled has ended. A plugin that cannot cancel gets a new process from the next case on.
func (x *session) settle(ctx context.Context) error {
	if !x.d.Capabilities.Cancellation {
		x.suite.discard()
		return errBusy
	}
	_, err := x.idle(ctx, x.suite.stopLimit()+x.suite.limit())
	return err
}

// errBusy ends a case early: the plugin works on something that cannot be cancelled.
var errBusy = errors.New("the plugin is busy")

// attempts asks all of them while there is time.
func (s *suite) attempts(ctx context.Context, drafts []draft) (string, error) {
	x, err := s.ready(ctx)
	if err != nil {
		return "", err
	}
	var t tally
	began := time.Now()
	for i, f := range drafts {
		if time.Since(began) > edgesTime && !s.o.Long {
			t.left += len(drafts) - i
			break
		}
		err := x.attempt(ctx, f, &t)
		if errors.Is(err, errBusy) {
			t.left += len(drafts) - i - 1
			break
		} else if err != nil {
			return "", err
		}
	}
	return t.String(), nil
}
