"""The family sd15-fp16: sd15 with a UNet of float16 weights, inputs and outputs. The reference rounds the weights only."""
import torch

from . import common, pipelines, sd, sd15

FOLDER = "sd15-fp16"


def main():
    unet, vae, text = sd15.parts()
    net = unet[0].double()
    inputs = {k: v.double() if v.is_floating_point() else v for k, v in sd.unet_inputs(sd.UNET, torch.tensor([981])).items()}
    for tensor in net.state_dict().values():
        tensor.copy_(tensor.half())
    common.export(FOLDER, "unet", common.Wrap(net, lambda n, x, t, c: n(x, t, c)), unet[1], inputs, ["out_sample"], sd.UNET_AXES, half=True)
    net.float()
    common.write_config(FOLDER, "unet", sd.UNET)
    common.write_config(FOLDER, "scheduler", sd.SCHEDULER, "scheduler_config.json")
    sd.write_tokenizer(FOLDER)
    parts = ("text_encoder", "vae_decoder", "vae_encoder")
    sd.model_index(FOLDER, "StableDiffusionPipeline", "PNDMScheduler", "tokenizer", "unet", *parts)
    sd.family(FOLDER, {"tokenizer": "tokenizer", **{p: "sd15/" + p for p in parts}}, {"unet": unet[2]}, sd15.NOTE + " float16.")
    pipelines.references(FOLDER, sd15.cases()[:1], sd15.start(net, vae[0], text[0], pipelines.Tokenizer()), 0.005,
                         "the reference has weights rounded to float16 and float32 arithmetic")
