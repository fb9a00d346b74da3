package onnx

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	ort "github.com/yalue/onnxruntime_go"
)

// Options are how a model is run.
type Options struct {
	Provider     string // one of Providers; "" is cpu
	Threads      int    // CPU threads of one run; 0 leaves it to the runtime, which takes all cores
	Optimization string // one of Optimizations; "" is all

	// Observe, if set, is called before every run with what the caller gave it, from the caller's goroutine. It must not change the
	// tensors, and copies what it keeps.
	Observe func(path string, inputs map[string]Tensor)
}

// Optimizations are ONNX Runtime's graph optimisation levels: off, basic, extended, all.
func Optimizations() []string { return []string{"off", "basic", "extended", "all"} }

var levels = map[string]ort.GraphOptimizationLevel{
	"off": ort.GraphOptimizationLevelDisableAll, "basic": ort.GraphOptimizationLevelEnableBasic,
	"extended": ort.GraphOptimizationLevelEnableExtended, "all": ort.GraphOptimizationLevelEnableAll, "": ort.GraphOptimizationLevelEnableAll,
}

// Session is a loaded model. Run may be called from any goroutine; Close waits for the runs under way.
type Session struct {
	path     string
	graph    Graph
	observe  func(path string, inputs map[string]Tensor)
	fed      []Info            // inputs in the order that the binding was told: it takes all of them in every run
	defaults map[string]Tensor // what an optional input is fed when a run does not give it
	session  *ort.DynamicAdvancedSession
	running  sync.RWMutex // held for reading by Run: the runtime crashes when a session is closed under it
}

// Load loads a model file, and the weights in external data files beside it; a model of more than 2 GiB, which one ONNX file cannot hold,
// has them there. On cpu the runtime maps those files: weights that it uses as they are cost no memory of their own, those that it packs
// anew, as for matrix products, cost it once. Besides those of ReadGraph and Check, the errors are ErrLibrary and
// ErrOutOfMemory; others are the runtime's, as for an operator that it lacks.
func Load(path string, o Options) (*Session, error) {
	if err := Open(); err != nil {
		return nil, err
	}
	// The runtime could tell the inputs and outputs too, but the binding would load the model twice for that.
	g, err := ReadGraph(path)
	if err != nil {
		return nil, fmt.Errorf("load %w", err)
	}
	if err := g.Check(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("load %s: %w", path, err)
	}
	s := &Session{path: path, graph: g, observe: o.Observe, fed: slices.Clone(g.Inputs)}
	if s.defaults, err = readDefaults(path, g); err != nil {
		return nil, fmt.Errorf("load %s: %w", path, err)
	}
	for _, info := range g.Optional {
		if _, ok := s.defaults[info.Name]; ok {
			s.fed = append(s.fed, info)
		}
	}
	if len(s.fed) == 0 || len(g.Outputs) == 0 {
		return nil, fmt.Errorf("load %s: a graph without inputs or outputs cannot be run: %d and %d", path, len(s.fed), len(g.Outputs))
	}
	if err := s.infer(); err != nil {
		return nil, fmt.Errorf("load %s: %w", path, failure(err))
	}
	options, err := o.session()
	if err != nil {
		return nil, err
	}
	defer options.Destroy()
	if slices.ContainsFunc(g.Optional, Info.Half) {
		// On cpu ONNX Runtime 1.27 crashes when this optimisation, of the level all, meets a float16 initializer that a run may replace; its
		// issue 32405 tells of others that it crashes on.
		if err := options.AddSessionConfigEntry("optimization.disable_specified_optimizers", "FuseFp16InitializerToFp32NodeTransformer"); err != nil {
			return nil, fmt.Errorf("session options: %w", err)
		}
	}
	if s.session, err = ort.NewDynamicAdvancedSession(path, names(s.fed), names(g.Outputs), options); err != nil {
		return nil, fmt.Errorf("load %s: %w", path, failure(err))
	}
	return s, nil
}

