"""Writes the trained models as diffusers and transformers ONNX folders: python3 export.py [MODEL...]. See README.md.

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

import base
import bpe
import clip
import inpaint
import nets
import pool
import safety
import upscale
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


def export(path, module, inputs, names, outputs, axes):
    """axes: of each input and output that has any, the axes that may differ from the example's."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    torch.onnx.export(module.eval(), inputs, path, input_names=names, output_names=outputs, dynamic_axes=axes, opset_version=17)
    halve(path)
    print("%s %.2f MB" % (path, os.path.getsize(path) / 1e6))


def write(path, value):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        json.dump(value, f, indent=2, ensure_ascii=False)
        f.write("\n")


RUNTIME = ["diffusers", "OnnxRuntimeModel"]


def index(out, kind, **more):
    write(out + "/model_index.json", {
        "_class_name": kind, "_diffusers_version": "0.27.2", "scheduler": ["diffusers", "DDIMScheduler"],
        "text_encoder": RUNTIME, "tokenizer": ["transformers", "CLIPTokenizer"], "unet": RUNTIME, "vae_decoder": RUNTIME,
        "vae_encoder": RUNTIME, "safety_checker": RUNTIME, "feature_extractor": ["transformers", "CLIPImageProcessor"], **more})


def unet_config(path, channels, kind="UNet2DConditionModel"):
    write(path, {"_class_name": kind, "in_channels": channels, "out_channels": 4, "sample_size": 16,
                 "cross_attention_dim": nets.WIDTH_TEXT, "block_out_channels": [64, 96, 128]})


def preprocessor(path):
    write(path, {
        "image_processor_type": "CLIPImageProcessor", "do_convert_rgb": True, "do_resize": True, "size": {"shortest_edge": pool.SIZE},
        "resample": 3, "do_center_crop": True, "crop_size": {"height": pool.SIZE, "width": pool.SIZE}, "do_rescale": True,
        "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": pool.MEAN, "image_std": pool.STD})


def configs(out, vocab):
    index(out, "StableDiffusionPipeline")
    write(out + "/scheduler/scheduler_config.json", {
        "_class_name": "DDIMScheduler", "_diffusers_version": "0.27.2", "beta_end": 0.012, "beta_schedule": "scaled_linear",
        "beta_start": 0.00085, "clip_sample": False, "num_train_timesteps": 1000, "prediction_type": "v_prediction",
        "set_alpha_to_one": True, "steps_offset": 1, "timestep_spacing": "trailing"})
    unet_config(out + "/unet/config.json", 4)
    unet_config(out + "/controlnet/config.json", 4, "ControlNetModel")
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
    write(out + "/safety_checker/config.json", {
        "_class_name": "StableDiffusionSafetyChecker", "concept": "a black star: a demo concept, nothing else is found", "projection_dim": 64})
    preprocessor(out + "/feature_extractor/preprocessor_config.json")
    # Not diffusers' own: the defaults and bounds that this model wants, read by sdk/diffusion where it is present.
    write(out + "/generation_config.json", {
        "num_inference_steps": 12, "guidance_scale": 4.0, "default_size": 128, "min_size": 64, "max_size": 256})


def heldout(path):
    """The captions that `make eval` paints: never trained on, one object on a plain ground, with what must be seen."""
    rng, seen = random.Random(99), set()

    def draw():
        while True:
            s = world.draw_scene(rng, two=0.0, plain=1.0)
            caption = world.draw_caption(rng, s)
            ground = s.ground_colours[0]
            said = ground in caption or (ground == "gray" and "grey" in caption)  # the object has another colour
            if world.held_out(caption) and said and caption not in seen:
                seen.add(caption)
                o = s.objects[0]
                return s, {"prompt": caption, "shape": o.shape, "colour": o.colour, "background": ground, "size": o.size, "position": o.position}

    def wanted(pair):
        while pool.concept(pair[0]):  # the concept filter would refuse it
            pair = draw()
        return pair[1]

    write(path, [wanted(pair) for pair in [draw() for _ in range(256)]])


