"""What the Stable Diffusion 1.x families share: configurations as published apart from sizes, and how their parts are exported."""
import torch

from . import clip, common, unet, vae

# Published: 320, 640, 1280, 1280. Not less than 160: an image of 64 px has 1 x 1 positions at the lowest level, and a GroupNorm over few
# numbers magnifies rounding.
WIDTHS = [32, 64, 160, 160]
TEXT = {"architectures": ["CLIPTextModel"], "attention_dropout": 0.0, "bos_token_id": 0, "dropout": 0.0, "eos_token_id": 2, "hidden_act": "quick_gelu",
        "hidden_size": 32, "initializer_factor": 1.0, "initializer_range": 0.02, "intermediate_size": 128, "layer_norm_eps": 1e-05,
        "max_position_embeddings": 77, "model_type": "clip_text_model", "num_attention_heads": 4, "num_hidden_layers": 12,
        "pad_token_id": 1, "projection_dim": 32, "torch_dtype": "float32", "vocab_size": 755}
UNET = {"_class_name": "UNet2DConditionModel", "_diffusers_version": "0.6.0", "act_fn": "silu", "attention_head_dim": 8,
        "block_out_channels": WIDTHS, "center_input_sample": False, "cross_attention_dim": 32,
        "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
        "downsample_padding": 1, "flip_sin_to_cos": True, "freq_shift": 0, "in_channels": 4, "layers_per_block": 2,
        "mid_block_scale_factor": 1, "norm_eps": 1e-05, "norm_num_groups": 32, "out_channels": 4, "sample_size": 8,
        "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"]}
VAE = {"_class_name": "AutoencoderKL", "_diffusers_version": "0.6.0", "act_fn": "silu", "block_out_channels": [32, 64, 96, 96],
       "down_block_types": ["DownEncoderBlock2D"] * 4, "in_channels": 3, "latent_channels": 4, "layers_per_block": 2,
       "norm_num_groups": 32, "out_channels": 3, "sample_size": 64, "scaling_factor": 0.18215, "up_block_types": ["UpDecoderBlock2D"] * 4}
SCHEDULER = {"_class_name": "PNDMScheduler", "_diffusers_version": "0.6.0", "beta_end": 0.012, "beta_schedule": "scaled_linear",
             "beta_start": 0.00085, "num_train_timesteps": 1000, "set_alpha_to_one": False, "skip_prk_steps": True, "steps_offset": 1,
             "trained_betas": None, "clip_sample": False}
SPECIAL = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}

# Attention that looks at some tokens more than at others, so that a prompt matters; predictions and latents of a size at which the decoder
# neither saturates nor loses its input's scale in the norms.
UNET_GAINS = [(r"attn2\.to_[qk]\.weight", 1.5), (r"attn2\.to_(v|out\.0)\.weight", 1.5), (r"^conv_out\.weight", 0.3)]
VAE_GAINS = [(r"^decoder\.conv_in\.weight", 0.15), (r"^decoder\.conv_out\.weight", 0.6), (r"^encoder\.conv_out\.weight", 3.0)]
VAE_FIXED = [(r"^decoder\.conv_in\.bias", 0.0, 0.5), (r"^quant_conv\.bias", -1.0, 1.0)]
TEXT_GAINS = [(r"self_attn\.[qk]_proj\.weight", 2.0)]

BATCH = {0: "batch_size"}
TOKENS = {0: "batch_size", 1: "sequence_length"}


def picture_axes(height="height", width="width"):
    return {0: "batch_size", 2: height, 3: width}


def make_unet(config, listing, gains=UNET_GAINS, **keys):
    net = unet.UNet(config).eval()
    manifest = common.check_keys(net, listing, **keys)
    return net, common.fill(net, gains), manifest


def make_vae(config=VAE):
    net = vae.VAE(config).eval()
    manifest = common.check_keys(net, "keys/sd_vae.txt.gz")
    return net, common.fill(net, VAE_GAINS, VAE_FIXED), manifest


def make_text(config=TEXT, listing="keys/clip_vitl14_text.txt.gz"):
    net = (clip.TextModelWithProjection if "text2" in listing else clip.TextModel)(config).eval()
    manifest = common.check_keys(net, listing)
    return net, common.fill(net, TEXT_GAINS), manifest


