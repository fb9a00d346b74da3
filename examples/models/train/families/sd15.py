"""The family sd15: StableDiffusionPipeline, and on the same parts image-to-image and inpaint with a UNet of 4 channels."""
import numpy as np
import torch

from . import common, pipelines, sd

FOLDER = "sd15"
NOTE = ("Published depth throughout. Widths 32, 64, 160, 160 for 320, 640, 1280, 1280 (UNet), 32, 64, 96, 96 for 128, 256, 512, 512 (VAE); "
        "8 heads as published (attention_head_dim is their number). Text: width 32 for 768, 4 heads for 12, 755 tokens for 49408. "
        "sample_size 8 for 64 latents.")
PICTURE = {"formula": 1, "width": 64, "height": 64}
PROMPT, NEGATIVE = "a photo of an astronaut riding a horse on mars", "blurry, low quality"


def parts():
    """(unet, vae, text): each a network, its recipe and its entry for family.json's keys."""
    return sd.make_unet(sd.UNET, "keys/sd15_unet.txt.gz"), sd.make_vae(), sd.make_text()


def keys(unet, vae, text):
    encoder, decoder = ({**vae[2], "only": only} for only in (r"^(encoder|quant_conv)\.", r"^(decoder|post_quant_conv)\."))
    return {"unet": unet[2], "vae_encoder": encoder, "vae_decoder": decoder, "text_encoder": text[2]}


def cases():
    s = sd.SCHEDULER
    return [
        pipelines.case("text_to_image_ddim", "text-to-image", PROMPT, "ddim", s, 4, 7.5, negative_prompt=NEGATIVE),
        pipelines.case("text_to_image_euler", "text-to-image", PROMPT, "euler", s, 4, 7.5),
        pipelines.case("text_to_image_unguided", "text-to-image", "a red circle on a blue background", "ddim", s, 4, 1.0, width=128),
        pipelines.case("image_to_image", "image-to-image", PROMPT, "ddim", s, 4, 7.5, negative_prompt=NEGATIVE, strength=0.5, image=PICTURE),
        pipelines.case("image_to_image_euler", "image-to-image", PROMPT, "euler", s, 4, 7.5, strength=0.5, image=PICTURE),
        pipelines.case("inpaint", "inpaint", PROMPT, "ddim", s, 4, 7.5, strength=1.0, image=PICTURE, mask={"box": [16, 8, 56, 40]}),
        pipelines.case("inpaint_euler", "inpaint", PROMPT, "euler", s, 4, 7.5, strength=1.0, image=PICTURE, mask={"box": [16, 8, 56, 40]}),
        pipelines.case("inpaint_euler_ancestral", "inpaint", PROMPT, "euler_ancestral", s, 4, 7.5, strength=1.0, image=PICTURE, mask={"box": [16, 8, 56, 40]}),
    ]


def start(unet, vae, text, tokenizer):
    def run(c, seed):
        guided = c["guidance_scale"] > 1
        context = sd.embed(text, tokenizer, c, guided)
        return pipelines.Run(c, seed, lambda x, t: unet(x, t, context), vae, sd.VAE["scaling_factor"], guided, True)
    return run


def main():
    unet, vae, text = parts()
    sd.export_text(FOLDER, text[0], text[1])
    sd.export_vae(FOLDER, vae[0], vae[1])
    common.export(FOLDER, "unet", common.Wrap(unet[0], lambda n, x, t, c: n(x, t, c)), unet[1],
                  sd.unet_inputs(sd.UNET, torch.tensor([981])), ["out_sample"], sd.UNET_AXES)
    common.write_config(FOLDER, "unet", sd.UNET)
    common.write_config(FOLDER, "scheduler", sd.SCHEDULER, "scheduler_config.json")
    sd.write_tokenizer(FOLDER)
    sd.model_index(FOLDER, "StableDiffusionPipeline", "PNDMScheduler", "text_encoder", "tokenizer", "unet", "vae_decoder", "vae_encoder")
    sd.family(FOLDER, {"tokenizer": "tokenizer"}, keys(unet, vae, text), NOTE)
    tokenizer = pipelines.Tokenizer()
    images = pipelines.references(FOLDER, cases(), start(unet[0], vae[0], text[0], tokenizer))
    other = start(unet[0], vae[0], text[0], tokenizer)({**cases()[0], "prompt": "a bowl of fruit"}, 0).image().numpy()
    change = np.abs(other - images["text_to_image_ddim"][0]).mean()
    print("another prompt changes the image by %.3f" % change)
    assert change > 0.01
