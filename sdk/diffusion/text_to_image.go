package diffusion

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/diffusion/noise"
	"github.com/vision19/vision/sdk/diffusion/scheduler"
	"github.com/vision19/vision/sdk/imaging"
	"github.com/vision19/vision/sdk/onnx"
)

// The bounds of a request.
const (
	MaxSteps    = 50
	MaxGuidance = 20.0
)

// Request is what to paint.
type Request struct {
	Prompt, Negative string
	Width, Height    int     // px; sizes that are no multiple of the model's factor are rounded up and cropped back
	Steps            int     // 1 to MaxSteps
	Guidance         float64 // classifier-free guidance (Ho and Salimans 2022); 1 and less is without
	Seed             uint32
	Scheduler        string // one of scheduler.Names
	CUDANoise        bool   // the noise of PyTorch's CUDA generator instead of its CPU generator's
}

// Painting is what was painted.
type Painting struct {
	Pixels        []byte // RGB, rows from the top
	Width, Height int
	Warnings      []string
}

// PNG encodes the painting.
func (p Painting) PNG() (sdk.Image, error) {
	data, err := imaging.EncodePNG(p.Pixels, p.Width, p.Height, 3)
	return sdk.Image{MediaType: sdk.PNG, Width: p.Width, Height: p.Height, Data: data}, err
}

// normals is a stream of standard normal numbers; a seed means what it means to a PyTorch user.
type normals interface{ Normal(dst []float32) }

func (r Request) normals() normals {
	if r.CUDANoise {
		return noise.NewPhilox(uint64(r.Seed))
	}
	return noise.NewTorch(uint64(r.Seed))
}

// TextToImage paints a prompt. It ends within one step of its context.
func (p *Pipeline) TextToImage(ctx context.Context, r Request, progress sdk.Progress) (Painting, error) {
	config, err := p.model.Scheduler.With(r.Scheduler)
	if err != nil {
		return Painting{}, sdk.InvalidInput("scheduler", err.Error())
	}
	schedule, err := scheduler.New(config, r.Steps)
	if err != nil {
		return Painting{}, sdk.InvalidInput("steps", err.Error())
	}
	warnings := p.warnings(r)
	embeddings, err := p.encode(ctx, r)
	if err != nil {
		return Painting{}, typed(err)
	}
	f := p.model.Factor
	w, h := (r.Width+f-1)/f, (r.Height+f-1)/f
	latents := make([]float32, p.model.LatentChannels*w*h)
	random := r.normals()
	random.Normal(latents)
	for i := range latents {
		latents[i] *= float32(schedule.InitNoiseSigma())
	}
	l := loop{pipeline: p, request: r, schedule: schedule, embeddings: embeddings, width: w, height: h, random: random, progress: progress}
	if err := l.run(ctx, latents); err != nil {
		return Painting{}, typed(err)
	}
	pixels, err := p.decode(ctx, latents, w, h)
	if err != nil {
		return Painting{}, typed(err)
	}
	return Painting{Pixels: crop(pixels, w*f, r.Width, r.Height), Width: r.Width, Height: r.Height, Warnings: warnings}, nil
}

// warnings tells what of a prompt the model does not take in.
func (p *Pipeline) warnings(r Request) []string {
	var out []string
	for _, text := range []string{r.Prompt, r.Negative} {
		if _, unknown := p.tokenizer.Encode(text); len(unknown) > 0 {
			out = append(out, "the model's vocabulary lacks: "+strings.Join(unknown, ", "))
		}
		if p.tokenizer.Truncated(text) {
			out = append(out, fmt.Sprintf("the prompt is longer than the model reads (%d tokens): its end is left out", p.tokenizer.Length()))
		}
	}
	return out
}

// guided reports whether the unconditional prediction is needed.
func (r Request) guided() bool { return r.Guidance > 1 }

// encode returns the text embeddings [B, L, D], the unconditional one first when there is guidance.
func (p *Pipeline) encode(ctx context.Context, r Request) (onnx.Tensor, error) {
	texts := []string{r.Prompt}
	if r.guided() {
		texts = []string{r.Negative, r.Prompt}
	}
	var ids []int64
	for _, text := range texts {
		encoded, _ := p.tokenizer.Encode(text)
		ids = append(ids, encoded...)
	}
	length := p.tokenizer.Length()
	shape := []int64{int64(len(texts)), int64(length)}
	halves, err := p.textShapes(shape)
	if err != nil {
		return onnx.Tensor{}, err
	}
	out, err := p.text.Run(ctx, map[string]onnx.Tensor{"input_ids": onnx.NewInts(ids, shape...)}, halves)
	if err != nil {
		return onnx.Tensor{}, err
	}
	hidden := out["last_hidden_state"]
	p.round(hidden.Floats)
	return hidden, nil
}

// textShapes are the shapes of a float16 text encoder's outputs: their last dimension is fixed in every export.
func (p *Pipeline) textShapes(ids []int64) (map[string][]int64, error) {
	shapes := map[string][]int64{}
	for _, o := range p.text.Outputs() {
		if !o.Half() {
			continue
		}
		shape := append([]int64(nil), o.Shape...)
		for i := range min(len(shape)-1, 2) {
			shape[i] = ids[i]
		}
		if len(shape) == 0 || shape[len(shape)-1] < 1 {
			return nil, fmt.Errorf("text_encoder/model.onnx: the float16 output %s has the shape %v: its last dimension must be fixed", o.Name, o.Shape)
		}
		shapes[o.Name] = shape
	}
	return shapes, nil
}

