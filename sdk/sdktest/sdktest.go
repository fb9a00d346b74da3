// Package sdktest holds a plugin to the contract that sdk.Endpoint states. The same suite runs on an endpoint in this process and on any
// plugin binary, whatever language it is written in:
//
//	func TestConformance(t *testing.T) {
//		sdktest.Test(t, sdktest.InProcess(func() sdk.Endpoint { return &endpoint{} }), sdktest.Options{})
//		sdktest.Test(t, sdktest.Binary("bin/my-endpoint"), sdktest.Options{Config: map[string]any{"model": "/models/mine"}})
//	}
//
// Requests are made from the plugin's own description and from nothing else. A case that needs what the plugin does not declare, or what the
// target cannot do, is skipped and says so.
package sdktest

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"testing"
	"time"

	"github.com/vision19/vision/sdk"
)

// Options say how a plugin is tested. The zero value is for a plugin that its schema's defaults configure.
type Options struct {
	Config map[string]any // raw values of the config block, paths absolute; nil: the schema's defaults
	Device sdk.Device     // where it is placed; the zero Device is this machine's CPU
	Long   bool           // 1,000 requests where 100 are usual, and no bound on the time of sampled requests
	Match  *regexp.Regexp // only cases whose names match; nil: all
	Report func(Result)   // called after each case; may be nil
}

// What a case can come to.
const (
	Passed  = "passed"
	Failed  = "failed"
	Skipped = "skipped"
)

// Result is what one case came to.
type Result struct {
	Name   string        `json:"name"`
	Result string        `json:"result"` // Passed, Failed or Skipped
	Detail string        `json:"detail"` // what is wrong and what would be right, why it was skipped, or what was measured
	Doc    string        `json:"doc"`    // the promise
	Took   time.Duration `json:"-"`
}

// Report is what all cases came to, in the order in which they ran.
type Report struct {
	Passed  int      `json:"passed"`
	Failed  int      `json:"failed"`
	Skipped int      `json:"skipped"`
	Cases   []Result `json:"cases"`
}

// Case is one promise of the contract.
type Case struct {
	Name string
	Doc  string // the promise, one sentence

	run func(context.Context, *suite) (detail string, err error)
}

// Run runs the suite and returns when every process that it has started is gone. A ctx that ends fails the case that is under way and
// leaves the others out.
func Run(ctx context.Context, target Target, o Options) Report { return newSuite(target, o).run(ctx) }

func (s *suite) run(ctx context.Context) Report {
	defer s.close()
	report := Report{Cases: []Result{}}
	for _, c := range Cases() {
		if ctx.Err() != nil {
			break
		}
		if !s.o.selects(c) {
			continue
		}
		result := s.try(ctx, c)
		report.Cases = append(report.Cases, result)
		switch result.Result {
		case Passed:
			report.Passed++
		case Failed:
			report.Failed++
		default:
			report.Skipped++
		}
		if s.o.Report != nil {
			s.o.Report(result)
		}
	}
	return report
}

// Test runs the suite with each case as a subtest.
func Test(t *testing.T, target Target, o Options) {
	t.Helper()
	s := newSuite(target, o)
	defer s.close()
	for _, c := range Cases() {
		if !o.selects(c) {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			result := s.try(t.Context(), c)
			if o.Report != nil {
				o.Report(result)
			}
			switch result.Result {
			case Failed:
				t.Errorf("%s\nThe promise: %s", result.Detail, result.Doc)
			case Skipped:
				t.Log("not a promise of this plugin: " + result.Detail) // no test that could not run
			default:
				if result.Detail != "" {
					t.Log(result.Detail)
				}
			}
		})
	}
}

func (o Options) selects(c Case) bool { return o.Match == nil || o.Match.MatchString(c.Name) }

// device is where the plugin is told that it is.
func (o Options) device(d sdk.Description) sdk.Device {
	device := o.Device
	if device.Kind == "" {
		device.Name, device.Kind = "cpu0", "cpu"
	}
	if device.Threads == 0 {
		device.Threads = runtime.NumCPU()
	}
	if device.MemoryBytes == 0 {
		device.MemoryBytes = d.MemoryBytes
	}
	return device
}

// caseLimit ends a case that nothing else ends: a model of minutes a picture has time, a hang does not last for ever.
const caseLimit = 30 * time.Minute

// skipped is the error of a case that does not apply.
type skipped string

func (e skipped) Error() string { return string(e) }

func skip(format string, args ...any) error { return skipped(fmt.Sprintf(format, args...)) }

// try runs one case. After a failure the next one gets a new process, so that it fails for its own reasons alone.
func (s *suite) try(ctx context.Context, c Case) Result {
	ctx, cancel := context.WithTimeout(ctx, caseLimit)
	defer cancel()
	began := time.Now()
	detail, err := c.run(ctx, s)
	result := Result{Name: c.Name, Doc: c.Doc, Result: Passed, Detail: detail}
	var left skipped
	switch {
	case errors.As(err, &left):
		result.Result, result.Detail = Skipped, err.Error()
	case err != nil:
		result.Result, result.Detail = Failed, err.Error()
		s.discard()
	}
	s.endFresh()
	result.Took = time.Since(began)
	return result
}