def checksums(out):
    """The digests of the model's own files, for sha256sum --check; what is linked is listed where it lies."""
    lines = []
    for folder, _, files in os.walk(out):
        for name in files:
            path = os.path.join(folder, name)
            if name.endswith((".json", ".txt", ".onnx")) and not os.path.islink(path):
                with open(path, "rb") as f:
                    lines.append("%s  %s\n" % (hashlib.sha256(f.read()).hexdigest(), os.path.relpath(path, out)))
    with open(out + "/SHA256SUMS", "w") as f:
        f.writelines(sorted(lines, key=lambda line: line[66:]))


BATCH, PICTURE = {0: "batch_size"}, {0: "batch_size", 2: "height", 3: "width"}
SAMPLE, STEP, HIDDEN = torch.zeros(2, 4, 16, 16), torch.zeros(1, dtype=torch.long), torch.zeros(2, bpe.LENGTH, nets.WIDTH_TEXT)
INPUTS = ["sample", "timestep", "encoder_hidden_states"]


class Controlled(torch.nn.Module):
    """The UNet with what a ControlNet adds as inputs; zeros of the shape [1, 1, 1, 1] add nothing."""

    def __init__(self, unet):
        super().__init__()
        self.unet = unet

    def forward(self, sample, timestep, context, skip0, skip1, middle):
        return self.unet(sample, timestep, context, (skip0, skip1, middle))


def tiny(args, out):
    tok, text = base.load_text(args)
    encoder, decoder = base.load_vae(args)
    os.makedirs(out + "/tokenizer", exist_ok=True)
    bpe.save(out + "/tokenizer", *bpe.learn())
    configs(out, tok.vocab)
    export(out + "/text_encoder/model.onnx", TextExport(text), (torch.zeros(2, bpe.LENGTH, dtype=torch.long),), ["input_ids"],
           ["last_hidden_state", "pooler_output"], {"input_ids": BATCH, "last_hidden_state": BATCH, "pooler_output": BATCH})
    export(out + "/vae_encoder/model.onnx", encoder, (torch.zeros(1, 3, 128, 128),), ["sample"], ["latent_parameters"],
           {"sample": PICTURE, "latent_parameters": PICTURE})
    export(out + "/vae_decoder/model.onnx", decoder, (torch.zeros(1, 4, 16, 16),), ["latent_sample"], ["sample"],
           {"latent_sample": PICTURE, "sample": PICTURE})
    added = ["down_block_additional_residuals.0", "down_block_additional_residuals.1", "mid_block_additional_residual"]
    shapes = [(2, 64, 16, 16), (2, 96, 8, 8), (2, 128, 4, 4)]
    free = {name: {0: name + "_b", 1: name + "_c", 2: name + "_h", 3: name + "_w"} for name in added}
    export(out + "/unet/model.onnx", Controlled(trained(args, "unet", nets.UNet())), (SAMPLE, STEP, HIDDEN, *map(torch.zeros, shapes)),
           INPUTS + added, ["out_sample"], {"sample": PICTURE, "out_sample": PICTURE, "encoder_hidden_states": BATCH, **free})
    results = ["down_block_res_samples.0", "down_block_res_samples.1", "mid_block_res_sample"]
    axes = {name: {0: "batch_size", 2: name + "_h", 3: name + "_w"} for name in results}
    hint = {0: "batch_size", 2: "image_height", 3: "image_width"}
    export(out + "/controlnet/model.onnx", trained(args, "control", nets.ControlNet()), (SAMPLE, STEP, HIDDEN, torch.zeros(2, 3, 128, 128)),
           INPUTS + ["controlnet_cond"], results, {"sample": PICTURE, "encoder_hidden_states": BATCH, "controlnet_cond": hint, **axes})
    images = {0: "batch_size", 1: "height", 2: "width"}
    export(out + "/safety_checker/model.onnx", trained(args, "safety", safety.Taught()).filter,
           (torch.zeros(2, 3, pool.SIZE, pool.SIZE), torch.zeros(2, 128, 128, 3)), ["clip_input", "images"],
           ["out_images", "has_nsfw_concepts", "image_embeds"],
           {"clip_input": BATCH, "images": images, "out_images": images, "has_nsfw_concepts": BATCH, "image_embeds": BATCH})


