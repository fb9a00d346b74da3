"""The families sdxl (StableDiffusionXLPipeline) and sdxl-turbo, which has the same parts and another scheduler."""
import numpy as np
import torch

from . import common, pipelines, sd, sd15

FOLDER, TURBO = "sdxl", "sdxl-turbo"
WIDTH_1, WIDTH_2 = 32, 40  # of the text encoders; published 768 and 1280
TEXT_1 = {**sd.TEXT, "torch_dtype": "float16"}
TEXT_2 = {**TEXT_1, "architectures": ["CLIPTextModelWithProjection"], "hidden_act": "gelu", "hidden_size": WIDTH_2, "intermediate_size": 160,
          "num_attention_heads": 5, "num_hidden_layers": 32, "projection_dim": WIDTH_2}
UNET = {"_class_name": "UNet2DConditionModel", "_diffusers_version": "0.19.0.dev0", "act_fn": "silu", "addition_embed_type": "text_time",
        "addition_embed_type_num_heads": 64, "addition_time_embed_dim": 256, "attention_head_dim": [4, 8, 12],
        "block_out_channels": [32, 64, 96], "center_input_sample": False, "class_embed_type": None, "class_embeddings_concat": False,
        "conv_in_kernel": 3, "conv_out_kernel": 3, "cross_attention_dim": WIDTH_1 + WIDTH_2, "cross_attention_norm": None,
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"], "downsample_padding": 1,
        "dual_cross_attention": False, "encoder_hid_dim": None, "encoder_hid_dim_type": None, "flip_sin_to_cos": True, "freq_shift": 0,
        "in_channels": 4, "layers_per_block": 2, "mid_block_only_cross_attention": None, "mid_block_scale_factor": 1,
        "mid_block_type": "UNetMidBlock2DCrossAttn", "norm_eps": 1e-05, "norm_num_groups": 32, "num_attention_heads": None,
        "num_class_embeds": None, "only_cross_attention": False, "out_channels": 4,
        "projection_class_embeddings_input_dim": 6 * 256 + WIDTH_2, "resnet_out_scale_factor": 1.0, "resnet_skip_time_act": False,
        "resnet_time_scale_shift": "default", "sample_size": 8, "time_cond_proj_dim": None, "time_embedding_act_fn": None,
        "time_embedding_dim": None, "time_embedding_type": "positional", "timestep_post_act": None,
        "transformer_layers_per_block": [1, 2, 2], "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
        "upcast_attention": None, "use_linear_projection": True}
VAE = {**sd.VAE, "_diffusers_version": "0.20.0.dev0", "force_upcast": True, "scaling_factor": 0.13025}
SCHEDULER = {"_class_name": "EulerDiscreteScheduler", "_diffusers_version": "0.19.0.dev0", "beta_end": 0.012, "beta_schedule": "scaled_linear",
             "beta_start": 0.00085, "clip_sample": False, "interpolation_type": "linear", "num_train_timesteps": 1000,
             "prediction_type": "epsilon", "sample_max_value": 1.0, "set_alpha_to_one": False, "skip_prk_steps": True, "steps_offset": 1,
             "timestep_spacing": "leading", "trained_betas": None, "use_karras_sigmas": False}
SCHEDULER_TURBO = {**{k: v for k, v in SCHEDULER.items() if k != "use_karras_sigmas"}, "_class_name": "EulerAncestralDiscreteScheduler",
                   "timestep_spacing": "trailing"}
NOTE = ("Published depth but for the third level's transformers, 2 blocks for 10. UNet widths 32, 64, 96 for 320, 640, 1280 with 8 and 12 heads "
        "for 10 and 20; addition_time_embed_dim 256 as published. Text encoders of width 32 and 40 for 768 and 1280, 755 tokens for 49408. "
        "VAE widths 32, 64, 96, 96. sample_size 8 for 128 latents. "
        "vae_encoder's latent_sample is the distribution's mean: a drawn one would have no one right answer.")
PROMPT = sd15.PROMPT
# The hidden states before the last layer have no norm: here they are about 4 times as large as those after it.
GAINS = [(r"attn2\.to_(q|out\.0)\.weight", 1.5), (r"attn2\.to_[kv]\.weight", 0.4), (r"^conv_out\.weight", 0.3)]


def cases():
    return [
        pipelines.case("text_to_image", "text-to-image", PROMPT, "euler", SCHEDULER, 4, 5.0, negative_prompt="blurry, low quality"),
        pipelines.case("text_to_image_no_negative", "text-to-image", PROMPT, "euler", SCHEDULER, 4, 5.0, width=128),
        pipelines.case("image_to_image", "image-to-image", PROMPT, "euler", SCHEDULER, 4, 5.0, strength=0.5,
                       image={"formula": 1, "width": 64, "height": 64}),
    ]


def cases_turbo():
    return [pipelines.case("steps_%d" % n, "text-to-image", "a red circle on a blue background", "euler_ancestral", SCHEDULER_TURBO, n, 0.0)
            for n in (1, 2)]


