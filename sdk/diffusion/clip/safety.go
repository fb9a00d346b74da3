package clip

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vision19/vision/sdk/imaging"
	"github.com/vision19/vision/sdk/onnx"
)

// SafetyModel is what a diffusers folder says of its safety checker, without its weights.
type SafetyModel struct {
	Dir          string
	Weights      int64 // bytes
	Preprocessor Preprocessor
}

// InspectSafety reads the safety checker of a folder in the diffusers layout: safety_checker/model.onnx, as diffusers' own script exports
// StableDiffusionSafetyChecker, and feature_extractor/preprocessor_config.json. It reports everything that is missing or wrong at once.
func InspectSafety(dir string) (SafetyModel, error) {
	m := SafetyModel{Dir: dir}
	var missing []string
	for _, name := range []string{"safety_checker/model.onnx", "feature_extractor/preprocessor_config.json"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return m, fmt.Errorf("%s lacks %s: a safety checker needs both its graph and its preprocessing", dir, strings.Join(missing, ", "))
	}
	var err error
	if m.Preprocessor, err = LoadPreprocessor(filepath.Join(dir, "feature_extractor", "preprocessor_config.json")); err != nil {
		return m, err
	}
	width, height := m.Preprocessor.Size()
	g, err := readGraph(m.path(),
		want{input: "clip_input", shape: []int64{-1, 3, int64(height), int64(width)}, output: "has_nsfw_concepts"},
		want{input: "images", shape: []int64{-1, -1, -1, -1}, output: "out_images"})
	m.Weights = g.WeightBytes
	return m, err
}

func (m SafetyModel) path() string { return filepath.Join(m.Dir, "safety_checker", "model.onnx") }

// Safety is a loaded safety checker. Its methods may be called from any goroutine.
type Safety struct {
	model   SafetyModel
	session *onnx.Session
}

// Verdict is what a safety checker says of a picture.
type Verdict struct {
	Unsafe bool
	// Embedding is a unit vector of what the picture shows, by which an unsafe picture can be compared with another without showing it; nil
	// where the graph has no output image_embeds.
	Embedding []float32
}

// LoadSafety loads a safety checker and checks a black picture, so that the first request is as fast as the others.
func LoadSafety(ctx context.Context, m SafetyModel, o onnx.Options) (*Safety, error) {
	session, err := onnx.Load(m.path(), o)
	if err != nil {
		return nil, err
	}
	s := &Safety{model: m, session: session}
	if _, err := s.Check(ctx, imaging.Pixels{Width: 1, Height: 1, Channels: 3, Pix: make([]byte, 3)}); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close frees the model.
func (s *Safety) Close() error { return s.session.Close() }

// Check looks at a picture. It ends soon after its context.
func (s *Safety) Check(ctx context.Context, picture imaging.Pixels) (Verdict, error) {
	one, err := s.model.Preprocessor.Apply(squat(picture))
	if err != nil {
		return Verdict{}, err
	}
	batch, ok := fixedBatch(s.session, "clip_input")
	if !ok {
		batch = 1
	}
	pixels := slices.Repeat(one, batch) // a graph of a fixed batch sees the picture so many times
	w, h := s.model.Preprocessor.Size()
	n, images := int64(batch), s.images(batch)
	shapes := map[string][]int64{"out_images": images, "has_nsfw_concepts": {n}} // of float16 outputs, which the runtime must know before
	if o, ok := s.session.Output("image_embeds"); ok && len(o.Shape) == 2 {
		shapes["image_embeds"] = []int64{n, o.Shape[1]}
	}
	out, err := s.session.Run(ctx, map[string]onnx.Tensor{
		"clip_input": onnx.NewFloats(pixels, n, 3, int64(h), int64(w)),
		"images":     onnx.NewFloats(make([]float32, onnx.Tensor{Shape: images}.Len()), images...),
	}, shapes)
	if err != nil {
		return Verdict{}, err
	}
	return s.verdict(out, batch)
}

// maxRatio is of the longer side to the shorter. A narrower picture is widened by reflection: the model looks at its middle anyway.
const maxRatio = 16

func squat(p imaging.Pixels) imaging.Pixels {
	wider := max(0, (p.Height+maxRatio-1)/maxRatio-p.Width)
	higher := max(0, (p.Width+maxRatio-1)/maxRatio-p.Height)
	return p.PadReflect(wider/2, higher/2, wider-wider/2, higher-higher/2)
}

// images is the shape of the pictures that the graph blackens where they are unsafe. Its answer to them is not used, so they are empty
// and, where the graph leaves the size open, of one pixel.
func (s *Safety) images(batch int) []int64 {
	shape := []int64{int64(batch), 1, 1, 3}
	info, _ := s.session.Input("images")
	for axis := range shape {
		if size, ok := info.Fixed(axis); ok {
			shape[axis] = size
		}
	}
	return shape
}

// verdict reads the graph's answer on the first picture of the batch; exports differ in the type of has_nsfw_concepts.
func (s *Safety) verdict(out map[string]onnx.Tensor, batch int) (Verdict, error) {
	flags := out["has_nsfw_concepts"]
	n := len(flags.Ints) + len(flags.Floats)
	if n == 0 || n%batch != 0 {
		return Verdict{}, fmt.Errorf("%s: has_nsfw_concepts is of %v: a flag a picture is wanted", s.model.path(), flags.Shape)
	}
	var v Verdict
	for i := range n / batch {
		v.Unsafe = v.Unsafe || len(flags.Ints) > 0 && flags.Ints[i] != 0 || len(flags.Floats) > 0 && flags.Floats[i] != 0
	}
	if e, ok := out["image_embeds"]; ok {
		if len(e.Floats) == 0 || len(e.Floats)%batch != 0 {
			return Verdict{}, fmt.Errorf("%s: image_embeds is of %v: a vector a picture is wanted", s.model.path(), e.Shape)
		}
		v.Embedding = e.Floats[:len(e.Floats)/batch]
		if err := unit(v.Embedding); err != nil {
			return Verdict{}, fmt.Errorf("%s: image_embeds: %w", s.model.path(), err)
		}
	}
	return v, nil
}
