"""The family sd15-inpaint: StableDiffusionInpaintPipeline with a UNet of 9 channels, in the form of diffusers' own script.

That form has int32 input_ids and a float timestep for each entry of the batch.
"""
import torch

from . import common, pipelines, sd, sd15

FOLDER = "sd15-inpaint"
UNET = {**sd.UNET, "in_channels": 9}
BOX = {"box": [16, 8, 56, 40]}


def cases():
    s = sd.SCHEDULER
    shared = {"image": {"formula": 2, "width": 64, "height": 64}, "mask": BOX}
    return [
        pipelines.case("inpaint", "inpaint", sd15.PROMPT, "ddim", s, 4, 7.5, negative_prompt=sd15.NEGATIVE, strength=1.0, **shared),
        pipelines.case("inpaint_euler", "inpaint", sd15.PROMPT, "euler", s, 4, 7.5, strength=1.0, **shared),
    ]


def main():
    unet = sd.make_unet(UNET, "keys/sd15_inpaint_unet.txt.gz")
    vae, text = sd.make_vae(), sd.make_text()
    sd.export_text(FOLDER, text[0], text[1], torch.int32)
    axes = {**sd.UNET_AXES, "timestep": sd.BATCH}
    common.export(FOLDER, "unet", common.Wrap(unet[0], lambda n, x, t, c: n(x, t, c)), unet[1],
                  sd.unet_inputs(UNET, torch.tensor([981.0, 981.0])), ["out_sample"], axes)
    common.write_config(FOLDER, "unet", UNET)
    common.write_config(FOLDER, "scheduler", sd.SCHEDULER, "scheduler_config.json")
    sd.write_tokenizer(FOLDER)
    sd.model_index(FOLDER, "StableDiffusionInpaintPipeline", "PNDMScheduler", "text_encoder", "tokenizer", "unet", "vae_decoder", "vae_encoder")
    use = {"tokenizer": "tokenizer", "vae_encoder": "sd15/vae_encoder", "vae_decoder": "sd15/vae_decoder"}
    sd.family(FOLDER, use, {"unet": unet[2], "text_encoder": text[2]}, sd15.NOTE)
    tokenizer = pipelines.Tokenizer()

    def start(c, seed):
        context = sd.embed(text[0], tokenizer, c, True)
        return pipelines.Run(c, seed, lambda x, t: unet[0](x, t, context), vae[0], sd.VAE["scaling_factor"], True, True, 9)
    pipelines.references(FOLDER, cases(), start)
