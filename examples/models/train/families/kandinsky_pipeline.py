"""Kandinsky 2.2's two stages in plain PyTorch, step for step as diffusers' KandinskyV22 pipelines take them.

One generator serves both stages. Its draws, in order: the prior's start, the prior's noises, the decoder's start, the decoder's noises.
"""
import math

import numpy as np
import torch
from torch.nn import functional as F

STEPS = 1000  # of training


def cosine_betas():
    """squaredcos_cap_v2 (Nichol and Dhariwal 2021)."""
    def bar(t):
        return math.cos((t + 0.008) / 1.008 * math.pi / 2) ** 2
    return torch.tensor([min(1 - bar((i + 1) / STEPS) / bar(i / STEPS), 0.999) for i in range(STEPS)])


class Posterior:
    """What UnCLIP and DDPM share: the mean of q(x_prev | x, x0) and its variance (Ho et al. 2020, formula 7)."""

    def __init__(self, betas, config):
        self.config, self.betas, self.bars = config, betas, torch.cumprod(1 - betas, 0)

    def bar(self, t):
        return self.bars[t] if t >= 0 else torch.tensor(1.0)

    def advance(self, x, x0, t, previous, beta, alpha, spread, generator):
        """x at t to x at previous. spread gives the noise's deviation from (beta, variance); no noise is drawn at t = 0."""
        a, before = self.bar(t), self.bar(previous)
        mean = before ** 0.5 * beta / (1 - a) * x0 + alpha ** 0.5 * (1 - before) / (1 - a) * x
        if t == 0:
            return mean
        variance = ((1 - before) / (1 - a) * beta).clamp(min=1e-20)
        return mean + spread(beta, variance) * torch.randn(x.shape, generator=generator)


class UnCLIP(Posterior):
    def __init__(self, config, steps):
        super().__init__(cosine_betas(), config)
        assert config["variance_type"] == "fixed_small_log" and config["prediction_type"] == "sample" and config["clip_sample"]
        ratio = (STEPS - 1) / (steps - 1)
        self.timesteps = [int(t) for t in (np.arange(steps) * ratio).round()[::-1]]

    def step(self, i, output, x, generator):
        t, previous = self.timesteps[i], (self.timesteps + [-1])[i + 1]
        x0 = output.clamp(-self.config["clip_sample_range"], self.config["clip_sample_range"])
        # In float32 the table's beta at t = 0 is not 1 - bar(0): the last step multiplies x0 by 0.99947.
        beta = self.betas[t] if previous == t - 1 else 1 - self.bar(t) / self.bar(previous)
        return self.advance(x, x0, t, previous, beta, 1 - beta, lambda beta, variance: variance ** 0.5, generator)


def threshold(x0, config):
    """Dynamic thresholding (Saharia et al. 2022) or clipping, as the configuration asks."""
    if config["thresholding"]:
        s = torch.quantile(x0.flatten(1).abs(), config["dynamic_thresholding_ratio"], dim=1).clamp(min=1, max=config["sample_max_value"])
        s = s[:, None, None, None]
        return torch.maximum(torch.minimum(x0, s), -s) / s
    if config["clip_sample"]:
        return x0.clamp(-config["clip_sample_range"], config["clip_sample_range"])
    return x0


