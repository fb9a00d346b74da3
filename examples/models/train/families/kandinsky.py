"""The kandinsky22 fixtures: python3 -m families.kandinsky, from examples/models/train."""
import os

import numpy as np
import torch

from . import clip, common, kandinsky_pipeline, sd
from .common import Wrap
from .kandinsky_movq import MoVQ
from .kandinsky_nets import Prior, UNet
from .pipelines import Tokenizer, mask_of, pixels

FAMILY, INPAINT = "kandinsky22", "kandinsky22-inpaint"
DIM, LENGTH, SIDE = 32, 77, 64  # embedding; tokens; px
VERSION = "0.27.2"

PRIOR = {
    "_class_name": "PriorTransformer", "_diffusers_version": VERSION, "additional_embeddings": 4, "added_emb_type": "prd",
    "attention_head_dim": 8, "dropout": 0.0, "embedding_dim": DIM, "encoder_hid_proj_type": "linear", "num_attention_heads": 6,
    "num_embeddings": LENGTH, "num_layers": 20, "time_embed_act_fn": "silu"}
UNET = {
    "_class_name": "UNet2DConditionModel", "_diffusers_version": VERSION, "act_fn": "silu", "addition_embed_type": "image",
    "attention_head_dim": 16, "block_out_channels": [32, 64, 96, 160], "cross_attention_dim": 48,
    "down_block_types": ["ResnetDownsampleBlock2D"] + ["SimpleCrossAttnDownBlock2D"] * 3, "encoder_hid_dim": DIM,
    "encoder_hid_dim_type": "image_proj", "flip_sin_to_cos": True, "freq_shift": 0, "in_channels": 4, "layers_per_block": 3,
    "mid_block_type": "UNetMidBlock2DSimpleCrossAttn", "norm_eps": 1e-05, "norm_num_groups": 32, "out_channels": 8,
    "resnet_time_scale_shift": "scale_shift", "sample_size": SIDE // 8,
    "up_block_types": ["SimpleCrossAttnUpBlock2D"] * 3 + ["ResnetUpsampleBlock2D"]}
MOVQ = {
    "_class_name": "VQModel", "_diffusers_version": VERSION, "act_fn": "silu", "block_out_channels": [32, 64, 64, 96],
    "down_block_types": ["DownEncoderBlock2D"] * 3 + ["AttnDownEncoderBlock2D"], "in_channels": 3, "latent_channels": 4,
    "layers_per_block": 2, "norm_num_groups": 32, "norm_type": "spatial", "num_vq_embeddings": 16384, "out_channels": 3,
    "sample_size": SIDE, "scaling_factor": 0.18215, "up_block_types": ["AttnUpDecoderBlock2D"] + ["UpDecoderBlock2D"] * 3, "vq_embed_dim": 4}
TEXT = {
    "architectures": ["CLIPTextModelWithProjection"], "bos_token_id": 0, "eos_token_id": 2, "hidden_act": "gelu", "hidden_size": DIM,
    "intermediate_size": 4 * DIM, "layer_norm_eps": 1e-05, "max_position_embeddings": LENGTH, "model_type": "clip_text_model",
    "num_attention_heads": 4, "num_hidden_layers": 32, "projection_dim": DIM, "vocab_size": 755}
IMAGE = {
    "architectures": ["CLIPVisionModelWithProjection"], "hidden_act": "gelu", "hidden_size": 48, "image_size": 224, "intermediate_size": 96,
    "layer_norm_eps": 1e-05, "model_type": "clip_vision_model", "num_attention_heads": 4, "num_channels": 3, "num_hidden_layers": 4,
    "patch_size": 14, "projection_dim": DIM}
PROCESSOR = {
    "crop_size": {"height": 224, "width": 224}, "do_center_crop": True, "do_convert_rgb": True, "do_normalize": True, "do_rescale": True,
    "do_resize": True, "feature_extractor_type": "CLIPFeatureExtractor", "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_processor_type": "CLIPImageProcessor", "image_std": [0.26862954, 0.26130258, 0.27577711], "resample": 3,
    "rescale_factor": 0.00392156862745098, "size": {"shortest_edge": 224}}

UNCLIP = {
    "_class_name": "UnCLIPScheduler", "_diffusers_version": VERSION, "clip_sample": True, "clip_sample_range": 10.0,
    "num_train_timesteps": 1000, "prediction_type": "sample", "variance_type": "fixed_small_log"}
