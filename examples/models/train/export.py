"""Writes the trained family as a diffusers ONNX folder: python3 export.py [--out ../tiny]. See README.md.

Weights are stored as fp16 with a Cast each, which ONNX Runtime folds when it loads the model: files of half the size, fp32
arithmetic, fp32 inputs and outputs.
"""
import argparse
import hashlib
import json
import os
import random

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

import bpe
import nets
import train
import world


class TextExport(torch.nn.Module):
    """With pooler_output, as Optimum names it: the last position, which has read the whole caption."""

    def __init__(self, text):
        super().__init__()
        self.text = text

    def forward(self, ids):
        hidden = self.text(ids)
        return hidden, hidden[:, -1]


def halve(path):
    """Stores large fp32 initializers as fp16."""
    model = onnx.load(path)
    graph, casts = model.graph, []
    for old in list(graph.initializer):
        if old.data_type != TensorProto.FLOAT or int(np.prod(old.dims)) < 256:
            continue
        half = numpy_helper.from_array(numpy_helper.to_array(old).astype(np.float16), old.name + ".fp16")
        casts.append(helper.make_node("Cast", [half.name], [old.name], to=TensorProto.FLOAT))
        graph.initializer.remove(old)
        graph.initializer.append(half)
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend(casts + nodes)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def export(folder, module, inputs, names, outputs, axes):
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "model.onnx")
    torch.onnx.export(module.eval(), inputs, path, input_names=names, output_names=outputs, dynamic_axes=axes, opset_version=17)
    halve(path)
    print("%s %.2f MB" % (path, os.path.getsize(path) / 1e6))


def write(path, value):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        json.dump(value, f, indent=2, ensure_ascii=False)
        f.write("\n")


def configs(out, vocab):
    write(out + "/model_index.json", {
        "_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.27.2",
        "scheduler": ["diffusers", "DDIMScheduler"], "text_encoder": ["diffusers", "OnnxRuntimeModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"], "unet": ["diffusers", "OnnxRuntimeModel"],
        "vae_decoder": ["diffusers", "OnnxRuntimeModel"], "vae_encoder": ["diffusers", "OnnxRuntimeModel"]})
    write(out + "/scheduler/scheduler_config.json", {
        "_class_name": "DDIMScheduler", "_diffusers_version": "0.27.2", "beta_end": 0.012, "beta_schedule": "scaled_linear",
        "beta_start": 0.00085, "clip_sample": False, "num_train_timesteps": 1000, "prediction_type": "v_prediction",
        "set_alpha_to_one": True, "steps_offset": 1, "timestep_spacing": "trailing"})
    write(out + "/unet/config.json", {
        "_class_name": "UNet2DConditionModel", "in_channels": 4, "out_channels": 4, "sample_size": 16,
        "cross_attention_dim": nets.WIDTH_TEXT, "block_out_channels": [64, 96, 128]})
    for part in ("vae_encoder", "vae_decoder"):
        write(out + "/%s/config.json" % part, {
            "_class_name": "AutoencoderKL", "block_out_channels": [20, 40, 96, 96], "latent_channels": 4,
            "sample_size": world.SIDE, "scaling_factor": nets.SCALING})
    write(out + "/text_encoder/config.json", {
        "_class_name": "CLIPTextModel", "hidden_size": nets.WIDTH_TEXT, "max_position_embeddings": bpe.LENGTH,
        "num_hidden_layers": 2, "vocab_size": len(vocab)})
    special = {"bos_token": bpe.START, "eos_token": bpe.END, "pad_token": bpe.END, "unk_token": bpe.END}
    write(out + "/tokenizer/tokenizer_config.json", {**special, "model_max_length": bpe.LENGTH, "tokenizer_class": "CLIPTokenizer"})
    write(out + "/tokenizer/special_tokens_map.json", special)
    # Not diffusers' own: the defaults and bounds that this model wants, read by sdk/diffusion where it is present.
    write(out + "/generation_config.json", {
        "num_inference_steps": 12, "guidance_scale": 4.0, "default_size": 128, "min_size": 64, "max_size": 256})


def heldout(path):
    """The captions that `make eval` paints: never trained on, one object on a plain ground, with what must be seen."""
    rng, out, seen = random.Random(99), [], set()
    while len(out) < 256:
        s = world.draw_scene(rng, two=0.0, plain=1.0)
        caption = world.draw_caption(rng, s)
        ground = s.ground_colours[0]
        said = ground in caption or (ground == "gray" and "grey" in caption)  # the object has another colour
        if world.held_out(caption) and said and caption not in seen:
            seen.add(caption)
            o = s.objects[0]
            out.append({"prompt": caption, "shape": o.shape, "colour": o.colour, "background": ground, "size": o.size, "position": o.position})
    write(path, out)


def checksums(out):
    """The digests of the model's own files, for sha256sum --check."""
    lines = []
    for folder, _, files in os.walk(out):
        for name in files:
            path = os.path.join(folder, name)
            if name.endswith((".json", ".txt", ".onnx")):
                with open(path, "rb") as f:
                    lines.append("%s  %s\n" % (hashlib.sha256(f.read()).hexdigest(), os.path.relpath(path, out)))
    with open(out + "/SHA256SUMS", "w") as f:
        f.writelines(sorted(lines, key=lambda line: line[66:]))


@torch.no_grad()
def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", default=os.path.join(here, "work"))
    parser.add_argument("--out", default=os.path.join(here, "..", "tiny"))
    args = parser.parse_args()
    out = os.path.normpath(args.out)
    tok, text = train.load_text(args)
    encoder, decoder = train.load_vae(args)
    unet = nets.UNet()
    unet.load_state_dict(torch.load(os.path.join(args.work, "unet.pt"), map_location="cpu")["ema"])
    os.makedirs(out + "/tokenizer", exist_ok=True)
    bpe.save(out + "/tokenizer", *bpe.learn())
    configs(out, tok.vocab)
    batch, picture = {0: "batch_size"}, {0: "batch_size", 2: "height", 3: "width"}
    export(out + "/text_encoder", TextExport(text), (torch.zeros(2, bpe.LENGTH, dtype=torch.long),), ["input_ids"],
           ["last_hidden_state", "pooler_output"], {"input_ids": batch, "last_hidden_state": batch, "pooler_output": batch})
    hidden = torch.zeros(2, bpe.LENGTH, nets.WIDTH_TEXT)
    export(out + "/unet", unet, (torch.zeros(2, 4, 16, 16), torch.zeros(1, dtype=torch.long), hidden),
           ["sample", "timestep", "encoder_hidden_states"], ["out_sample"],
           {"sample": picture, "out_sample": picture, "encoder_hidden_states": batch})
    export(out + "/vae_encoder", encoder, (torch.zeros(1, 3, 128, 128),), ["sample"], ["latent_parameters"],
           {"sample": picture, "latent_parameters": picture})
    export(out + "/vae_decoder", decoder, (torch.zeros(1, 4, 16, 16),), ["latent_sample"], ["sample"],
           {"latent_sample": picture, "sample": picture})
    heldout(os.path.join(here, "..", "..", "eval", "heldout.json"))
    checksums(out)


if __name__ == "__main__":
    main()
