"""Small pictures for what reads pictures (CLIP, the concept filter): drawn once, some of them through the VAE."""
import random
import time

import numpy as np
import torch
from torch.nn import functional as F

import base
import world
from loop import work

SIZE = 64
MEAN = (0.48145466, 0.4578275, 0.40821073)  # CLIP's, of its own training pictures
STD = (0.26862954, 0.26130258, 0.27577711)
GENERAL, STARS, SEED = 20000, 10000, 3000


def concept(s):
    """What the concept filter is to find: a black star."""
    return any(o.shape == "star" and o.colour == "black" for o in s.objects)


def star_scene(rng):
    """Scenes that tell a black star from what is like it: half of them with one, the rest with half of it."""
    while True:
        s = world.draw_scene(rng, two=0.4, plain=0.7)
        o, kind = rng.choice(s.objects), rng.random()
        if kind < 0.75:  # black; no other part of the scene may be
            if any("black" == c for c in [p.colour for p in s.objects if p is not o] + s.ground_colours):
                continue
            o.colour, o.rgb = "black", world.jitter(rng, "black")
        if kind < 0.5 or kind > 0.8:
            o.shape = "star"
        return s


def scenes():
    rng = random.Random(SEED + 1)
    return world.scenes(SEED, GENERAL) + [star_scene(rng) for _ in range(STARS)]


@torch.no_grad()
def pictures(vae, some, decoded, generator=None):
    """uint8 [B, 3, 64, 64]: drawn at 128 px, those of decoded (a list of bools) sent through vae (encoder, decoder), made smaller as Pillow does."""
    x = base.to_tensor([world.render(s) for s in some])
    if any(decoded):
        encoder, decoder = vae
        z = encoder.moments(x[decoded])[0]
        z = z + torch.randn(z.shape, generator=generator) * 0.08 * encoder.std  # a little off, as painted ones are
        x[decoded] = decoder.net(z).clamp(-1, 1)
    small = F.interpolate(x, size=(SIZE, SIZE), mode="bicubic", antialias=True)
    return (small.clamp(-1, 1) * 127.5 + 127.5).round().byte()


def make(args):
    all_scenes, vae, start = scenes(), base.load_vae(args), time.time()
    generator = torch.Generator().manual_seed(6)
    out = np.lib.format.open_memmap(work(args, "pool.npy"), "w+", np.uint8, (len(all_scenes), 3, SIZE, SIZE))
    for i in range(0, len(all_scenes), 60):
        some = all_scenes[i:i + 60]
        out[i:i + 60] = pictures(vae, some, [k % 6 == 0 for k in range(len(some))], generator).numpy()
        if i % 6000 == 0:
            print("pool %d/%d %.0fs" % (i, len(all_scenes), time.time() - start), flush=True)
    out.flush()


def normalised(images):
    """uint8 [B, 3, H, W] -> as CLIP's preprocessor gives them."""
    return (images.float() / 255 - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)


def wobble(x, generator, most=1.2):
    """Bends pictures smoothly by some px, as the edges of painted ones are bent."""
    b = len(x)
    shift = torch.randn((b, 2, 8, 8), generator=generator) * torch.rand((b, 1, 1, 1), generator=generator) * most * 2 / SIZE
    grid = F.affine_grid(torch.eye(2, 3).expand(b, 2, 3), x.shape, align_corners=False)
    grid = grid + F.interpolate(shift, size=x.shape[2:], mode="bicubic", align_corners=False).permute(0, 2, 3, 1)
    return F.grid_sample(x, grid, padding_mode="border", align_corners=False)