DDPM = {
    "_class_name": "DDPMScheduler", "_diffusers_version": VERSION, "beta_end": 0.012, "beta_schedule": "linear", "beta_start": 0.00085,
    "clip_sample": True, "clip_sample_range": 2.0, "dynamic_thresholding_ratio": 0.995, "num_train_timesteps": 1000,
    "prediction_type": "epsilon", "sample_max_value": None, "steps_offset": 0, "thresholding": True, "timestep_spacing": "leading",
    "trained_betas": None, "variance_type": "learned_range"}
DDIM = {
    "_class_name": "DDIMScheduler", "_diffusers_version": VERSION, "beta_end": 0.012, "beta_schedule": "linear", "beta_start": 0.00085,
    "clip_sample": False, "clip_sample_range": 1.0, "num_train_timesteps": 1000, "prediction_type": "epsilon", "set_alpha_to_one": False,
    "steps_offset": 1, "thresholding": False, "timestep_spacing": "leading", "trained_betas": None}


def case(name, task="text-to-image", scheduler=("ddpm", DDPM), **changes):
    return {
        "name": name, "task": task, "prompt": "a large red circle on a blue background", "negative_prompt": None,
        "scheduler": {"name": scheduler[0], "config": scheduler[1]}, "num_inference_steps": 4, "guidance_scale": 4.0,
        "prior_num_inference_steps": 4, "prior_guidance_scale": 4.0, "strength": None, "width": SIDE, "height": SIDE, "seeds": [0, 7, 42],
        "image": None, "mask": None, **changes}


CASES = [
    case("text-to-image"),
    case("negative prompt", prompt="a small green star", negative_prompt="a black background"),
    case("ddim", scheduler=("ddim", DDIM), prior_num_inference_steps=5, seeds=[7]),
    # The other branches of the schedulers: a bound on the threshold, and clipping in its place.
    case("bounded threshold", scheduler=("ddpm", {**DDPM, "sample_max_value": 1.5}), num_inference_steps=3, prior_num_inference_steps=2,
         seeds=[1]),
    case("no guidance, clipped, 128 x 64", scheduler=("ddpm", {**DDPM, "thresholding": False}), guidance_scale=1.0,
         prior_guidance_scale=1.0, width=128, num_inference_steps=3, prior_num_inference_steps=3, seeds=[2]),
    case("no decoder guidance, negative prompt", prompt="a ring", negative_prompt="a white background", guidance_scale=1.0, seeds=[3]),
    case("image-to-image", "image-to-image", strength=0.5, image={"formula": 1, "width": SIDE, "height": SIDE}),
    case("image-to-image ddim", "image-to-image", ("ddim", DDIM), strength=0.8, negative_prompt="gray", seeds=[4],
         image={"formula": 2, "width": SIDE, "height": SIDE}),
]
INPAINT_CASES = [
    case("inpaint", "inpaint", image={"formula": 1, "width": SIDE, "height": SIDE}, mask={"box": [8, 16, 40, 40]}),
    case("inpaint ddim", "inpaint", ("ddim", DDIM), negative_prompt="a gray background", num_inference_steps=3, seeds=[5],
         image={"formula": 0, "width": SIDE, "height": SIDE}, mask={"box": [0, 0, 24, 64]}),
]


def build():
    """The networks with their weights, and {name: recipe}."""
    nets = {
        "text": clip.TextModelWithProjection(TEXT), "image": clip.VisionModelWithProjection(IMAGE), "prior": Prior(PRIOR),
        "movq": MoVQ(MOVQ), "unet": UNet(UNET), "unet_inpaint": UNet({**UNET, "in_channels": 9})}
    # Residual branches are halved, so that activations stay level through the depth; the ends are scaled so that latents and pictures
    # neither saturate nor vanish.
    branches = [(r"(to_out\.0|out_proj|net\.2|fc2|conv2)\.weight$", 0.5)]
    unet = [(r"^conv_out\.weight", 0.4)]
    gains = {
        "prior": [(r"^proj_to_clip", 0.4)], "unet": unet, "unet_inpaint": unet,
        "movq": [(r"conv_[yb]\.weight", 0.15), (r"^decoder\.conv_out\.weight", 0.5)]}
    fixed = {
        "prior": [(r"(positional|prd)_embedding", 0.0, 0.5), (r"clip_mean", 0.0, 0.3), (r"clip_std", 0.8, 0.2)],
        "movq": [(r"conv_y\.bias", 1.0, 0.1)]}
    return nets, {name: common.fill(net, branches + gains.get(name, []), fixed.get(name, [])) for name, net in nets.items()}


