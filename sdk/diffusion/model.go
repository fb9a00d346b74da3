package diffusion

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vision19/vision/sdk/diffusion/clip"
	"github.com/vision19/vision/sdk/diffusion/internal/config"
	"github.com/vision19/vision/sdk/diffusion/scheduler"
	"github.com/vision19/vision/sdk/diffusion/tokenizer"
	"github.com/vision19/vision/sdk/onnx"
)

// Model is what a model folder says of itself, without its weights.
type Model struct {
	Dir    string
	Class  string // _class_name of model_index.json
	Family string // such as Stable Diffusion XL

	Scheduler scheduler.Config
	Graphs    map[string]onnx.Graph // those that are used, by their folder
	Weights   int64                 // bytes of their weights

	LatentChannels int     // 4 in every family
	Channels       int     // that the UNet takes: LatentChannels, or 9 for inpainting
	SampleSize     int     // the latents' side that the model was trained on
	Factor         int     // pixels per latent: 2^(len(block_out_channels)-1) of the VAE
	Multiple       int     // px: what sides are padded to, so that the UNet can halve its latents
	Scaling        float32 // the VAE's scaling_factor
	GuidanceEmbed  int     // length of the guidance embedding that a distilled UNet takes in place of guidance; 0 is none
	ZeroNegative   bool    // an absent negative prompt is zeros, not the embedding of ""
	FixedSize      int     // px a side, of graphs with fixed axes; 0 is any

	Defaults Defaults

	family     family
	prior      priorSettings                   // of the family that has one
	safety     *clip.SafetyModel               // nil: the folder has no safety checker
	named      bool                            // model_index.json names a safety checker
	tokenizers map[string]*tokenizer.Tokenizer // by folder
	levels     int                             // of the UNet
	layers     int                             // of each of its levels
}

// Defaults are the settings that a model wants and the bounds that it works in. They come from generation_config.json in the model's
// folder, which is ours; without it they are diffusers' own.
type Defaults struct {
	Steps    int     `json:"num_inference_steps"`
	Guidance float64 `json:"guidance_scale"`
	Size     int     `json:"default_size"` // px
	MinSize  int     `json:"min_size"`     // px
	MaxSize  int     `json:"max_size"`     // px
}

// Pixels is the largest area that the model paints.
func (d Defaults) Pixels() int { return d.MaxSize * d.MaxSize }

// What only some tasks need or give.
const (
	NeedEncoder    = "encoder"    // from pixels to latents, whatever the family calls it
	NeedControlNet = "controlnet" // and a UNet that takes its residuals
	GivesMask      = "mask"       // no graph: the task can serve a UNet that was made for inpainting
)

// Inspect reads a model folder's configuration and its graphs' inputs and outputs, and reports everything that is missing or wrong at
// once. needs are the graphs beyond those that text-to-image takes.
func Inspect(dir string, needs ...string) (Model, error) {
	m := Model{Dir: dir, LatentChannels: 4, Graphs: map[string]onnx.Graph{}}
	info, err := os.Stat(dir)
	if err != nil || !info.IsDir() {
		return m, fmt.Errorf("%s is no folder: name one in the diffusers layout, with a model_index.json", dir)
	}
	var index struct {
		Class      string `json:"_class_name"`
		Safety     []any  `json:"safety_checker"`
		ForceZeros *bool  `json:"force_zeros_for_empty_prompt"`
	}
	if err := m.read("model_index.json", &index); errors.Is(err, fs.ErrNotExist) {
		return m, fmt.Errorf("%s has no model_index.json: name a folder in the diffusers layout, such as examples/models/tiny", dir)
	} else if err != nil {
		return m, err
	}
	var known bool
	if m.family, known = findFamily(index.Class); !known {
		return m, fmt.Errorf("%s is a %q, which has not been proved here; proved are %s", dir, index.Class, proved())
	}
	m.Class, m.Family = index.Class, m.family.name
	m.named = len(index.Safety) > 0 && index.Safety[0] != nil
	// diffusers' default, of the one class that has the setting.
	m.ZeroNegative = len(m.family.prompt) > 1 && (index.ForceZeros == nil || *index.ForceZeros)
	files, graphs := m.parts(needs)
	if missing := m.missing(files, graphs); len(missing) > 0 {
		return m, fmt.Errorf("%s lacks %s; export the model to ONNX in the diffusers layout", dir, strings.Join(missing, ", "))
	}
	if err := m.configure(); err != nil {
		return m, err
	}
	if err := m.readGraphs(graphs); err != nil {
		return m, err
	}
	if err := errors.Join(m.loadTokenizers(), m.checkGraphs(slices.Contains(needs, NeedControlNet)), m.setDefaults(), m.inspectSafety()); err != nil {
		return m, err
	}
	if m.Channels != m.LatentChannels && !slices.Contains(needs, GivesMask) {
		return m, fmt.Errorf("%s takes %d channels: an inpainting model, which serves only inpaint and uncrop", m.path("unet"), m.Channels)
	}
	return m, nil
}

