package sdk

import (
	"context"

	"github.com/vision19/vision/sdk/schema"
)

// Endpoint is one kind of inference, such as text-to-image, on one model. It is the whole contract between a model
// author and the host.
//
// Life cycle. Describe may be called at any time, also before Configure. Configure is called once, then Load once,
// then Infer any number of times, then Close once. After an error from Configure or Load only Close follows; the host
// starts a new process to try again. Nothing is reused: one process, one Endpoint value, one configuration, one model.
//
// Concurrency. Describe may run beside everything else. Infer runs in at most Capabilities.MaxConcurrency goroutines
// at once, further requests wait in the SDK. Configure, Load and Close never run beside another call but Describe.
//
// Batches. An endpoint that computes several requests in hardly more time than one is a Batcher too, and says so in Capabilities.MaxBatch.
//
// Cancellation. The context of Load and Infer ends when the caller has gone, when the request's deadline has passed, or
// when the host shuts the plugin down. Infer must return soon after: within one denoising step is what the host expects of a
// diffusion model. What it returns then is dropped. A call that never returns makes the host end the process.
//
// Memory. The Request and its bytes belong to Infer until it returns. The Result and its bytes belong to the SDK
// from the moment that Infer returns them; an Endpoint keeps no reference. Model memory is taken in Load and given back
// by the end of the process, so Close need not free it byte by byte.
//
// Closing. The SDK calls Close after the last Infer has returned, and exits the process after Close. A panic in any
// method is answered as an internal error and does not end the process. The host closes everything else: sockets,
// shared memory, scratch folders, child processes of the plugin.
//
// Output. Anything may be printed: stdout and stderr both go to the plugin's log. Log with log/slog, whose default
// handler Serve sets; the level and the attributes survive.
type Endpoint interface {
	// Describe tells what the endpoint is without a model: fast, constant, and without side effects.
	Describe() Description

	// Configure checks the configuration against what is there (files, devices) without loading it, and returns the
	// description that holds from now on, for instance with the sizes that this model supports. The values have already
	// been checked against Describe's Config schema. An ErrInvalidInput that names a parameter is shown at that line.
	Configure(ctx context.Context, config Config) (Description, error)

	// Load takes the model into memory and warms it up: when it returns, the first Infer is as fast as the others.
	Load(ctx context.Context, progress LoadProgress) error

	// Infer answers one request, whose inputs and values agree with the description. Errors that a caller can act on are
	// an *Error; any other error is told to the caller as internal.
	Infer(ctx context.Context, request Request, progress Progress) (Result, error)

	// Close ends the endpoint.
	Close() error
}

// Config is what an endpoint is configured with.
type Config struct {
	Values schema.Values // the plugin's config block, defaults filled in, paths absolute
	Device Device        // where it has been placed
}

// Device is the device that the host has placed a plugin on. The environment already restricts the process to it.
type Device struct {
	Name        string
	Kind        string // cpu, cuda
	MemoryBytes int64  // what this plugin may take
	Threads     int    // CPU threads it may use, at least 1
}

// LoadProgress takes how much of the loading is done, 0 to 1, and what is being done. It may be called from any goroutine.
type LoadProgress func(fraction float64, stage string)

// Progress takes what has been done of one request. Its methods never block for long and may be called from any goroutine.
type Progress interface {
	// Step reports that done of total steps are finished; done only grows.
	Step(done, total int)
	// WantsPreview reports whether the caller asked for previews.
	WantsPreview() bool
	// Preview sends an unfinished image; dropped unless WantsPreview.
	Preview(Image)
}
