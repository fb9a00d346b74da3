package clip

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vision19/vision/sdk/diffusion/internal/config"
	"github.com/vision19/vision/sdk/onnx"
)

// Model is what a model folder says of itself, without its weights.
type Model struct {
	Dir          string
	Dimensions   int   // of an embedding
	Weights      int64 // bytes
	Preprocessor Preprocessor

	patch     int      // px a side of the squares that the picture tower sees
	text      string   // the text tower's graph
	vision    string   // the picture tower's graph; the text tower's where one file holds both
	tokenizer string   // the tokenizer's folder
	graphs    []string // what they are, for a person
}

// Inspect reads a folder of a transformers CLIPModel that was exported to ONNX, and reports everything that is missing or wrong in it at once.
// It holds config.json, preprocessor_config.json, the tokenizer (vocab.json, merges.txt, tokenizer_config.json; or in a folder tokenizer/), and
// either text_model.onnx and vision_model.onnx (outputs text_embeds and image_embeds) or model.onnx with both; the graphs may lie in onnx/.
func Inspect(dir string) (Model, error) {
	m := Model{Dir: dir, tokenizer: dir}
	info, err := os.Stat(dir)
	if err != nil || !info.IsDir() {
		return m, fmt.Errorf("%s is no folder: name one of a CLIP model exported to ONNX, such as examples/models/tiny-clip", dir)
	}
	if !m.has("vocab.json") && m.has("tokenizer") {
		m.tokenizer = filepath.Join(dir, "tokenizer")
	}
	missing := m.missing()
	if len(missing) > 0 {
		return m, fmt.Errorf("%s lacks %s; export the model to ONNX in the layout of transformers' CLIPModel", dir, strings.Join(missing, ", "))
	}
	if err := m.configure(); err != nil {
		return m, err
	}
	return m, m.checkGraphs()
}

func (m *Model) has(name string) bool {
	_, err := os.Stat(filepath.Join(m.Dir, name))
	return err == nil
}

// missing finds the graphs, and names the files that are not there.
func (m *Model) missing() []string {
	var missing []string
	names := []string{"config.json", "preprocessor_config.json"}
	for _, name := range []string{"vocab.json", "merges.txt"} {
		if rel, err := filepath.Rel(m.Dir, filepath.Join(m.tokenizer, name)); err == nil {
			names = append(names, rel)
		}
	}
	for _, name := range names {
		if !m.has(name) {
			missing = append(missing, name)
		}
	}
	// The towers' own files come first: with both in one, each needs something to give to the other.
	for _, pair := range [][2]string{{"text_model.onnx", "vision_model.onnx"}, {"model.onnx", "model.onnx"}} {
		for _, folder := range []string{"", "onnx"} {
			text, vision := filepath.Join(folder, pair[0]), filepath.Join(folder, pair[1])
			if m.has(text) && m.has(vision) {
				m.text, m.vision = filepath.Join(m.Dir, text), filepath.Join(m.Dir, vision)
				return missing
			}
		}
	}
	return append(missing, "text_model.onnx and vision_model.onnx, or model.onnx (here or in onnx/)")
}

// configure reads config.json and preprocessor_config.json.
func (m *Model) configure() error {
	path := filepath.Join(m.Dir, "config.json")
	described := struct {
		Architectures []string `json:"architectures"`
		Type          string   `json:"model_type"`
		Dimensions    int      `json:"projection_dim"`
		Vision        struct {
			Patch int `json:"patch_size"`
		} `json:"vision_config"`
	}{Dimensions: 512} // transformers' default
	described.Vision.Patch = 32 // likewise
	if err := config.Decode(path, &described); err != nil {
		return err
	}
	if described.Type != "clip" && !slices.Contains(described.Architectures, "CLIPModel") {
		return fmt.Errorf("%s describes a model of type %q (%s): a CLIPModel is wanted", path, described.Type, strings.Join(described.Architectures, ", "))
	}
	if described.Dimensions < 1 || described.Dimensions > maxDimensions {
		return fmt.Errorf("%s: projection_dim is %d: from 1 to %d", path, described.Dimensions, maxDimensions)
	}
	m.Dimensions, m.patch = described.Dimensions, max(described.Vision.Patch, 1)
	var err error
	m.Preprocessor, err = LoadPreprocessor(filepath.Join(m.Dir, "preprocessor_config.json"))
	return err
}

