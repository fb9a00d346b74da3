"""Reference pipelines in plain PyTorch: the order of draws and the arithmetic of diffusers' pipelines."""
import json
import os
import re

import numpy as np
import torch
import torch.nn.functional as F

import bpe
from . import common, schedulers, vae

LENGTH = 77
FACTOR = 8  # px a latent


class Tokenizer:
    """The tokenizer of the fixtures (755 tokens), for prompts of a to z, digits and plain punctuation without apostrophes."""

    def __init__(self):
        folder = os.path.join(common.FIXTURES, "tokenizer")
        with open(folder + "/vocab.json", encoding="utf-8") as f:
            vocab = json.load(f)
        with open(folder + "/merges.txt", encoding="utf-8") as f:
            merges = [tuple(line.split()) for line in f.read().splitlines()[1:] if line]
        self.bpe, self.end = bpe.Tokenizer(vocab, merges), vocab[bpe.END]

    def __call__(self, text, pad=None):
        """77 ids; padded with the end token unless pad names another id."""
        ids = self.bpe(text, LENGTH)
        if pad is not None:
            first = ids.index(self.end) + 1
            ids[first:] = [pad] * (LENGTH - first)
        return ids


def case(name, task, prompt, scheduler, config, steps, guidance, **more):
    """A case of reference.json: FORMAT.md explains the fields."""
    class_name = schedulers.NAMES[scheduler]
    out = {"name": name, "task": task, "prompt": prompt, "negative_prompt": None, "ids": None, "negative_ids": None,
           "scheduler": {"name": scheduler, "config": {**config, "_class_name": class_name}},
           "num_inference_steps": steps, "guidance_scale": guidance, "strength": None, "width": 64, "height": 64, "seeds": [0, 7, 42],
           "image": None, "mask": None, "control": None}
    out.update(more)
    return out


def pixels(spec):
    """[1, 3, H, W] in [0, 1]."""
    p = common.picture(spec["formula"], spec["width"], spec["height"])
    return torch.from_numpy(p).permute(2, 0, 1)[None].float() / 255


def mask_of(c):
    x0, y0, x1, y1 = c["mask"]["box"]
    mask = torch.zeros(1, 1, c["height"], c["width"])
    mask[:, :, y0:y1, x0:x1] = 1
    return mask


def control_of(c):
    return (pixels(c["control"]) >= 128 / 255).float()


class Run:
    """One seed of a case. predict(sample, timestep) asks the UNet; sample has the unconditional half first when guided."""

    def __init__(self, c, seed, predict, coder, scaling, guided, draws_latents, in_channels=4):
        self.c, self.predict, self.coder, self.scaling, self.guided = c, predict, coder, scaling, guided
        self.draws_latents, self.in_channels = draws_latents, in_channels
        self.generator = torch.Generator().manual_seed(seed)
        self.scheduler = schedulers.build(c["scheduler"]["config"], c["num_inference_steps"])
        steps = c["num_inference_steps"]
        kept = steps if c["strength"] is None else min(int(steps * c["strength"]), steps)
        self.begin = steps - kept
        self.trace = []

    def randn(self):
        return torch.randn((1, 4, self.c["height"] // FACTOR, self.c["width"] // FACTOR), generator=self.generator)

    def encode(self, picture):
        """picture in [-1, 1]. An encoder that gives the distribution is sampled; the others' one answer is taken."""
        p = self.coder.parameters_of(picture)
        return self.scaling * (vae.sample(p, self.generator) if self.draws_latents else p.chunk(2, 1)[0])

    def start(self):
        s, c = self.scheduler, self.c
        self.extra = self.clean = None
        if c["task"] in ("text-to-image", "controlnet"):
            return self.randn() * s.init_noise_sigma
        picture = pixels(c["image"]) * 2 - 1
        if c["task"] == "image-to-image":
            z = self.encode(picture)
            return s.add_noise(z, self.randn(), self.begin)
        strongest = c["strength"] == 1
        if self.in_channels == 4 or not strongest:
            self.clean = self.encode(picture)
        self.noise = self.randn()
        x = self.noise * s.init_noise_sigma if strongest else s.add_noise(self.clean, self.noise, self.begin)
        mask = mask_of(c)
        self.mask = F.interpolate(mask, scale_factor=1 / FACTOR, mode="nearest")
        hidden = self.encode(picture * (mask < 0.5))  # drawn for a UNet of 4 channels too
        if self.in_channels == 9:
            self.extra = torch.cat([self.mask, hidden], 1)
        return x

    def keep(self, x, k):
        """Puts the known part back, at the noise of the next step; only for a UNet of 4 channels."""
        if self.c["task"] != "inpaint" or self.in_channels == 9:
            return x
        known = self.clean
        if k + 1 < len(self.scheduler.timesteps):
            known = self.scheduler.add_noise(self.clean, self.noise, k + 1)
        return (1 - self.mask) * known + self.mask * x

    def image(self):
        x = self.start()
        for k in range(self.begin, len(self.scheduler.timesteps)):
            sample = torch.cat([x] * 2) if self.guided else x
            sample = self.scheduler.scale(sample, k)
            if self.extra is not None:
                sample = torch.cat([sample, torch.cat([self.extra] * len(sample))], 1)
            e = self.predict(sample, torch.tensor(self.scheduler.timesteps[k]))
            if self.guided:
                plain, told = e.chunk(2)
                e = plain + self.c["guidance_scale"] * (told - plain)
            x = self.keep(self.scheduler.step(e, k, x, self.generator), k)
            self.trace.append([round(v, 6) for v in x.flatten()[:4].tolist()])
        decoded = self.coder.decode(x / self.scaling)
        self.decoded = decoded
        return (decoded / 2 + 0.5).clamp(0, 1)[0]


def compact(value):
    """JSON of a line a list of numbers."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return re.sub(r"\[[^\[\]{}\"]*\]", lambda m: re.sub(r"\s+", " ", m[0]).replace("[ ", "[").replace(" ]", "]"), text) + "\n"


def references(folder, cases, start, tolerance=1e-3, note=None):
    """Runs all cases and writes reference.json and the images. start(c, seed) makes a Run."""
    out, shown = [], []
    for c in cases:
        c, images, latents = dict(c), [], []
        for seed in c["seeds"]:
            run = start(c, seed)
            images.append(run.image().numpy())
            latents.append(run.trace)
            beyond = float((run.decoded.abs() > 1).float().mean())
        c["timesteps"] = [float(t) for t in run.scheduler.timesteps[run.begin:]]
        c["latents"], c["output"] = latents, c["name"] + ".u16.gz"
        common.write_u16(os.path.join(common.FIXTURES, folder, c["output"]), images)
        out.append(c)
        shown.append(images)
        print("%-28s std %.3f mean %.3f clamped %.3f, between seeds %.3f, final latents %s" % (
            folder + "/" + c["name"], np.std(images), np.mean(images), beyond, np.abs(images[0] - images[1]).mean(),
            np.round(latents[0][-1], 2)), flush=True)
        assert np.std(images) > 0.05 and beyond < 0.1, "an image that tells nothing"
    report = {"tolerance": tolerance, **({"note": note} if note else {}), "cases": out}
    common.write_text(os.path.join(common.FIXTURES, folder, "reference.json"), compact(report))
    return {c["name"]: images for c, images in zip(out, shown)}
