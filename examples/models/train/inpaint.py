"""The inpainting UNet: the base UNet, told besides what is to be painted and what is known."""
import dataclasses
import random

import numpy as np
import torch
from torch.nn import functional as F

import base
import masks
import nets
import world
from loop import Loop, resume, work

CHANNELS = 9  # latents, mask, latents of the masked picture: as diffusers' inpainting pipelines


def widened(args):
    """The base UNet with more inputs; the new ones count nothing at first."""
    state = torch.load(work(args, "unet.pt"), map_location="cpu")["ema"]
    old = state["conv_in.weight"]
    state["conv_in.weight"] = torch.cat([old, torch.zeros(len(old), CHANNELS - old.shape[1], 3, 3)], 1)
    unet = nets.UNet(CHANNELS)
    unet.load_state_dict(state)
    return unet


def caption_where_seen(rng, s):
    """A caption that leaves the position out: a mask or an outline tells it."""
    unsaid = dataclasses.replace(s, objects=[dataclasses.replace(o, position="centre") for o in s.objects])
    while True:
        caption = world.training_caption(rng, unsaid)
        if s.relation or not any(w in caption for w in ("centre", "center", "middle")):
            return caption


def uncentred(scenes):
    return [i for i, s in enumerate(scenes) if s.objects[0].position != "centre"]


def conditioning(encoder, images, mask):
    """images [B, 3, 128, 128] in [-1, 1], mask [B, 1, 128, 128] -> mask and masked latents [B, 5, 16, 16]; also on other sizes."""
    known = (encoder.moments(images * (mask < 0.5))[0] - encoder.mean) / encoder.std
    return torch.cat([F.interpolate(mask, size=known.shape[2:], mode="nearest"), known], 1)


def train(args):
    torch.manual_seed(4)
    tok, text = base.load_text(args)
    encoder, _ = base.load_vae(args)
    latents, scenes = base.cached(args)
    aside = uncentred(scenes)
    alphas = nets.beta_schedule()
    fresh = resume(work(args, "inpaint.pt")) is None
    loop = Loop(args, "inpaint", widened(args) if fresh else nets.UNet(CHANNELS), args.steps or 2600, 8e-4)
    rng = random.Random("inpaint %d" % loop.step)
    generator = torch.Generator().manual_seed(rng.getrandbits(40))
    while loop.step < loop.steps:
        picked, captions, images, areas = [], [], [], []
        for _ in range(args.batch):
            i = rng.choice(aside) if rng.random() < 0.4 else rng.randrange(len(scenes))
            s = scenes[i]
            mask, seen = masks.draw(rng, s)
            caption = caption_where_seen(rng, s) if seen and rng.random() < 0.6 else world.training_caption(rng, s)
            picked.append(i)
            captions.append("" if rng.random() < base.UNCONDITIONAL else caption)
            images.append(world.render(s))
            areas.append(mask)
        with torch.no_grad():
            context = text(torch.tensor([tok(c) for c in captions]))
            told = conditioning(encoder, base.to_tensor(images), torch.from_numpy(np.stack(areas))[:, None])
        noisy, t, v = base.v_batch(latents(picked), alphas, generator)
        loop.update(((loop.module(torch.cat([noisy, told], 1), t, context) - v) ** 2).mean())
        loop.report(50)