class DDPM(Posterior):
    """With learned_range, output has 8 channels: the noise, and where the log variance lies between its bounds."""

    def __init__(self, config, steps):
        super().__init__(torch.linspace(config["beta_start"], config["beta_end"], STEPS), config)
        assert config["beta_schedule"] == "linear" and config["timestep_spacing"] == "leading"
        assert config["variance_type"] == "learned_range"
        self.timesteps = [k * (STEPS // steps) + config["steps_offset"] for k in range(steps)][::-1]

    def step(self, i, output, x, generator):
        t, previous = self.timesteps[i], (self.timesteps + [-1])[i + 1]
        noise, share = output.split(x.shape[1], 1)
        x0 = threshold((x - (1 - self.bar(t)) ** 0.5 * noise) / self.bar(t) ** 0.5, self.config)

        def spread(beta, variance):
            f = (share + 1) / 2
            return torch.exp(0.5 * (f * beta.log() + (1 - f) * variance.log()))
        alpha = self.bar(t) / self.bar(previous)
        return self.advance(x, x0, t, previous, 1 - alpha, alpha, spread, generator)


class DDIM(Posterior):
    """Without noise (eta 0); the predicted variance is not used."""

    def __init__(self, config, steps):
        super().__init__(torch.linspace(config["beta_start"], config["beta_end"], STEPS), config)
        assert config["beta_schedule"] == "linear" and not config["set_alpha_to_one"]
        self.stride = STEPS // steps
        self.timesteps = [k * self.stride + config["steps_offset"] for k in range(steps)][::-1]

    def step(self, i, output, x, generator):
        t, noise = self.timesteps[i], output[:, :x.shape[1]]
        a, before = self.bar(t), self.bars[max(t - self.stride, 0)]
        x0 = threshold((x - (1 - a) ** 0.5 * noise) / a ** 0.5, self.config)
        return before ** 0.5 * x0 + (1 - before) ** 0.5 * noise


SCHEDULERS = {"DDPMScheduler": DDPM, "DDIMScheduler": DDIM, "UnCLIPScheduler": UnCLIP}


def schedule(config, steps):
    return SCHEDULERS[config["_class_name"]](config, steps)


def add_noise(scheduler, x, noise, t):
    return scheduler.bar(t) ** 0.5 * x + (1 - scheduler.bar(t)) ** 0.5 * noise


def embed(nets, tokenize, case, config, generator, watch):
    """The prior's stage: picture embeddings [1, D] of the prompt and of what to steer away from. tokenize gives a text's 77 ids."""
    negative, guided = case["negative_prompt"], case["prior_guidance_scale"] > 1
    texts = [case["prompt"]] + ([negative] if negative is not None else [])
    rows = len(texts)
    if guided:
        texts = [negative or ""] * rows + texts
    ids = torch.tensor([tokenize(text) for text in texts])
    text_embeds, states, _ = nets["text"](ids)
    masks = torch.arange(ids.shape[1]) <= ids.argmax(1, keepdim=True)  # up to the first end of text, which has the largest id
    prior, scheduler = nets["prior"], schedule(config, case["prior_num_inference_steps"])
    x = torch.randn(rows, text_embeds.shape[1], generator=generator)
    for i, t in enumerate(scheduler.timesteps):
        output = prior(torch.cat([x] * 2) if guided else x, torch.tensor(t), text_embeds, states, masks)
        if guided:
            without, given = output.chunk(2)
            output = without + case["prior_guidance_scale"] * (given - without)
        x = scheduler.step(i, output, x, generator)
        watch(x)
    x = x * prior.clip_std + prior.clip_mean
    if negative is not None:
        return x[:1], x[1:]
    return x, nets["image"](torch.zeros(1, 3, 224, 224))[0]


def denoise(unet, scheduler, start, x, wanted, unwanted, guidance, extra, blend, generator, watch):
    """The decoder's loop from step start. extra: channels behind the latents; blend(i, x) is applied after every step."""
    guided = guidance > 1
    embeds = torch.cat([unwanted, wanted]) if guided else wanted
    for i in range(start, len(scheduler.timesteps)):
        sample = torch.cat([x, extra], 1) if extra is not None else x
        output = unet(torch.cat([sample] * 2) if guided else sample, torch.tensor([scheduler.timesteps[i]]), embeds)
        if guided:
            without, given = output.chunk(2)
            c = x.shape[1]
            output = torch.cat([without[:, :c] + guidance * (given[:, :c] - without[:, :c]), given[:, c:]], 1)
        x = blend(i, scheduler.step(i, output, x, generator))
        watch(x)
    return x


def keep_mask(mask, height, width):
    """mask [H, W] bool (True: paint) to 1 where latents are kept. Cells next to painted ones are painted too, except for two diagonals."""
    kept = F.interpolate(1 - mask[None, None].float(), (height, width), mode="nearest")
    padded = F.pad(kept, (1, 1, 1, 1), value=1.0)
    for dy, dx in ((-1, 0), (0, -1), (-1, -1), (1, 0), (0, 1), (1, 1)):
        kept = torch.minimum(kept, padded[:, :, 1 - dy:1 - dy + height, 1 - dx:1 - dx + width])
    return kept


def generate(nets, tokenize, case, prior_config, seed, image=None, mask=None, watch=lambda stage, x: None):
    """A case of the reference to its picture [3, H, W] in [0, 1]. image: [1, 3, H, W] in [-1, 1]; mask: [H, W] bool.

    watch sees "prior": the embeddings after every step; "embeds": wanted and unwanted; "unet": the latents after every step.
    """
    generator = torch.Generator().manual_seed(seed)
    wanted, unwanted = embed(nets, tokenize, case, prior_config, generator, lambda x: watch("prior", x))
    watch("embeds", torch.cat([wanted, unwanted]))
    steps = case["num_inference_steps"]
    scheduler, start, extra = schedule(case["scheduler"]["config"], steps), 0, None
    noise = torch.randn(1, 4, 8 * -(-case["height"] // 64), 8 * -(-case["width"] // 64), generator=generator)
    x, latents, blend = noise, nets["movq"].encode(image) if image is not None else None, lambda i, x: x
    if case["task"] == "image-to-image":
        start = steps - min(int(steps * case["strength"]), steps)
        x = add_noise(scheduler, latents, noise, scheduler.timesteps[start])
    if case["task"] == "inpaint":
        kept = keep_mask(mask, *latents.shape[2:])
        extra = torch.cat([latents * kept, kept], 1)

        def blend(i, x):
            last = i + 1 == steps
            known = latents if last else add_noise(scheduler, latents, noise, scheduler.timesteps[i + 1])
            return kept * known + (1 - kept) * x
    x = denoise(nets["unet"], scheduler, start, x, wanted, unwanted, case["guidance_scale"], extra, blend, generator,
                lambda x: watch("unet", x))
    return (nets["movq"].decode(x)[0] / 2 + 0.5).clamp(0, 1)
