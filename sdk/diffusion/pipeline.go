package diffusion

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/diffusion/tokenizer"
	"github.com/vision19/vision/sdk/onnx"
)

// Options are how a pipeline is run.
type Options struct {
	Session onnx.Options
	// Half holds embeddings, latents and predictions in float16 between the graphs, as a pipeline in half precision does, whatever the graphs
	// compute in. Graphs with float16 inputs and outputs get and give float16 in any case.
	Half bool
}

// Pipeline is a loaded Stable Diffusion model. Its methods may be called from any goroutine.
type Pipeline struct {
	model     Model
	options   Options
	tokenizer *tokenizer.Tokenizer
	text      *onnx.Session
	unet      *onnx.Session
	decoder   *onnx.Session
}

// Load loads the model and paints once, so that the first request is as fast as the others.
func Load(ctx context.Context, m Model, o Options, progress sdk.LoadProgress) (*Pipeline, error) {
	p := &Pipeline{model: m, options: o}
	var err error
	if p.tokenizer, err = tokenizer.Load(filepath.Join(m.Dir, "tokenizer")); err != nil {
		return nil, err
	}
	stages := []struct {
		name    string
		session **onnx.Session
	}{{"text_encoder", &p.text}, {"unet", &p.unet}, {"vae_decoder", &p.decoder}}
	for i, s := range stages {
		progress(float64(i)/4, "loading "+s.name)
		if err := ctx.Err(); err != nil {
			return nil, errors.Join(err, p.Close())
		}
		if *s.session, err = onnx.Load(filepath.Join(m.Dir, s.name, "model.onnx"), o.Session); err != nil {
			return nil, errors.Join(typed(err), p.Close())
		}
	}
	if err := p.check(); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	progress(0.75, "warming up")
	request := Request{Width: m.Defaults.Size, Height: m.Defaults.Size, Steps: 1, Guidance: m.Defaults.Guidance, Scheduler: m.SchedulerName()}
	if _, err := p.TextToImage(ctx, request, silent{}); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	progress(1, "ready")
	return p, nil
}

// check compares the graphs' inputs and outputs with what the pipeline gives and takes.
func (p *Pipeline) check() error {
	var errs []error
	want := func(s *onnx.Session, graph string, find func(string) (onnx.Info, bool), names ...string) {
		for _, name := range names {
			if _, ok := find(name); !ok {
				errs = append(errs, fmt.Errorf("%s/model.onnx has no %s; its inputs are %v, its outputs %v", graph, name, infoNames(s.Inputs()), infoNames(s.Outputs())))
			}
		}
	}
	want(p.text, "text_encoder", p.text.Input, "input_ids")
	want(p.text, "text_encoder", p.text.Output, "last_hidden_state")
	want(p.unet, "unet", p.unet.Input, "sample", "timestep", "encoder_hidden_states")
	want(p.unet, "unet", p.unet.Output, "out_sample")
	want(p.decoder, "vae_decoder", p.decoder.Input, "latent_sample")
	want(p.decoder, "vae_decoder", p.decoder.Output, "sample")
	return errors.Join(errs...)
}

func infoNames(infos []onnx.Info) []string {
	var out []string
	for _, i := range infos {
		out = append(out, i.Name)
	}
	return out
}

// Close frees the model.
func (p *Pipeline) Close() error {
	var errs []error
	for _, s := range []*onnx.Session{p.text, p.unet, p.decoder} {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	return errors.Join(errs...)
}

// silent is a Progress that nobody watches.
type silent struct{}

// Step implements sdk.Progress.
func (silent) Step(int, int) {}

// WantsPreview implements sdk.Progress.
func (silent) WantsPreview() bool { return false }

// Preview implements sdk.Progress.
func (silent) Preview(sdk.Image) {}

// typed gives the runtime's errors the codes that callers decide by.
func typed(err error) error {
	if errors.Is(err, onnx.ErrOutOfMemory) {
		return sdk.NewError(sdk.CodeOutOfMemory, err.Error(), err)
	}
	return err
}
