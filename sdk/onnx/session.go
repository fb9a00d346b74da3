package onnx

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	ort "github.com/yalue/onnxruntime_go"
)

// Options are how a model is run.
type Options struct {
	Provider     string // one of Providers; "" is cpu
	Threads      int    // CPU threads of one run; 0 leaves it to the runtime, which takes all cores
	Optimization string // one of Optimizations; "" is all
}

// Optimizations are ONNX Runtime's graph optimisation levels: off, basic, extended, all.
func Optimizations() []string { return []string{"off", "basic", "extended", "all"} }

var levels = map[string]ort.GraphOptimizationLevel{
	"off": ort.GraphOptimizationLevelDisableAll, "basic": ort.GraphOptimizationLevelEnableBasic,
	"extended": ort.GraphOptimizationLevelEnableExtended, "all": ort.GraphOptimizationLevelEnableAll, "": ort.GraphOptimizationLevelEnableAll,
}

// Info is one input or output of a graph.
type Info struct {
	Name  string
	Shape []int64 // -1: any
	kind  ort.TensorElementDataType
}

// Half reports whether the elements are float16.
func (i Info) Half() bool { return i.kind == ort.TensorElementDataTypeFloat16 }

// Session is a loaded model. Run may be called from any goroutine; Close waits for the runs under way.
type Session struct {
	path            string
	inputs, outputs []Info
	session         *ort.DynamicAdvancedSession
	running         sync.RWMutex // held for reading by Run: the runtime crashes when a session is closed under it
}

// Load loads a model file; weights in external data files beside it are found by the runtime.
func Load(path string, o Options) (*Session, error) {
	if err := Open(); err != nil {
		return nil, err
	}
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("load a model: %w", err)
	}
	options, err := o.session()
	if err != nil {
		return nil, err
	}
	defer options.Destroy()
	in, out, err := ort.GetInputOutputInfo(path)
	if err != nil {
		return nil, fmt.Errorf("load %s: is it a whole ONNX file, no pointer to one and no part of one? %w", path, failure(err))
	}
	s := &Session{path: path, inputs: infos(in), outputs: infos(out)}
	if s.session, err = ort.NewDynamicAdvancedSession(path, names(s.inputs), names(s.outputs), options); err != nil {
		return nil, fmt.Errorf("load %s: %w", path, failure(err))
	}
	return s, nil
}

func (o Options) session() (*ort.SessionOptions, error) {
	options, err := ort.NewSessionOptions()
	if err != nil {
		return nil, fmt.Errorf("session options: %w", err)
	}
	level, ok := levels[o.Optimization]
	if !ok {
		err = fmt.Errorf("optimization %q: one of %s", o.Optimization, strings.Join(Optimizations(), ", "))
	}
	if err == nil {
		err = options.SetGraphOptimizationLevel(level)
	}
	if err == nil && o.Threads > 0 {
		err = options.SetIntraOpNumThreads(o.Threads)
	}
	if err == nil {
		err = appendProvider(options, o.Provider)
	}
	if err != nil {
		options.Destroy()
		return nil, fmt.Errorf("session options: %w", err)
	}
	return options, nil
}

func infos(in []ort.InputOutputInfo) []Info {
	out := make([]Info, len(in))
	for i, x := range in {
		out[i] = Info{Name: x.Name, Shape: x.Dimensions, kind: x.DataType}
	}
	return out
}

func names(in []Info) []string {
	out := make([]string, len(in))
	for i, x := range in {
		out[i] = x.Name
	}
	return out
}

// Inputs are the graph's inputs.
func (s *Session) Inputs() []Info { return s.inputs }

// Outputs are the graph's outputs.
func (s *Session) Outputs() []Info { return s.outputs }

// Input finds an input by name.
func (s *Session) Input(name string) (Info, bool) { return find(s.inputs, name) }

// Output finds an output by name.
func (s *Session) Output(name string) (Info, bool) { return find(s.outputs, name) }