// parts are the files that the family needs, and the folders of its graphs.
func (m *Model) parts(needs []string) (files, graphs []string) {
	files = []string{"scheduler/scheduler_config.json"}
	for _, e := range m.family.prompt {
		files = append(files, e.tokenizer+"/vocab.json", e.tokenizer+"/merges.txt")
		graphs = append(graphs, e.folder)
	}
	if m.family.prior {
		files = append(files, priorFiles...)
		graphs = append(graphs, priorGraphs...)
	}
	graphs = append(graphs, "unet", m.family.decoder)
	if slices.Contains(needs, NeedEncoder) {
		graphs = append(graphs, m.family.encoder)
	}
	if slices.Contains(needs, NeedControlNet) {
		graphs = append(graphs, "controlnet")
	}
	return files, graphs
}

func (m *Model) missing(files, graphs []string) []string {
	for _, g := range graphs {
		files = append(files, g+"/model.onnx")
	}
	return slices.DeleteFunc(files, func(name string) bool {
		_, err := os.Stat(filepath.Join(m.Dir, name))
		return err == nil
	})
}

func (m *Model) readGraphs(names []string) error {
	var errs []error
	for _, name := range names {
		g, err := onnx.ReadGraph(m.path(name))
		if err == nil {
			err = g.Check(filepath.Join(m.Dir, name))
		}
		errs = append(errs, err)
		m.Graphs[name] = g
		m.Weights += g.WeightBytes
	}
	return errors.Join(errs...)
}

// inspectSafety finds the safety checker that a folder may have.
func (m *Model) inspectSafety() error {
	if _, err := os.Stat(m.path("safety_checker")); err != nil {
		return nil
	}
	s, err := clip.InspectSafety(m.Dir)
	if err != nil {
		return err
	}
	m.safety, m.Weights = &s, m.Weights+s.Weights
	return nil
}

// path is a graph's file.
func (m Model) path(graph string) string { return filepath.Join(m.Dir, graph, "model.onnx") }

// SchedulerName is the scheduler that the model comes with; Euler's in the place of one that is not ours, such as PNDM.
func (m Model) SchedulerName() string {
	if name := m.Scheduler.Name(); name != "" {
		return name
	}
	return "euler"
}

// Memory estimates what a process with this model needs: the weights, once as read and once as the runtime arranges them in fp32, the
// runtime itself, and the activations of one request, which grow with the area.
func (m Model) Memory() int64 {
	return 3*m.Weights + 256<<20 + int64(m.Defaults.Pixels())*1024
}

// Unchecked reports that the folder names a safety checker and has none that could be run.
func (m Model) Unchecked() bool { return m.named && m.safety == nil }

// Notes says what has been found in the folder, for a person.
func (m Model) Notes() []string {
	out := []string{fmt.Sprintf("%s (%s), made for %d x %d px", m.Family, m.Class, m.Defaults.Size, m.Defaults.Size)}
	for _, name := range slices.Sorted(maps.Keys(m.Graphs)) {
		out = append(out, name+": "+m.Graphs[name].String())
	}
	switch {
	case m.safety != nil:
		out = append(out, fmt.Sprintf("safety_checker: %.1f MB", float64(m.safety.Weights)/1e6))
	case m.Unchecked():
		out = append(out, "safety_checker: named by model_index.json, and not exported to safety_checker/model.onnx: pictures are NOT checked")
	}
	s := fmt.Sprintf("scheduler: %s", m.SchedulerName())
	if m.Scheduler.Name() == "" {
		s += ", in the place of " + m.Scheduler.ClassName
	}
	return append(out, s)
}

func (m *Model) read(name string, into any) error {
	return config.Decode(filepath.Join(m.Dir, name), into)
}

// optional reads a file that may be absent.
func (m *Model) optional(name string, into any) error {
	return config.DecodeOptional(filepath.Join(m.Dir, name), into)
}
