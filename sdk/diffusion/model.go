package diffusion

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vision19/vision/sdk/diffusion/scheduler"
)

// Model is what a model folder says of itself, without its weights.
type Model struct {
	Dir   string
	Class string // _class_name of model_index.json

	Scheduler scheduler.Config

	LatentChannels int     // of unet/config.json
	SampleSize     int     // the latents' side that the model was trained on
	Factor         int     // pixels per latent: 2^(len(block_out_channels)-1) of the VAE
	Scaling        float32 // the VAE's scaling_factor
	Weights        int64   // bytes of all weight files

	Defaults Defaults
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

// classes are the pipeline classes that are proved; all are Stable Diffusion 1.x by other names.
var classes = []string{"StableDiffusionPipeline", "ORTStableDiffusionPipeline", "OnnxStableDiffusionPipeline"}

// parts are the files that text-to-image needs.
var parts = []string{"tokenizer/vocab.json", "tokenizer/merges.txt", "scheduler/scheduler_config.json", "text_encoder/model.onnx", "unet/model.onnx", "vae_decoder/model.onnx"}

// maxConfig bounds a JSON file of a model folder.
const maxConfig = 1 << 20

// Inspect reads a model folder's configuration and reports everything that is missing or wrong in it at once.
func Inspect(dir string) (Model, error) {
	m := Model{Dir: dir}
	info, err := os.Stat(dir)
	if err != nil || !info.IsDir() {
		return m, fmt.Errorf("%s is no folder: name one in the diffusers layout, with a model_index.json", dir)
	}
	var index struct {
		Class string `json:"_class_name"`
	}
	if err := m.read("model_index.json", &index); errors.Is(err, fs.ErrNotExist) {
		return m, fmt.Errorf("%s has no model_index.json: name a folder in the diffusers layout, such as examples/models/tiny", dir)
	} else if err != nil {
		return m, err
	}
	m.Class = index.Class
	if !slices.Contains(classes, m.Class) {
		return m, fmt.Errorf("%s is a %q, which is not supported; supported are %s", dir, m.Class, strings.Join(classes, ", "))
	}
	var missing []string
	for _, name := range parts {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return m, fmt.Errorf("%s lacks %s; export the model to ONNX in the diffusers layout", dir, strings.Join(missing, ", "))
	}
	return m, m.configure()
}

// configure reads the parts' own configuration files.
func (m *Model) configure() error {
	data, err := m.file("scheduler/scheduler_config.json")
	if err != nil {
		return err
	}
	if m.Scheduler, err = scheduler.Parse(data); err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(m.Dir, "scheduler/scheduler_config.json"), err)
	}
	if m.Scheduler.ClipSample == nil { // diffusers' default is for pixels; latents are not within [-1, 1]
		no := false
		m.Scheduler.ClipSample = &no
	}
	unet := struct {
		In     int `json:"in_channels"`
		Out    int `json:"out_channels"`
		Sample int `json:"sample_size"`
	}{In: 4, Sample: 64}
	vae := struct {
		Blocks  []int   `json:"block_out_channels"`
		Scaling float32 `json:"scaling_factor"`
	}{Blocks: make([]int, 4), Scaling: 0.18215} // AutoencoderKL's, of Stable Diffusion 1.x
	if err := errors.Join(m.optional("unet/config.json", &unet), m.optional("vae_decoder/config.json", &vae)); err != nil {
		return err
	}
	if unet.In != 4 || unet.Sample < 1 || len(vae.Blocks) < 1 || len(vae.Blocks) > 6 || !(vae.Scaling > 0) {
		return fmt.Errorf("%s: unet in_channels %d, sample_size %d, VAE of %d blocks, scaling_factor %g: text-to-image takes 4 channels and positive sizes", m.Dir, unet.In, unet.Sample, len(vae.Blocks), vae.Scaling)
	}
	m.LatentChannels, m.SampleSize, m.Factor, m.Scaling = unet.In, unet.Sample, 1<<(len(vae.Blocks)-1), vae.Scaling
	side := m.SampleSize * m.Factor
	m.Defaults = Defaults{Steps: 50, Guidance: 7.5, Size: side, MinSize: max(side/4, m.Factor), MaxSize: min(side*2, 2048)}
	if err := m.optional("generation_config.json", &m.Defaults); err != nil {
		return err
	}
	if d := m.Defaults; d.Steps < 1 || d.Steps > MaxSteps || d.Guidance < 0 || d.Guidance > MaxGuidance || d.MinSize < 8 || d.Size < d.MinSize || d.MaxSize < d.Size || d.MaxSize > 4096 {
		return fmt.Errorf("%s: generation_config.json is out of range: %+v", m.Dir, d)
	}
	return m.weigh()
}

// weigh adds up the weight files, external data among them.
func (m *Model) weigh() error {
	for _, pattern := range []string{"*/*.onnx", "*/*.onnx_data", "*/*.pb", "*/weights*"} {
		files, err := filepath.Glob(filepath.Join(m.Dir, pattern))
		if err != nil {
			return fmt.Errorf("list %s: %w", m.Dir, err)
		}
		for _, f := range files {
			if info, err := os.Stat(f); err == nil {
				m.Weights += info.Size()
			}
		}
	}
	return nil
}

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
	area := int64(m.Defaults.MaxSize) * int64(m.Defaults.MaxSize)
	return 3*m.Weights + 256<<20 + area*1024
}

func (m *Model) file(name string) ([]byte, error) {
	path := filepath.Join(m.Dir, name)
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxConfig {
		return nil, fmt.Errorf("%s has %d bytes: a configuration has at most %d", path, info.Size(), maxConfig)
	}
	return os.ReadFile(path)
}

func (m *Model) read(name string, into any) error {
	data, err := m.file(name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(m.Dir, name), err)
	}
	return nil
}

// optional reads a file that may be absent.
func (m *Model) optional(name string, into any) error {
	err := m.read(name, into)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
