// Package diffusion runs latent diffusion models from folders in the diffusers layout, exported to ONNX: model_index.json, tokenizer/,
// scheduler/, text_encoder/, unet/, vae_encoder/, vae_decoder/. The names of inputs and outputs are those of Hugging Face's Optimum and
// of diffusers' own conversion script; element types and axes are read from the files.
package diffusion