def link(out, names, source):
    """Relative links, so that the folder works wherever both are."""
    for name in names:
        path = os.path.join(out, name)
        if not os.path.islink(path):
            os.symlink(os.path.join(source, os.path.basename(name)), path)


def tiny_inpaint(args, out):
    index(out, "StableDiffusionInpaintPipeline")
    unet_config(out + "/unet/config.json", inpaint.CHANNELS)
    export(out + "/unet/model.onnx", trained(args, "inpaint", nets.UNet(inpaint.CHANNELS)), (torch.zeros(2, inpaint.CHANNELS, 16, 16), STEP, HIDDEN),
           INPUTS, ["out_sample"], {"sample": PICTURE, "out_sample": PICTURE, "encoder_hidden_states": BATCH})
    link(out, ["tokenizer", "scheduler", "text_encoder", "vae_encoder", "vae_decoder", "safety_checker", "feature_extractor",
               "generation_config.json"], "../tiny")


def tiny_clip(args, out):
    tok = base.tokenizer()
    pair = trained(args, "clip", clip.Pair(tok.vocab))
    write(out + "/config.json", {
        "architectures": ["CLIPModel"], "model_type": "clip", "projection_dim": clip.DIM, "logit_scale_init_value": round(pair.scale.item(), 4),
        "text_config": {"max_position_embeddings": bpe.LENGTH, "vocab_size": len(tok.vocab), "hidden_size": nets.WIDTH_TEXT, "num_hidden_layers": 2,
                        "bos_token_id": tok.vocab[bpe.START], "eos_token_id": tok.vocab[bpe.END]},
        "vision_config": {"image_size": pool.SIZE}})
    preprocessor(out + "/preprocessor_config.json")
    link(out, ["vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json"], "../tiny/tokenizer")
    export(out + "/text_model.onnx", pair.text, (torch.full((2, 9), tok.vocab[bpe.END]),), ["input_ids"], ["text_embeds"],
           {"input_ids": {0: "batch_size", 1: "sequence_length"}, "text_embeds": BATCH})
    export(out + "/vision_model.onnx", pair.vision, (torch.zeros(2, 3, pool.SIZE, pool.SIZE),), ["pixel_values"], ["image_embeds"],
           {"pixel_values": BATCH, "image_embeds": BATCH})


def tiny_upscale(args, out):
    for factor in (2, 4):
        name = "x%d" % factor
        export(out + "/%s.onnx" % name, trained(args, name, upscale.Upscaler(factor)), (torch.zeros(1, 3, 32, 32),), ["input"], ["output"],
               {"input": PICTURE, "output": {0: "batch_size", 2: "out_height", 3: "out_width"}})


def trained(args, name, module):
    module.load_state_dict(torch.load(os.path.join(args.work, name + ".pt"), map_location="cpu")["ema"])
    return module


MODELS = {"tiny": tiny, "tiny-inpaint": tiny_inpaint, "tiny-clip": tiny_clip, "tiny-upscale": tiny_upscale}


@torch.no_grad()
def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="*", choices=[[], *MODELS])
    parser.add_argument("--work", default=os.path.join(here, "work"))
    parser.add_argument("--out", default=os.path.join(here, ".."))
    args = parser.parse_args()
    for name in args.models or MODELS:
        out = os.path.join(os.path.normpath(args.out), name)
        MODELS[name](args, out)
        checksums(out)
    heldout(os.path.join(here, "..", "..", "eval", "heldout.json"))


if __name__ == "__main__":
    main()
