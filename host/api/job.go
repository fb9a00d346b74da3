// Package api is the host's HTTP interface. Every surface is a thin translator to one job type, and what a job may hold
// comes from the endpoint's description alone.
package api

import (
	"context"
	"time"

	"github.com/vision19/vision/host/sched"
	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/schema"
)

// Job is one request, whatever door it came through.
type Job struct {
	Target     string              // an endpoint's name, or a plugin block's
	Texts      map[string][]string // text inputs
	Images     map[string][][]byte // image inputs, encoded as they came
	Parameters map[string]any

	Class  sched.Class // organic unless it says otherwise
	Client string      // whose request it is: requests of different clients take turns
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

// Plugin is one plugin of `vision ps --json`. Its state and process are those of the replica that is furthest.
type Plugin struct {
	Name      string    `json:"name"`
	Endpoint  string    `json:"endpoint"`
	State     string    `json:"state"`
	Stage     string    `json:"stage,omitempty"`    // while loading: what is being done
	Progress  float64   `json:"progress,omitempty"` // while loading: 0 to 1
	PID       int       `json:"pid"`
	Device    string    `json:"device"`
	Bytes     int64     `json:"bytes"`    // of all replicas
	Restarts  int       `json:"restarts"` // of all replicas
	Queue     int       `json:"queue"`
	Running   int       `json:"running"`
	Busy      bool      `json:"busy"` // requests need it
	LastError string    `json:"last_error"`
	Override  string    `json:"dev_override,omitempty"` // the binary that runs in the place of the declared one
	Replicas  []Replica `json:"replicas"`
}

// Replica is one process of a plugin.
type Replica struct {
	Name      string   `json:"name"`
	State     string   `json:"state"`
	PID       int      `json:"pid"`
	Device    string   `json:"device"`
	Bytes     int64    `json:"bytes"`          // measured
	Reserved  int64    `json:"reserved_bytes"` // of the device's budget
	Restarts  int      `json:"restarts"`
	Running   int      `json:"running"`
	IdleMS    float64  `json:"idle_ms"`
	Pinned    bool     `json:"pinned"` // never unloaded
	LastError string   `json:"last_error"`
	Digest    string   `json:"digest"` // of binary and configuration
	Sandbox   *Sandbox `json:"sandbox,omitempty"`
}

// Sandbox says what a process is kept from.
type Sandbox struct {
	Files    string `json:"files"`    // "confined", or "open: why"
	Network  string `json:"network"`  // "none", "tcp refused", or "open: why"
	Memory   string `json:"memory"`   // "limited", or "open: why"
	Children string `json:"children"` // "contained", or "open: why"
}

// CodeNotFound is the class of ErrNotFound; it arises in the host, never in a plugin.
const CodeNotFound sdk.Code = "not_found"

// ErrNotFound is for errors.Is: no such endpoint or plugin.
var ErrNotFound = &sdk.Error{Code: CodeNotFound}