def axes_of(name, shape):
    """The dynamic axes of a graph's input or output."""
    if name in ("sample", "out_sample", "latent_sample"):
        kind = "latent" if name == "latent_sample" else "sample"
        return {0: "batch_size", 2: kind + "_height", 3: kind + "_width"}
    return {0: "batch_size"} if len(shape) > 1 and not name.startswith("latents") else {}


def graphs(nets, recipes):
    torch.manual_seed(0)

    def export(folder, part, name, forward, inputs, outputs):
        results = forward(nets[name], *inputs.values())
        shapes = {**{key: value.shape for key, value in inputs.items()}, **dict(zip(outputs, [r.shape for r in results]))}
        axes = {key: axes_of(key, shape) for key, shape in shapes.items()}
        common.export(folder, part, Wrap(nets[name], forward), recipes[name], inputs, outputs, axes)

    ids = torch.tensor([[753, 300, 400] + [754] * (LENGTH - 3), [753] + [754] * (LENGTH - 1)])
    export(FAMILY, "prior_text_encoder", "text", lambda net, x: net(x)[:2], {"input_ids": ids}, ["text_embeds", "last_hidden_state"])
    export(FAMILY, "prior_image_encoder", "image", lambda net, x: net(x)[:1], {"pixel_values": torch.randn(2, 3, 224, 224)}, ["image_embeds"])
    export(FAMILY, "prior_prior", "prior", lambda net, *x: (net(*x), net.clip_mean, net.clip_std), {
        "hidden_states": torch.randn(2, DIM), "timestep": torch.tensor(666), "proj_embedding": torch.randn(2, DIM),
        "encoder_hidden_states": torch.randn(2, LENGTH, DIM), "attention_mask": ids != 754,
    }, ["predicted_image_embedding", "latents_mean", "latents_std"])  # constants: what undoes the embeddings' normalisation
    for folder, name, channels in ((FAMILY, "unet", 4), (INPAINT, "unet_inpaint", 9)):
        export(folder, "unet", name, lambda net, *x: (net(*x),), {
            "sample": torch.randn(2, channels, 8, 16), "timestep": torch.tensor([500]), "image_embeds": torch.randn(2, DIM)}, ["out_sample"])
    export(FAMILY, "movq_encoder", "movq", lambda net, x: (net.encode(x),), {"sample": torch.randn(1, 3, 64, 128)}, ["latent_sample"])
    export(FAMILY, "movq_decoder", "movq", lambda net, x: (net.decode(x),), {"latent_sample": torch.randn(1, 4, 8, 16)}, ["sample"])


def configs(keys):
    for part, config in (("unet", UNET), ("movq_encoder", MOVQ), ("movq_decoder", MOVQ), ("prior_prior", PRIOR), ("prior_text_encoder", TEXT),
                         ("prior_image_encoder", IMAGE)):
        common.write_config(FAMILY, part, config)
    common.write_config(INPAINT, "unet", {**UNET, "in_channels": 9})
    common.write_config(FAMILY, "scheduler", DDPM, "scheduler_config.json")
    common.write_config(FAMILY, "prior_scheduler", UNCLIP, "scheduler_config.json")
    common.write_config(FAMILY, "prior_image_processor", PROCESSOR, "preprocessor_config.json")
    for folder in (FAMILY, INPAINT):
        sd.write_tokenizer(folder, "prior_tokenizer")
    onnx = ["unet", "movq_encoder", "movq_decoder", "prior_prior", "prior_image_encoder", "prior_text_encoder"]
    parts = {
        **{part: ["diffusers", "OnnxRuntimeModel"] for part in onnx}, "scheduler": ["diffusers", "DDPMScheduler"],
        "prior_tokenizer": ["transformers", "CLIPTokenizer"], "prior_scheduler": ["diffusers", "UnCLIPScheduler"],
        "prior_image_processor": ["transformers", "CLIPImageProcessor"]}
    for folder, name in ((FAMILY, "KandinskyV22CombinedPipeline"), (INPAINT, "KandinskyV22InpaintCombinedPipeline")):
        common.write_config(folder, "", {"_class_name": name, "_diffusers_version": VERSION, **parts}, "model_index.json")
    unet = keys.pop("unet_inpaint")
    note = ("Published depth, except the image encoder: 4 layers of 48, and without a list of published names. Widths 32, 64, 96, 160 for"
            " 384, 768, 1152, 1536 (UNet), 48 for 2048 (prior), 32, 64, 64, 96 for 128, 256, 256, 512 (MoVQ); embeddings of 32 for 1280"
            " numbers.")
    common.write_config(FAMILY, "", {"note": note, "use": {"prior_tokenizer": "tokenizer"}, "keys": keys}, "family.json")
    shared = {part: FAMILY + "/" + part for part in parts if part != "unet"}
    common.write_config(INPAINT, "", {"use": {**shared, "prior_tokenizer": "tokenizer"}, "keys": {"unet": unet}}, "family.json")