def embed(text_1, text_2, tokenizer, c, guided):
    """Fills in the case's ids. Returns (embeddings [B, 77, C], pooled [B, P]), the unconditional one first."""
    def one(text):
        ids, ids_2 = tokenizer(text), tokenizer(text, pad=0)
        pooled, _, states_2 = text_2(torch.tensor([ids_2]))
        states_1 = text_1(torch.tensor([ids]))[2]
        return ids, ids_2, torch.cat([states_1[-2], states_2[-2]], -1), pooled
    c["ids"], c["ids_2"], hidden, pooled = one(c["prompt"])
    c["negative_ids_2"] = None
    if not guided:
        return hidden, pooled
    if c["negative_prompt"] is None:  # force_zeros_for_empty_prompt
        return torch.cat([torch.zeros_like(hidden), hidden]), torch.cat([torch.zeros_like(pooled), pooled])
    c["negative_ids"], c["negative_ids_2"], plain, plain_pooled = one(c["negative_prompt"])
    return torch.cat([plain, hidden]), torch.cat([plain_pooled, pooled])


def export_parts(unet, vae, text_1, text_2):
    for part, net, config, first in (("text_encoder", text_1, TEXT_1, ["last_hidden_state", "pooler_output"]),
                                     ("text_encoder_2", text_2, TEXT_2, ["text_embeds", "last_hidden_state"])):
        names = first + ["hidden_states.%d" % i for i in range(config["num_hidden_layers"] + 1)]
        axes = {n: sd.BATCH if n in ("pooler_output", "text_embeds") else sd.TOKENS for n in names}
        wrapped = common.Wrap(net[0], lambda n, ids: (lambda out: (out[0], out[1], *out[2]))(n(ids)))
        common.export(FOLDER, part, wrapped, net[1], {"input_ids": sd.ids_example()}, names, {"input_ids": sd.TOKENS, **axes})
        common.write_config(FOLDER, part, config)
    sd.export_vae(FOLDER, vae[0], vae[1], VAE, "latent_sample")
    inputs = {**sd.unet_inputs(UNET, torch.tensor(981.0)), "text_embeds": torch.randn(2, WIDTH_2, generator=torch.Generator().manual_seed(4)),
              "time_ids": torch.tensor([[64.0, 64, 0, 0, 64, 64]] * 2)}
    wrapped = common.Wrap(unet[0], lambda n, x, t, c, e, ids: n(x, t, c, text_embeds=e, time_ids=ids))
    common.export(FOLDER, "unet", wrapped, unet[1], inputs, ["out_sample"], {**sd.UNET_AXES, "text_embeds": sd.BATCH, "time_ids": sd.BATCH})
    common.write_config(FOLDER, "unet", UNET)


def main():
    unet = sd.make_unet(UNET, "keys/sdxl_unet.txt.gz", GAINS, absent=r"\.transformer_blocks\.[2-9]\.")
    vae = sd.make_vae(VAE)
    text_1, text_2 = sd.make_text(TEXT_1), sd.make_text(TEXT_2, "keys/sdxl_text2.txt.gz")
    export_parts(unet, vae, text_1, text_2)
    parts = ("text_encoder", "text_encoder_2", "unet", "vae_decoder", "vae_encoder")
    for folder, scheduler in ((FOLDER, SCHEDULER), (TURBO, SCHEDULER_TURBO)):
        common.write_config(folder, "scheduler", scheduler, "scheduler_config.json")
        sd.write_tokenizer(folder)
        sd.write_tokenizer(folder, "tokenizer_2", pad="!")
        sd.model_index(folder, "StableDiffusionXLPipeline", scheduler["_class_name"], "tokenizer", "tokenizer_2", *parts,
                       force_zeros_for_empty_prompt=True)
    shared = {"tokenizer": "tokenizer", "tokenizer_2": "tokenizer"}
    keys = {**sd15.keys(unet, vae, text_1), "text_encoder_2": text_2[2]}
    sd.family(FOLDER, shared, keys, NOTE)
    sd.family(TURBO, {**shared, **{p: FOLDER + "/" + p for p in parts}}, {}, "The parts of sdxl.")
    tokenizer = pipelines.Tokenizer()

    def start(c, seed):
        guided = c["guidance_scale"] > 1
        context, pooled = embed(text_1[0], text_2[0], tokenizer, c, guided)
        ids = torch.tensor([[c["height"], c["width"], 0, 0, c["height"], c["width"]]] * len(context), dtype=torch.float32)
        return pipelines.Run(c, seed, lambda x, t: unet[0](x, t, context, text_embeds=pooled, time_ids=ids), vae[0],
                             VAE["scaling_factor"], guided, False)
    images = pipelines.references(FOLDER, cases(), start)
    pipelines.references(TURBO, cases_turbo(), start)
    other = start({**cases()[0], "prompt": "a bowl of fruit"}, 0).image().numpy()
    change = np.abs(other - images["text_to_image"][0]).mean()
    print("another prompt changes the image by %.3f" % change)
    assert change > 0.01
