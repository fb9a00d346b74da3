"""The samplers of the reference pipelines, as diffusers does them (v0.40.0): float32 on the CPU.

All have: timesteps, init_noise_sigma, scale(x, k), step(prediction, k, x, generator), add_noise(x, noise, k): the noise of step k.
"""
import numpy as np
import torch


class Scheduler:
    spacing = "leading"

    def __init__(self, config, steps):
        self.config, self.steps = config, steps
        self.train = config.get("num_train_timesteps", 1000)
        # scaled_linear: linear in the square root.
        betas = torch.linspace(config["beta_start"] ** 0.5, config["beta_end"] ** 0.5, self.train, dtype=torch.float32) ** 2
        self.alphas = torch.cumprod(1 - betas, 0)
        self.init_noise_sigma = 1.0
        self.set_timesteps()

    def spaced(self, kind):
        offset = self.config.get("steps_offset", 0)
        if self.config.get("timestep_spacing", self.spacing) == "linspace":
            return np.linspace(0, self.train - 1, self.steps, dtype=kind)[::-1].copy()
        if self.config.get("timestep_spacing", self.spacing) == "leading":
            return (np.arange(self.steps) * (self.train // self.steps)).round()[::-1].astype(kind) + kind(offset)
        return np.round(np.arange(self.train, 0, -self.train / self.steps)).astype(kind) - kind(1)

    def scale(self, x, k):
        return x

    def add_noise(self, x, noise, k):
        a = self.alphas[int(self.timesteps[k])]
        return a ** 0.5 * x + (1 - a) ** 0.5 * noise


class DDIM(Scheduler):
    """Song et al. 2020, eta 0, epsilon."""

    def set_timesteps(self):
        self.timesteps = self.spaced(np.int64)
        self.final = torch.tensor(1.0) if self.config.get("set_alpha_to_one", True) else self.alphas[0]

    def step(self, e, k, x, generator):
        t = int(self.timesteps[k])
        before = t - self.train // self.steps
        a, b = self.alphas[t], self.alphas[before] if before >= 0 else self.final
        clean = (x - (1 - a) ** 0.5 * e) / a ** 0.5
        return b ** 0.5 * clean + (1 - b) ** 0.5 * e


class Euler(Scheduler):
    """Karras et al. 2022, without churn, epsilon."""
    spacing = "linspace"

    def set_timesteps(self):
        self.timesteps = self.spaced(np.float32)
        alphas = self.alphas.numpy()
        sigmas = ((1 - alphas) / alphas) ** 0.5
        sigmas = np.interp(self.timesteps, np.arange(self.train), sigmas)
        self.sigmas = torch.from_numpy(np.append(sigmas, 0).astype(np.float32))
        self.init_noise_sigma = self.sigmas.max()
        if self.config.get("timestep_spacing", self.spacing) == "leading":
            self.init_noise_sigma = (self.init_noise_sigma ** 2 + 1) ** 0.5

    def scale(self, x, k):
        return x / (self.sigmas[k] ** 2 + 1) ** 0.5

    def step(self, e, k, x, generator):
        clean = x - self.sigmas[k] * e
        return x + (x - clean) / self.sigmas[k] * (self.sigmas[k + 1] - self.sigmas[k])

    def add_noise(self, x, noise, k):
        return x + self.sigmas[k] * noise


class EulerAncestral(Euler):
    """Draws a noise in every step; the last one counts 0 times."""

    def step(self, e, k, x, generator):
        s, to = self.sigmas[k], self.sigmas[k + 1]
        clean = x - s * e
        up = (to ** 2 * (s ** 2 - to ** 2) / s ** 2) ** 0.5
        down = (to ** 2 - up ** 2) ** 0.5
        x = x + (x - clean) / s * (down - s)
        return x + torch.randn(x.shape, generator=generator) * up


class LCM(Scheduler):
    """Luo et al. 2023; a noise is drawn after every step but the last."""

    def set_timesteps(self):
        original = self.config["original_inference_steps"]
        steps = np.arange(1, original + 1) * (self.train // original) - 1
        steps = steps[::-1].copy()
        self.timesteps = steps[np.floor(np.linspace(0, len(steps), num=self.steps, endpoint=False)).astype(np.int64)]
        self.final = torch.tensor(1.0) if self.config.get("set_alpha_to_one", True) else self.alphas[0]

    def step(self, e, k, x, generator):
        t = int(self.timesteps[k])
        last = k + 1 == len(self.timesteps)
        a = self.alphas[t]
        scaled = t * self.config.get("timestep_scaling", 10.0)
        skip, out = 0.25 / (scaled ** 2 + 0.25), scaled / (scaled ** 2 + 0.25) ** 0.5  # sigma_data 0.5
        clean = (x - (1 - a) ** 0.5 * e) / a ** 0.5
        denoised = out * clean + skip * x
        if last:
            return denoised
        b = self.alphas[int(self.timesteps[k + 1])]
        return b ** 0.5 * denoised + (1 - b) ** 0.5 * torch.randn(x.shape, generator=generator)


CLASSES = {"DDIMScheduler": DDIM, "EulerDiscreteScheduler": Euler, "EulerAncestralDiscreteScheduler": EulerAncestral, "LCMScheduler": LCM}
NAMES = {"ddim": "DDIMScheduler", "euler": "EulerDiscreteScheduler", "euler_ancestral": "EulerAncestralDiscreteScheduler", "lcm": "LCMScheduler"}


def build(config, steps):
    return CLASSES[config["_class_name"]](config, steps)
