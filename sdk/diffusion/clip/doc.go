// Package clip embeds pictures and texts with CLIP models (Radford et al., "Learning Transferable Visual Models From Natural Language
// Supervision", 2021) exported to ONNX, and runs the safety checker that Stable Diffusion folders hold, which is a CLIP picture tower with
// concepts to stay away from. Preprocessing, names and layouts are those of the transformers and diffusers libraries.
package clip