// infer asks the runtime for the shapes of float16 outputs that the file leaves open, which exporters often do where all but the batch is
// known. It costs one more loading, if the cheapest.
func (s *Session) infer() error {
	open := func(i Info) bool { return i.Half() && !i.fixed() }
	if !slices.ContainsFunc(s.graph.Outputs, open) {
		return nil
	}
	options, err := Options{Optimization: "off"}.session()
	if err != nil {
		return err
	}
	defer options.Destroy()
	if err := options.AddSessionConfigEntry("session.disable_prepacking", "1"); err != nil {
		return err
	}
	_, inferred, err := ort.GetInputOutputInfoWithOptions(s.path, options)
	if err != nil {
		return err
	}
	for i, x := range inferred {
		if i < len(s.graph.Outputs) && open(s.graph.Outputs[i]) && len(x.Dimensions) > 0 {
			s.graph.Outputs[i].Shape = x.Dimensions
			s.graph.Outputs[i].Axes = append(s.graph.Outputs[i].Axes, make([]string, len(x.Dimensions))...)[:len(x.Dimensions)]
		}
	}
	return nil
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

// Graph is the model file's structure.
func (s *Session) Graph() Graph { return s.graph }

// Inputs are the graph's inputs that every run must be given.
func (s *Session) Inputs() []Info { return s.graph.Inputs }

// Outputs are the graph's outputs. Of float16 ones the runtime infers the axes that the file leaves open, where it can.
func (s *Session) Outputs() []Info { return s.graph.Outputs }

// Input finds an input by name, a required or an optional one.
func (s *Session) Input(name string) (Info, bool) { return find(s.fed, name) }

// Output finds an output by name.
func (s *Session) Output(name string) (Info, bool) { return find(s.graph.Outputs, name) }

// Run runs the graph on one tensor an input and returns every output by name; optional inputs may be left out, and other names are
// ignored. halfShapes gives the shapes of float16 outputs that the model file leaves open (see Info.Fixed), which must be known before the
// run; it may be nil where there are none. When ctx ends, the run ends at the next node of the graph. A tensor that its input cannot take
// is ErrElementType.
func (s *Session) Run(ctx context.Context, inputs map[string]Tensor, halfShapes map[string][]int64) (map[string]Tensor, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.running.RLock()
	defer s.running.RUnlock()
	if s.session == nil {
		return nil, fmt.Errorf("%s: the session is closed", s.path)
	}
	if s.observe != nil {
		s.observe(s.path, inputs)
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
		name := s.graph.Outputs[i].Name
		if results[name], err = fromValue(v); err != nil {
			return nil, fmt.Errorf("%s: output %s: %w", s.path, name, err)
		}
	}
	return results, nil
}

func (s *Session) bind(inputs map[string]Tensor) ([]ort.Value, error) {
	for _, info := range s.graph.Optional {
		_, given := inputs[info.Name]
		if _, ok := s.defaults[info.Name]; given && !ok {
			return nil, fmt.Errorf("the input %s cannot be given: its default value has more than %d bytes, is in another file, or is of an element type that cannot be fed", info.Name, maxDefault)
		}
	}
	values := make([]ort.Value, 0, len(s.fed))
	for _, info := range s.fed {
		tensor, ok := inputs[info.Name]
		if !ok {
			tensor, ok = s.defaults[info.Name]
		}
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

// prepare leaves outputs to the runtime, but for float16 ones and scalars: the binding allocates those too small.
func (s *Session) prepare(shapes map[string][]int64) ([]ort.Value, error) {
	values := make([]ort.Value, len(s.graph.Outputs))
	for i, info := range s.graph.Outputs {
		var err error
		switch shape, given := shapes[info.Name]; {
		case info.Half() && given:
			values[i], err = newHalfOutput(shape)
		case info.Half() && info.fixed():
			values[i], err = newHalfOutput(info.Shape)
		case info.Half():
			err = fmt.Errorf("its shape %v has to be known before the run, for it is float16", info.Shape)
		case info.fixed() && len(info.Shape) == 0:
			values[i], err = newScalar(info.kind)
		}
		if err != nil {
			return values, fmt.Errorf("output %s: %w", info.Name, err)
		}
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
