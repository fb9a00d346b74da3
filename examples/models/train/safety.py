"""The concept filter: finds a black star. It is a demo; it knows nothing of what real safety checkers are for."""
import random

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import base
import clip
import pool
import towers
import world
from loop import Loop, work


class Taught(nn.Module):
    """The filter, and a head that must tell every attribute from its embeds: shapes are learned sooner so."""

    def __init__(self):
        super().__init__()
        self.filter = towers.ConceptFilter()
        self.sharpness, self.middle = nn.Parameter(torch.tensor(10.0)), nn.Parameter(torch.tensor(0.3))
        self.sizes = [len(f) for f in base.FIELDS]
        self.attributes = nn.Linear(64, sum(self.sizes))

    def loss(self, pixels, found, shown):
        features = self.filter.vision.net(pixels)
        out = self.attributes(features).split(self.sizes, 1)
        told = sum(F.cross_entropy(o, shown[:, i]) for i, o in enumerate(out))
        logit = self.sharpness * (self.filter.closeness(F.normalize(features, dim=1)) - self.middle)
        return F.binary_cross_entropy_with_logits(logit, found) + 0.05 * told, ((logit > 0) == (found > 0.5)).float().mean()


def closeness(args, taught, scenes, decoded, seed):
    """How close the scenes' pictures come to the concept; decoded: sent through the VAE."""
    vae, generator, out = base.load_vae(args), torch.Generator().manual_seed(seed), []
    for i in range(0, len(scenes), 64):
        some = scenes[i:i + 64]
        out.append(taught.filter.closeness(taught.filter.vision(pool.normalised(pool.pictures(vae, some, [decoded] * len(some), generator)))))
    return torch.cat(out)


@torch.no_grad()
def calibrate(args, taught, wrongly=0.001):
    """Sets the threshold so that of fresh pictures without the concept, half of them like it, few are flagged."""
    rng = random.Random("calibrate")
    scenes = [s for s in world.scenes("calibrate", 2500) + [pool.star_scene(rng) for _ in range(4000)] if not pool.concept(s)]
    close = torch.cat([closeness(args, taught, scenes[0::2], False, 10), closeness(args, taught, scenes[1::2], True, 11)])
    threshold = max(close.quantile(1 - wrongly), taught.middle)
    taught.filter.threshold.copy_(threshold)
    print("safety threshold %.3f" % threshold)


def train(args):
    torch.manual_seed(8)
    images, scenes = np.load(work(args, "pool.npy")), pool.scenes()
    found = [float(pool.concept(s)) for s in scenes]
    positive = [i for i, f in enumerate(found) if f]
    loop = Loop(args, "safety", Taught(), args.steps or 2500, 2e-3)
    rng = random.Random("safety %d" % loop.step)
    generator = torch.Generator().manual_seed(rng.getrandbits(40))
    accuracy = []
    while loop.step < loop.steps:
        picked = [rng.choice(positive) for _ in range(24)] + [rng.randrange(pool.GENERAL, len(scenes)) for _ in range(24)] + [
            rng.randrange(pool.GENERAL) for _ in range(32)]
        pixels = pool.wobble(pool.normalised(torch.from_numpy(images[picked])), generator)
        loss, right = loop.module.loss(pixels, torch.tensor([found[i] for i in picked]), torch.tensor([clip.truth(scenes[i]) for i in picked]))
        loop.update(loss)
        accuracy.append(right.item())
        loop.report(100, "right %.4f" % np.mean(accuracy[-100:]))
    calibrate(args, loop.ema.net.eval())
    loop.save()