def published(nets):
    """What family.json says of every graph's tensor names."""
    def entry(name, listing, note, only=".", graph=".", absent="^$"):
        """only: the names whose shapes can be compared with the published ones; graph: those that the graph has."""
        return {**common.check_keys(nets[name], "keys/%s.txt.gz" % listing, only, absent), "only": graph, "note": note}
    movq = "narrower; no codebook: the pipelines never quantise"
    return {
        "prior_prior": entry("prior", "kandinsky22_prior", "narrower", only="^([^p]|proj)"),  # all but two embeddings [1, N, width]
        "prior_text_encoder": entry("text", "sdxl_text2", "narrower; CLIP ViT-bigG/14's text model, as SDXL's second"),
        "unet": entry("unet", "kandinsky22_unet", "narrower"),
        "unet_inpaint": entry("unet_inpaint", "kandinsky22_unet", "narrower; 9 input channels"),
        "movq_encoder": entry("movq", "kandinsky22_movq", movq, graph="^(encoder|quant_conv)", absent="^quantize"),
        "movq_decoder": entry("movq", "kandinsky22_movq", movq, graph="^(decoder|post_quant_conv)", absent="^quantize")}


def references(folder, cases, nets):
    tokenizer = Tokenizer()
    rows = []
    for c in cases:
        image = pixels(c["image"]) * 2 - 1 if c["image"] else None
        mask = mask_of(c)[0, 0].bool() if c["mask"] else None
        row = {**c, "ids": tokenizer(c["prompt"]), "prior_latents": [], "embeds": [], "latents": []}
        guided = c["prior_guidance_scale"] > 1
        row["negative_ids"] = tokenizer(c["negative_prompt"] or "") if guided or c["negative_prompt"] is not None else None
        prior = kandinsky_pipeline.schedule(UNCLIP, c["prior_num_inference_steps"])
        steps = kandinsky_pipeline.schedule(c["scheduler"]["config"], c["num_inference_steps"])
        start = 0 if c["strength"] is None else len(steps.timesteps) - int(len(steps.timesteps) * c["strength"])
        row["prior_timesteps"], row["timesteps"] = prior.timesteps, steps.timesteps[start:]
        results = []
        for seed in c["seeds"]:
            seen = {"prior": [], "embeds": [], "unet": []}
            results.append(kandinsky_pipeline.generate(
                nets, tokenizer, c, UNCLIP, seed, image, mask, lambda stage, x: seen[stage].append(x)).numpy())
            for field, values in (("prior_latents", seen["prior"]), ("embeds", seen["embeds"][0]), ("latents", seen["unet"])):
                row[field].append([[round(v, 6) for v in x.flatten()[:4].tolist()] for x in values])
        stack = np.stack(results)
        row["output"] = c["name"].replace(",", "").replace(" ", "-") + ".u16.gz"
        # 12 bits are enough for the tolerance, and zeros below them compress.
        rounded = np.minimum(np.round(stack.astype(float) * 65535 / 16) * 16 / 65535, 1)
        common.write_u16(os.path.join(common.FIXTURES, folder, row["output"]), rounded)
        assert stack.std() > 0.05 and np.abs(stack - 0.5).mean() < 0.4, "a flat or a saturated picture"
        assert all(np.abs(a - b).mean() > 0.01 for i, a in enumerate(stack) for b in stack[:i]), "the seed has no effect"
        print("%-38s std %.3f, clamped %.3f" % (c["name"], stack.std(), np.mean((stack == 0) | (stack == 1))), flush=True)
        rows.append(row)
    common.write_config(folder, "", {"tolerance": 0.001, "cases": rows}, "reference.json")


def main():
    nets, recipes = build()
    configs(published(nets))
    graphs(nets, recipes)
    references(FAMILY, CASES, nets)
    references(INPAINT, INPAINT_CASES, {**nets, "unet": nets["unet_inpaint"]})


if __name__ == "__main__":
    main()