func find(in []Info, name string) (Info, bool) {
	for _, i := range in {
		if i.Name == name {
			return i, true
		}
	}
	return Info{}, false
}

// Run runs the graph on one tensor an input and returns every output by name. halfShapes gives the shapes of float16 outputs, which must
// be known before; others may be left out. When ctx ends, the run ends at the next node of the graph.
func (s *Session) Run(ctx context.Context, inputs map[string]Tensor, halfShapes map[string][]int64) (map[string]Tensor, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.running.RLock()
	defer s.running.RUnlock()
	if s.session == nil {
		return nil, fmt.Errorf("%s: the session is closed", s.path)
	}
	in, err := s.bind(inputs)
	defer destroy(in)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.path, err)
	}
	out, err := s.prepare(halfShapes)
	defer func() { destroy(out) }()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.path, err)
	}
	if err := s.run(ctx, in, out); err != nil {
		return nil, fmt.Errorf("%s: %w", s.path, err)
	}
	results := make(map[string]Tensor, len(out))
	for i, v := range out {
		if results[s.outputs[i].Name], err = fromValue(v); err != nil {
			return nil, fmt.Errorf("%s: output %s: %w", s.path, s.outputs[i].Name, err)
		}
	}
	return results, nil
}

func (s *Session) bind(inputs map[string]Tensor) ([]ort.Value, error) {
	values := make([]ort.Value, 0, len(s.inputs))
	for _, info := range s.inputs {
		tensor, ok := inputs[info.Name]
		if !ok {
			return values, fmt.Errorf("the input %s is missing", info.Name)
		}
		v, err := tensor.toValue(info.kind)
		if err != nil {
			return values, fmt.Errorf("input %s: %w", info.Name, err)
		}
		values = append(values, v)
	}
	return values, nil
}

// prepare leaves outputs to the runtime, but for float16 ones: the binding allocates those too small.
func (s *Session) prepare(shapes map[string][]int64) ([]ort.Value, error) {
	values := make([]ort.Value, len(s.outputs))
	for i, info := range s.outputs {
		if !info.Half() {
			continue
		}
		shape, ok := shapes[info.Name]
		if !ok {
			return values, fmt.Errorf("the shape of the float16 output %s is not known", info.Name)
		}
		v, err := ort.NewCustomDataTensor(ort.NewShape(shape...), make([]byte, 2*Tensor{Shape: shape}.Len()), info.kind)
		if err != nil {
			return values, fmt.Errorf("output %s: %w", info.Name, err)
		}
		values[i] = v
	}
	return values, nil
}

func (s *Session) run(ctx context.Context, in, out []ort.Value) error {
	options, err := ort.NewRunOptions()
	if err != nil {
		return fmt.Errorf("run options: %w", err)
	}
	defer options.Destroy()
	over := make(chan struct{})
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		select {
		case <-ctx.Done():
			_ = options.Terminate()
		case <-over:
		}
	}()
	err = s.session.RunWithOptions(in, out, options)
	close(over)
	<-watching // the options must outlive the watcher
	// A terminated run may also end well, when its last node was running.
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return failure(err)
}

func destroy(values []ort.Value) {
	for _, v := range values {
		if v != nil {
			_ = v.Destroy()
		}
	}
}

// Close frees the model.
func (s *Session) Close() error {
	s.running.Lock()
	defer s.running.Unlock()
	if s.session == nil {
		return nil
	}
	err := s.session.Destroy()
	s.session = nil
	return err
}

// ErrOutOfMemory is returned when the runtime could not allocate what a model or a run needs.
var ErrOutOfMemory = errors.New("out of memory")

// failure recognises what is out of memory: the runtime has no error code for it, only its allocators' texts.
func failure(err error) error {
	if err == nil {
		return nil
	}
	text := strings.ToLower(err.Error())
	for _, sign := range []string{"failed to allocate memory", "bad_alloc", "out of memory", "cudaerrormemoryallocation"} {
		if strings.Contains(text, sign) {
			return fmt.Errorf("%w: %w", ErrOutOfMemory, err)
		}
	}
	return err
}
