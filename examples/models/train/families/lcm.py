"""The family lcm: LatentConsistencyModelPipeline (Luo et al. 2023), exported with every axis fixed: one image of 64 x 64 px."""
import torch

from . import common, pipelines, sd, sd15

FOLDER = "lcm"
UNET = {**sd.UNET, "_diffusers_version": "0.22.0.dev0", "time_cond_proj_dim": 256}
SCHEDULER = {"_class_name": "LCMScheduler", "_diffusers_version": "0.22.0.dev0", "beta_end": 0.012, "beta_schedule": "scaled_linear",
             "beta_start": 0.00085, "clip_sample": False, "clip_sample_range": 1.0, "dynamic_thresholding_ratio": 0.995,
             "num_train_timesteps": 1000, "original_inference_steps": 50, "prediction_type": "epsilon", "rescale_betas_zero_snr": False,
             "sample_max_value": 1.0, "set_alpha_to_one": True, "steps_offset": 1, "thresholding": False, "timestep_scaling": 10.0,
             "timestep_spacing": "leading", "trained_betas": None}


def guidance_embedding(w, dim):
    """[1, dim]: sines, then cosines, of 1000 w at falling frequencies."""
    half = dim // 2
    frequencies = torch.exp(torch.arange(half, dtype=torch.float32) * -(torch.log(torch.tensor(10000.0)) / (half - 1)))
    angles = torch.tensor([w]) * 1000.0 * frequencies
    return torch.cat([angles.sin(), angles.cos()])[None]


def cases():
    return [pipelines.case("text_to_image", "text-to-image", sd15.PROMPT, "lcm", SCHEDULER, 4, 8.0),
            pipelines.case("text_to_image_one_step", "text-to-image", sd15.PROMPT, "lcm", SCHEDULER, 1, 8.0)]


def main():
    unet = sd.make_unet(UNET, "keys/lcm_unet.txt.gz")
    vae, text = sd.make_vae(), sd.make_text()
    sd.export_text(FOLDER, text[0], text[1], fixed=True)
    sd.export_vae(FOLDER, vae[0], vae[1], fixed=True)
    inputs = {**sd.unet_inputs(UNET, torch.tensor([981]), 1), "timestep_cond": guidance_embedding(7.0, 256)}
    common.export(FOLDER, "unet", common.Wrap(unet[0], lambda n, x, t, c, w: n(x, t, c, w)), unet[1], inputs, ["out_sample"])
    common.write_config(FOLDER, "unet", UNET)
    common.write_config(FOLDER, "scheduler", SCHEDULER, "scheduler_config.json")
    sd.write_tokenizer(FOLDER)
    sd.model_index(FOLDER, "LatentConsistencyModelPipeline", "LCMScheduler", "text_encoder", "tokenizer", "unet", "vae_decoder", "vae_encoder")
    sd.family(FOLDER, {"tokenizer": "tokenizer"}, sd15.keys(unet, vae, text), sd15.NOTE + " Every axis is fixed.")
    tokenizer = pipelines.Tokenizer()

    def start(c, seed):
        context = sd.embed(text[0], tokenizer, c, False)
        cond = guidance_embedding(c["guidance_scale"] - 1, 256)
        return pipelines.Run(c, seed, lambda x, t: unet[0](x, t, context, cond), vae[0], sd.VAE["scaling_factor"], False, True)
    pipelines.references(FOLDER, cases(), start)
