package diffusion

import (
	"slices"
	"strings"
)

// family is a kind of model that the pipeline has been proved with: examples/models/train/families has a small model of each, with the
// published structure, and the results of a plain PyTorch pipeline.
type family struct {
	name    string
	classes []string // _class_name of model_index.json, without the prefix of the exporter

	prompt   []promptEncoder // in the order of their embeddings
	encoder  string          // folder of the graph from pixels to latents
	decoder  string          // folder of the graph from latents to pixels
	scaling  float32         // scaling_factor, where vae_decoder/config.json has none
	steps    int             // diffusers' default
	guidance float64         // diffusers' default
	prior    bool            // the prompt is told by an image embedding, which a prior makes
}

// promptEncoder is a text encoder and its tokenizer.
type promptEncoder struct {
	tokenizer, folder string
	penultimate       bool // the hidden states before the last layer's are used, not the last ones
	pooled            bool // text_embeds are used too
}

var clipL = promptEncoder{tokenizer: "tokenizer", folder: "text_encoder"}

var families = []family{
	{
		name: "Stable Diffusion 1.x",
		classes: []string{
			"StableDiffusionPipeline", "StableDiffusionImg2ImgPipeline", "StableDiffusionInpaintPipeline", "StableDiffusionControlNetPipeline",
		},
		prompt: []promptEncoder{clipL}, encoder: "vae_encoder", decoder: "vae_decoder", scaling: 0.18215, steps: 50, guidance: 7.5,
	},
	{
		name:    "Latent Consistency Model",
		classes: []string{"LatentConsistencyModelPipeline"},
		prompt:  []promptEncoder{clipL}, encoder: "vae_encoder", decoder: "vae_decoder", scaling: 0.18215, steps: 4, guidance: 8.5,
	},
	{
		name:    "Stable Diffusion XL",
		classes: []string{"StableDiffusionXLPipeline", "StableDiffusionXLImg2ImgPipeline"},
		prompt: []promptEncoder{
			{tokenizer: "tokenizer", folder: "text_encoder", penultimate: true},
			{tokenizer: "tokenizer_2", folder: "text_encoder_2", penultimate: true, pooled: true},
		},
		encoder: "vae_encoder", decoder: "vae_decoder", scaling: 0.13025, steps: 50, guidance: 5,
	},
	{
		name:    "Kandinsky 2.2",
		classes: []string{"KandinskyV22CombinedPipeline", "KandinskyV22Img2ImgCombinedPipeline", "KandinskyV22InpaintCombinedPipeline"},
		encoder: "movq_encoder", decoder: "movq_decoder", scaling: 1, steps: 100, guidance: 4, prior: true,
	},
}

// findFamily finds the family of a _class_name; exporters put ORT (Optimum) or Onnx (diffusers) before it.
func findFamily(class string) (family, bool) {
	class = strings.TrimPrefix(strings.TrimPrefix(class, "ORT"), "Onnx")
	for _, f := range families {
		if slices.Contains(f.classes, class) {
			return f, true
		}
	}
	return family{}, false
}

// proved lists the families with their classes, for errors.
func proved() string {
	var out []string
	for _, f := range families {
		out = append(out, f.name+" ("+strings.Join(f.classes, ", ")+")")
	}
	return strings.Join(out, "; ")
}
