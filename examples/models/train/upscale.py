"""The upscalers, x2 and x4."""
import random

import torch
from torch import nn
from torch.nn import functional as F

import base
import nets
import world
from loop import Loop


class Upscaler(nn.Module):
    """input [B, 3, H, W] in [0, 1] -> output [B, 3, factor H, factor W] in [0, 1].

    Bilinear enlargement, and what it lacks, foretold from the picture less its local mean. Without biases nothing depends on
    a colour's absolute value, and flat areas stay exactly flat.
    """

    def __init__(self, factor, width=32, depth=3):
        super().__init__()
        self.factor = factor
        self.first = nn.Conv2d(3, width, 3, padding=1, bias=False)
        self.body = nn.ModuleList([nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in range(depth)])
        self.last = nets.zero(nn.Conv2d(width, 3 * factor ** 2, 3, padding=1, bias=False))

    def enlarged(self, x):
        h = F.relu(self.first(x - F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)))
        for conv in self.body:
            h = h + F.relu(conv(h))
        return F.interpolate(x, scale_factor=self.factor, mode="bilinear", align_corners=False) + F.pixel_shuffle(self.last(h), self.factor)

    def forward(self, x):
        return self.enlarged(x).clamp(0, 1)


def smaller(rng, s, window, big, size):
    """The small picture: drawn small, or made smaller from the big one; often slightly soft and noisy. Rounded to 8 bits."""
    kind = rng.random()
    if kind < 0.4:
        x = (base.to_tensor([world.render(s, size, window)]) + 1) / 2
    elif kind < 0.8:
        x = F.interpolate(big, size=(size, size), mode="bicubic", antialias=True)
    else:
        x = F.interpolate(big, size=(size, size), mode="area")
    if rng.random() < 0.3:
        soft = rng.uniform(0, 0.6)
        x = x * (1 - soft) + F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1) * soft
        x = x + torch.randn_like(x) * rng.uniform(0, 0.01)
    return (x.clamp(0, 1) * 255).round() / 255


def train(args, factor, small=32, batch=12):
    torch.manual_seed(9)
    loop = Loop(args, "x%d" % factor, Upscaler(factor), args.steps or 3000, 2e-3)
    rng = random.Random("x%d %d" % (factor, loop.step))
    while loop.step < loop.steps:
        few, many = [], []
        for _ in range(batch):
            s = world.draw_scene(rng, two=0.3, plain=0.5)
            window = base.window(rng, s, small * factor)
            big = (base.to_tensor([world.render(s, small * factor, window)]) + 1) / 2
            few.append(smaller(rng, s, window, big, small))
            many.append(big)
        error = loop.module.enlarged(torch.cat(few)) - torch.cat(many)
        square = (error ** 2).mean()
        loop.update((error ** 2 + 1e-6).sqrt().mean() + 10 * square)
        loop.report(100, "psnr %.2f" % (-10 * square.log10().item()))


def train_x2(args):
    train(args, 2)


def train_x4(args):
    train(args, 4)
