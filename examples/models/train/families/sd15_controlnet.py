"""The family sd15-controlnet: StableDiffusionControlNetPipeline. Its UNet is sd15's with the ControlNet's additions as inputs."""
import torch

from . import common, pipelines, sd, sd15, unet

FOLDER = "sd15-controlnet"
CONTROLNET = {"_class_name": "ControlNetModel", "_diffusers_version": "0.14.0.dev0", "act_fn": "silu", "attention_head_dim": 8,
              "block_out_channels": sd.WIDTHS, "class_embed_type": None, "conditioning_embedding_out_channels": [8, 16, 24, 32],
              "controlnet_conditioning_channel_order": "rgb", "cross_attention_dim": 32,
              "down_block_types": sd.UNET["down_block_types"], "downsample_padding": 1, "flip_sin_to_cos": True, "freq_shift": 0,
              "in_channels": 4, "layers_per_block": 2, "mid_block_scale_factor": 1, "norm_eps": 1e-05, "norm_num_groups": 32,
              "num_class_embeds": None, "only_cross_attention": False, "projection_class_embeddings_input_dim": None,
              "resnet_time_scale_shift": "default", "upcast_attention": False, "use_linear_projection": False}
# Additions of about the size of what they are added to.
GAINS = sd.UNET_GAINS + [(r"^controlnet_(down_blocks|mid_block)", 0.7), (r"^controlnet_cond_embedding.*weight", 2.0)]
RESIDUALS = 12
NOTE = sd15.NOTE + " Conditioning embedding 8, 16, 24, 32 for 16, 32, 96, 256."


def cases():
    s = sd.SCHEDULER
    control = {"formula": 2, "width": 64, "height": 64}
    return [
        pipelines.case("scribble", "controlnet", sd15.PROMPT, "ddim", s, 4, 7.5, negative_prompt=sd15.NEGATIVE, control=control, conditioning_scale=1.0),
        pipelines.case("scribble_euler_half", "controlnet", sd15.PROMPT, "euler", s, 4, 7.5, control=control, conditioning_scale=0.5),
    ]


def main():
    base = sd.make_unet(sd.UNET, "keys/sd15_unet.txt.gz")
    vae, text = sd.make_vae(), sd.make_text()
    net = unet.ControlNet(CONTROLNET).eval()
    manifest = common.check_keys(net, "keys/sd15_controlnet.txt.gz")
    recipe = common.fill(net, GAINS)
    inputs = {**sd.unet_inputs(sd.UNET, torch.tensor(981)),
              "controlnet_cond": torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(3)).round()}
    names = ["down_block_res_samples.%d" % i for i in range(RESIDUALS)] + ["mid_block_res_sample"]
    axes = {**sd.UNET_AXES, "controlnet_cond": sd.picture_axes("image_height", "image_width")}
    del axes["out_sample"]
    common.export(FOLDER, "controlnet", common.Wrap(net, lambda n, x, t, c, p: n(x, t, c, p)), recipe, inputs, names,
                  {**axes, **{n: sd.picture_axes(n + "_height", n + "_width") for n in names}})
    common.write_config(FOLDER, "controlnet", CONTROLNET)
    down, mid = net(*inputs.values())
    extra = {"down_block_additional_residuals.%d" % i: d for i, d in enumerate(down)}
    inputs = {**sd.unet_inputs(sd.UNET, torch.tensor(981)), **extra, "mid_block_additional_residual": mid}
    axes = {**sd.UNET_AXES, **{n: sd.picture_axes(n + "_height", n + "_width") for n in [*extra, "mid_block_additional_residual"]}}
    common.export(FOLDER, "unet", common.Wrap(base[0], lambda n, x, t, c, *r: n(x, t, c, down=r[:-1], mid=r[-1])), base[1],
                  inputs, ["out_sample"], axes)
    common.write_config(FOLDER, "unet", sd.UNET)
    common.write_config(FOLDER, "scheduler", sd.SCHEDULER, "scheduler_config.json")
    sd.write_tokenizer(FOLDER)
    sd.model_index(FOLDER, "StableDiffusionControlNetPipeline", "PNDMScheduler", "controlnet", "text_encoder", "tokenizer", "unet", "vae_decoder")
    use = {"tokenizer": "tokenizer", "text_encoder": "sd15/text_encoder", "vae_decoder": "sd15/vae_decoder"}
    sd.family(FOLDER, use, {"unet": base[2], "controlnet": manifest}, NOTE)
    tokenizer = pipelines.Tokenizer()

    def start(c, seed):
        context, hint, scale = sd.embed(text[0], tokenizer, c, True), pipelines.control_of(c), c["conditioning_scale"]

        def predict(x, t):
            down, mid = net(x, t, context, hint.expand(2, -1, -1, -1))
            return base[0](x, t, context, down=[d * scale for d in down], mid=mid * scale)
        return pipelines.Run(c, seed, predict, vae[0], sd.VAE["scaling_factor"], True, True)
    images = pipelines.references(FOLDER, cases(), start)
    plain = sd15.start(base[0], vae[0], text[0], tokenizer)({**cases()[0], "task": "text-to-image"}, 0).image().numpy()
    change = abs(plain - images["scribble"][0]).mean()
    print("the scribble changes the image by %.3f" % change)
    assert change > 0.01