def ids_example(dtype=torch.long, batch=2):
    ids = torch.full((batch, 77), 754, dtype=dtype)
    ids[:, 0] = 753
    ids[:, 1:6] = torch.arange(5 * batch, dtype=dtype).reshape(batch, 5) + 300
    return ids


def export_text(folder, net, recipe, dtype=torch.long, fixed=False):
    wrapped = common.Wrap(net, lambda n, ids: n(ids)[:2])
    axes = {"input_ids": TOKENS, "last_hidden_state": TOKENS, "pooler_output": BATCH}
    common.export(folder, "text_encoder", wrapped, recipe, {"input_ids": ids_example(dtype, 1 if fixed else 2)},
                  ["last_hidden_state", "pooler_output"], None if fixed else axes)
    common.write_config(folder, "text_encoder", TEXT)


def export_vae(folder, net, recipe, config=VAE, encoder_output="latent_parameters", fixed=False):
    g = torch.Generator().manual_seed(1)
    if encoder_output == "latent_parameters":
        encoder = common.Wrap(net, lambda n, x: n.parameters_of(x))
    else:  # one latent a picture: the mean, so that the fixture has one right answer
        encoder = common.Wrap(net, lambda n, x: n.parameters_of(x).chunk(2, 1)[0])
    axes = {"sample": picture_axes("sample_height", "sample_width"), encoder_output: picture_axes("latent_height", "latent_width")}
    common.export(folder, "vae_encoder", encoder, recipe, {"sample": torch.rand(1, 3, 64, 64, generator=g) * 2 - 1},
                  [encoder_output], None if fixed else axes)
    axes = {"latent_sample": picture_axes("latent_height", "latent_width"), "sample": picture_axes("sample_height", "sample_width")}
    common.export(folder, "vae_decoder", common.Wrap(net, lambda n, z: n.decode(z)), recipe,
                  {"latent_sample": torch.randn(1, 4, 8, 8, generator=g)}, ["sample"], None if fixed else axes)
    for part in ("vae_encoder", "vae_decoder"):
        common.write_config(folder, part, config)


def unet_inputs(config, timestep, batch=2):
    """Example inputs of a UNet in the order of Optimum's export."""
    g = torch.Generator().manual_seed(2)
    return {"sample": torch.randn(batch, config["in_channels"], 8, 8, generator=g), "timestep": timestep,
            "encoder_hidden_states": torch.randn(batch, 77, config["cross_attention_dim"], generator=g)}


UNET_AXES = {"sample": picture_axes(), "encoder_hidden_states": TOKENS, "out_sample": picture_axes()}


def write_tokenizer(folder, part="tokenizer", pad="<|endoftext|>"):
    special = {**SPECIAL, "pad_token": pad}
    common.write_config(folder, part, special, "special_tokens_map.json")
    common.write_config(folder, part, {"add_prefix_space": False, **special, "do_lower_case": True, "errors": "replace", "model_max_length": 77,
                                       "tokenizer_class": "CLIPTokenizer"}, "tokenizer_config.json")


def model_index(folder, class_name, scheduler, *parts, **more):
    """model_index.json as ONNX exports have it: the graphs are OnnxRuntimeModel."""
    index = {"_class_name": class_name, "_diffusers_version": "0.27.2", **more, "scheduler": ["diffusers", scheduler]}
    for part in parts:
        index[part] = ["transformers", "CLIPTokenizer"] if part.startswith("tokenizer") else ["diffusers", "OnnxRuntimeModel"]
    common.write_json(common.FIXTURES + "/" + folder + "/model_index.json", index)


def family(folder, use, keys, note):
    common.write_json(common.FIXTURES + "/" + folder + "/family.json", {"note": note, "use": use, "keys": keys})


def embed(net, tokenizer, c, guided):
    """Fills in the case's ids and returns the embeddings, the unconditional one first."""
    c["ids"] = tokenizer(c["prompt"])
    rows = [c["ids"]]
    if guided:
        c["negative_ids"] = tokenizer(c["negative_prompt"] or "")
        rows = [c["negative_ids"]] + rows
    return net(torch.tensor(rows))[0]
