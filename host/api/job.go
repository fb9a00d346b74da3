// Package api is the host's HTTP interface. Every surface is a thin translator to one job type, and what a job may hold
// comes from the endpoint's description alone.
package api

import (
	"context"
	"time"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/schema"
)

// Job is one request, whatever door it came through.
type Job struct {
	Target     string              // an endpoint's name, or a plugin block's
	Texts      map[string][]string // text inputs
	Images     map[string][][]byte // image inputs, encoded as they came
	Parameters map[string]any
}

// Events takes what happens to a job; each function may be nil.
type Events struct {
	Accepted func() // the plugin has begun
	Step     func(done, total int)
	Preview  func(sdk.Image)
}

// Answer is what became of a job.
type Answer struct {
	Plugin   string
	Endpoint string
	Device   string
	Result   sdk.Result
	Values   schema.Values // the parameters that were used, the drawn seed among them
	Queued   time.Duration // waiting for the plugin
	Took     time.Duration // in the plugin
}

// Backend runs jobs.
type Backend interface {
	// Do runs a job; ctx's deadline holds. Every error is an *sdk.Error, ErrNotFound for an unknown target.
	Do(ctx context.Context, job Job, events Events) (Answer, error)
	// Describe returns what an endpoint, or a plugin block, takes.
	Describe(target string) (sdk.Description, bool)
	// Plugins lists what is declared and how it is.
	Plugins() []Plugin
}

// Plugin is one line of `vision ps --json`.
type Plugin struct {
	Name      string  `json:"name"`
	Endpoint  string  `json:"endpoint"`
	State     string  `json:"state"`
	Stage     string  `json:"stage,omitempty"`    // while loading: what is being done
	Progress  float64 `json:"progress,omitempty"` // while loading: 0 to 1
	PID       int     `json:"pid"`
	Device    string  `json:"device"`
	Bytes     int64   `json:"bytes"`
	Restarts  int     `json:"restarts"`
	Queue     int     `json:"queue"`
	Running   int     `json:"running"`
	LastError string  `json:"last_error"`
}

// CodeNotFound is the class of ErrNotFound; it arises in the host, never in a plugin.
const CodeNotFound sdk.Code = "not_found"

// ErrNotFound is for errors.Is: no such endpoint or plugin.
var ErrNotFound = &sdk.Error{Code: CodeNotFound}