func (p *Pipeline) round(x []float32) {
	if p.options.Half {
		onnx.RoundHalf(x)
	}
}

// loop is one denoising.
type loop struct {
	pipeline      *Pipeline
	request       Request
	schedule      scheduler.Scheduler
	embeddings    onnx.Tensor
	width, height int // of the latents
	random        normals
	progress      sdk.Progress
}

// previews is how many unfinished images a watcher gets.
const previews = 4

func (l *loop) run(ctx context.Context, latents []float32) error {
	steps := len(l.schedule.Timesteps())
	input := make([]float32, len(latents))
	for k, t := range l.schedule.Timesteps() {
		l.schedule.ScaleModelInput(input, latents, k)
		prediction, err := l.predict(ctx, input, t)
		if err != nil {
			return err
		}
		l.schedule.Step(k, prediction, latents, l.random.Normal)
		l.pipeline.round(latents)
		l.progress.Step(k+1, steps)
		if l.progress.WantsPreview() && k+1 < steps && (k+1)%max(1, steps/previews) == 0 {
			if err := l.preview(ctx, latents); err != nil {
				return err
			}
		}
	}
	return nil
}

// predict asks the UNet, and guides its answer away from the unconditional one.
func (l *loop) predict(ctx context.Context, input []float32, t float64) ([]float32, error) {
	p, batch := l.pipeline, 1
	if l.request.guided() {
		batch = 2
		input = append(append(make([]float32, 0, 2*len(input)), input...), input...)
	}
	shape := []int64{int64(batch), int64(p.model.LatentChannels), int64(l.height), int64(l.width)}
	out, err := p.unet.Run(ctx, map[string]onnx.Tensor{
		"sample":                onnx.NewFloats(input, shape...),
		"timestep":              l.timestep(t, batch),
		"encoder_hidden_states": l.embeddings,
	}, map[string][]int64{"out_sample": shape})
	if err != nil {
		return nil, err
	}
	prediction := out["out_sample"].Floats
	if len(prediction) != len(input) {
		return nil, fmt.Errorf("unet/model.onnx answers %v for the sample %v", out["out_sample"].Shape, shape)
	}
	if l.request.guided() {
		half := len(prediction) / 2
		unconditional, conditional := prediction[:half], prediction[half:]
		for i, u := range unconditional {
			unconditional[i] = u + float32(l.request.Guidance)*(conditional[i]-u)
		}
		prediction = unconditional
	}
	p.round(prediction)
	return prediction, nil
}

// timestep has the rank that the graph wants: Optimum exports a scalar, diffusers' script one number a batch entry, older ones a single one.
func (l *loop) timestep(t float64, batch int) onnx.Tensor {
	info, _ := l.pipeline.unet.Input("timestep")
	switch {
	case len(info.Shape) == 0:
		return onnx.NewFloats([]float32{float32(t)})
	case info.Shape[0] == 1:
		return onnx.NewFloats([]float32{float32(t)}, 1)
	}
	all := make([]float32, batch)
	for i := range all {
		all[i] = float32(t)
	}
	return onnx.NewFloats(all, int64(batch))
}

func (l *loop) preview(ctx context.Context, latents []float32) error {
	pixels, err := l.pipeline.decode(ctx, latents, l.width, l.height)
	if err != nil {
		return err
	}
	f := l.pipeline.model.Factor
	image, err := Painting{Pixels: crop(pixels, l.width*f, l.request.Width, l.request.Height), Width: l.request.Width, Height: l.request.Height}.PNG()
	if err != nil {
		return err
	}
	l.progress.Preview(image)
	return nil
}

// decode turns latents into RGB pixels, w*Factor x h*Factor.
func (p *Pipeline) decode(ctx context.Context, latents []float32, w, h int) ([]byte, error) {
	scaled := make([]float32, len(latents))
	for i, x := range latents {
		scaled[i] = x / p.model.Scaling
	}
	width, height := w*p.model.Factor, h*p.model.Factor
	shape := []int64{1, 3, int64(height), int64(width)}
	out, err := p.decoder.Run(ctx, map[string]onnx.Tensor{
		"latent_sample": onnx.NewFloats(scaled, 1, int64(p.model.LatentChannels), int64(h), int64(w)),
	}, map[string][]int64{"sample": shape})
	if err != nil {
		return nil, err
	}
	sample := out["sample"].Floats
	if len(sample) != 3*width*height {
		return nil, fmt.Errorf("vae_decoder/model.onnx answers %v, not %v", out["sample"].Shape, shape)
	}
	pixels := make([]byte, len(sample))
	plane := width * height
	for c := range 3 {
		for i, x := range sample[c*plane : (c+1)*plane] {
			pixels[3*i+c] = toByte(x)
		}
	}
	return pixels, nil
}

// toByte maps [-1, 1] to [0, 255] as diffusers' VaeImageProcessor does; what is no number is black.
func toByte(x float32) byte {
	v := math.RoundToEven(float64(x)*127.5 + 127.5)
	if !(v > 0) {
		return 0
	}
	return byte(min(v, 255))
}

// crop takes the top left w x h of RGB rows that are stride pixels wide.
func crop(pixels []byte, stride, w, h int) []byte {
	if stride == w {
		return pixels[:3*w*h]
	}
	out := make([]byte, 0, 3*w*h)
	for y := range h {
		out = append(out, pixels[3*y*stride:3*(y*stride+w)]...)
	}
	return out
}
