package diffusion

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/diffusion/clip"
	"github.com/vision19/vision/sdk/onnx"
)

// Options are how a pipeline is run.
type Options struct {
	Session onnx.Options
	// Half holds embeddings, latents and predictions in float16 between the graphs, as a pipeline in half precision does, whatever the graphs
	// compute in. Graphs with float16 inputs and outputs get and give float16 in any case.
	Half bool
	// CUDANoise takes a seed's numbers from PyTorch's CUDA generator instead of its CPU generator.
	CUDANoise bool
}

// Pipeline is a loaded model. Its methods may be called from any goroutine.
type Pipeline struct {
	model   Model
	options Options
	graphs  map[string]*onnx.Session // by folder
	prior   *prior                   // nil but for the family that has one
	safety  *clip.Safety             // nil unless the folder has one
}

// Load loads the graphs that Inspect has found. It does not warm up.
func Load(ctx context.Context, m Model, o Options, progress sdk.LoadProgress) (*Pipeline, error) {
	p := &Pipeline{model: m, options: o, graphs: map[string]*onnx.Session{}}
	if err := p.load(ctx, progress); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

func (p *Pipeline) load(ctx context.Context, progress sdk.LoadProgress) error {
	m := p.model
	var err error
	done := int64(0)
	for _, name := range slices.Sorted(maps.Keys(m.Graphs)) {
		progress(float64(done)/float64(max(m.Weights, 1)), "loading "+name)
		if err := ctx.Err(); err != nil {
			return err
		}
		if p.graphs[name], err = onnx.Load(m.path(name), p.options.Session); err != nil {
			return err
		}
		done += m.Graphs[name].WeightBytes
	}
	if m.family.prior {
		p.prior = &prior{}
	}
	if m.safety != nil {
		progress(1, "loading safety_checker")
		p.safety, err = clip.LoadSafety(ctx, *m.safety, p.options.Session)
	}
	return err
}

// Close frees the model.
func (p *Pipeline) Close() error {
	var errs []error
	for _, s := range p.graphs {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	if p.safety != nil {
		errs = append(errs, p.safety.Close())
	}
	return errors.Join(errs...)
}

// run runs a graph. dims are the leading sizes of its outputs: those of float16 outputs must be known before.
func (p *Pipeline) run(ctx context.Context, graph string, inputs map[string]onnx.Tensor, dims ...int64) (map[string]onnx.Tensor, error) {
	return p.runShaped(ctx, graph, inputs, func(onnx.Info) []int64 { return dims })
}

func (p *Pipeline) runShaped(ctx context.Context, graph string, inputs map[string]onnx.Tensor, dims func(onnx.Info) []int64) (map[string]onnx.Tensor, error) {
	s := p.graphs[graph]
	shapes := map[string][]int64{}
	for _, o := range s.Outputs() {
		if !o.Half() {
			continue
		}
		shape, known := slices.Clone(o.Shape), dims(o)
		for i := range shape {
			if _, fixed := o.Fixed(i); !fixed && i < len(known) {
				shape[i] = known[i]
			}
			if shape[i] < 1 {
				return nil, fmt.Errorf("%s: the float16 output %s has the shape %v: axis %d must be fixed", p.model.path(graph), o.Name, o.Shape, i)
			}
		}
		shapes[o.Name] = shape
	}
	return s.Run(ctx, inputs, shapes)
}

func (p *Pipeline) round(x []float32) {
	if p.options.Half {
		onnx.RoundHalf(x)
	}
}

// silent is a Progress that nobody watches.
type silent struct{}

// Step implements sdk.Progress.
func (silent) Step(int, int) {}

// WantsPreview implements sdk.Progress.
func (silent) WantsPreview() bool { return false }

// Preview implements sdk.Progress.
func (silent) Preview(sdk.Image) {}