// maxDimensions bounds an embedding; published CLIP models have 512 to 1280.
const maxDimensions = 16384

// checkGraphs compares the graphs' inputs and outputs with what is given and taken, and adds up their weights.
func (m *Model) checkGraphs() error {
	width, height := m.Preprocessor.Size()
	pixels := want{input: "pixel_values", shape: []int64{-1, 3, int64(height), int64(width)}, output: "image_embeds", last: m.Dimensions}
	ids := want{input: "input_ids", shape: []int64{-1, -1}, output: "text_embeds", last: m.Dimensions}
	if m.text == m.vision {
		return m.checkGraph(m.text, ids, pixels)
	}
	return errors.Join(m.checkGraph(m.text, ids), m.checkGraph(m.vision, pixels))
}

func (m *Model) checkGraph(path string, wants ...want) error {
	g, err := readGraph(path, wants...)
	m.Weights += g.WeightBytes
	m.graphs = append(m.graphs, fmt.Sprintf("%s: %s", filepath.Base(path), g))
	return err
}

// readGraph reads a graph's structure, and reports everything that is missing or wrong in it at once.
func readGraph(path string, wants ...want) (onnx.Graph, error) {
	g, err := onnx.ReadGraph(path)
	if err != nil {
		return g, err
	}
	errs := []error{g.Check(filepath.Dir(path))}
	for _, w := range wants {
		errs = append(errs, w.check(path, g))
	}
	return g, errors.Join(errs...)
}

// want is what one side of a graph must have. In a shape, -1 is anything.
type want struct {
	input  string
	shape  []int64
	output string
	last   int // the output's last dimension; 0: anything
}

func (w want) check(path string, g onnx.Graph) error {
	var errs []error
	if in := slices.IndexFunc(g.Inputs, func(i onnx.Info) bool { return i.Name == w.input }); in < 0 {
		errs = append(errs, fmt.Errorf("%s has no input %s, only %s", path, w.input, onnx.Names(g.Inputs)))
	} else if got := g.Inputs[in].Shape; !fits(got, w.shape) {
		errs = append(errs, fmt.Errorf("%s: the input %s takes %v, but it is given %v (-1: any size); config and graph are of different models", path, w.input, got, w.shape))
	} else if got[0] > maxBatch || slices.Contains(got, 0) || slices.Max(got) > MaxSize {
		errs = append(errs, fmt.Errorf("%s: the input %s takes %v: at most %d at a time and %d a side are supported; export it with open axes", path, w.input, got, maxBatch, MaxSize))
	}
	if out := slices.IndexFunc(g.Outputs, func(i onnx.Info) bool { return i.Name == w.output }); out < 0 {
		errs = append(errs, fmt.Errorf("%s has no output %s, only %s; export it with its projection", path, w.output, onnx.Names(g.Outputs)))
	} else if s := g.Outputs[out].Shape; w.last > 0 && len(s) > 0 && s[len(s)-1] > 0 && s[len(s)-1] != int64(w.last) {
		errs = append(errs, fmt.Errorf("%s: the output %s has %d dimensions, but projection_dim is %d", path, w.output, s[len(s)-1], w.last))
	}
	return errors.Join(errs...)
}

// fits tells whether tensors of one shape can be given for another; either may leave sizes open.
func fits(declared, given []int64) bool {
	if len(declared) != len(given) {
		return false
	}
	for i, d := range declared {
		if d > 0 && given[i] > 0 && d != given[i] {
			return false
		}
	}
	return true
}

// Memory estimates what a process with this model needs: the weights, once as read and once as the runtime arranges them in fp32, the runtime
// itself, and the activations of one batch, which grow with the picture's area.
func (m Model) Memory() int64 {
	w, h := m.Preprocessor.Size()
	return 3*m.Weights + 256<<20 + int64(maxBatch*w*h)*128
}

// Notes says what has been found in the folder, for a person.
func (m Model) Notes() []string {
	w, h := m.Preprocessor.Size()
	return append([]string{fmt.Sprintf("CLIP: embeddings of %d numbers, images of %d x %d px", m.Dimensions, w, h)}, m.graphs...)
}
