"""The ControlNet for scribbles: hears white outlines on black and tells the frozen base UNet where the object lies."""
import random

import numpy as np
import torch

import base
import nets
import world
from inpaint import caption_where_seen
from loop import Loop, work

SIDE = world.SIDE


def smooth_noise(rng, cells):
    """A smooth field over the canvas, of about unit size."""
    coarse = torch.tensor([rng.gauss(0, 1) for _ in range(cells * cells)]).view(1, 1, cells, cells)
    return torch.nn.functional.interpolate(coarse, size=(SIDE, SIDE), mode="bicubic", align_corners=False)[0, 0].numpy()


def scribble(rng, s):
    """Outlines as a hand draws them: of any width, wobbly, with gaps."""
    width = rng.uniform(1.5, 4.0) if rng.random() < 0.85 else rng.uniform(4.0, 7.0)
    wobble = rng.uniform(0, 1.8)
    out = np.zeros((SIDE, SIDE), np.float32)
    for o in s.objects:
        away = np.abs(world.distance(o) + wobble * smooth_noise(rng, rng.choice([6, 10, 16])))
        line = np.clip((width - 2 * away) / 2 + 0.5, 0, 1)
        for _ in range(rng.choice([0, 0, 1, 2, 4])):
            x, y, r = o.x + rng.uniform(-o.r, o.r), o.y + rng.uniform(-o.r, o.r), rng.uniform(2, 6)
            line = line * ((np.arange(SIDE)[None] - x) ** 2 + (np.arange(SIDE)[:, None] - y) ** 2 > r * r)
        out = np.maximum(out, line)
    return np.round(out) if rng.random() < 0.3 else out


def canny(s):
    """Lines of one px where the picture changes, as an edge detector draws them; it sees stripes too."""
    label = np.zeros((SIDE, SIDE), np.int32)
    if s.ground == "stripes":
        ground, rgb = world.ground(s), np.array(s.ground_rgb, np.float32)
        label += np.abs(ground - rgb[0]).sum(-1) < np.abs(ground - rgb[1]).sum(-1)
    for i, o in enumerate(s.objects):
        label = np.where(world.distance(o) < 0, 2 + i, label)
    edge = np.zeros((SIDE, SIDE), bool)
    edge[:, 1:] |= label[:, 1:] != label[:, :-1]
    edge[1:] |= label[1:] != label[:-1]
    return edge.astype(np.float32)


def hint(rng, s):
    kind = rng.random()
    if kind < 0.03:
        return np.zeros((SIDE, SIDE), np.float32)
    return canny(s) if kind < 0.2 else scribble(rng, s)


def reshaped(rng, caption):
    """The caption with another shape's name, or none: the outline is to win."""
    other = "" if rng.random() < 0.3 else rng.choice(world.SHAPES)
    names = {w for names in world.SHAPE_WORDS.values() for w in names}
    return " ".join(w for w in (other if w in names else w for w in caption.split()) if w)


def draw_caption(rng, s):
    if rng.random() < base.UNCONDITIONAL:
        return ""
    caption = caption_where_seen(rng, s) if rng.random() < 0.4 else world.training_caption(rng, s)
    return reshaped(rng, caption) if rng.random() < 0.25 else caption


def train(args):
    torch.manual_seed(5)
    tok, text = base.load_text(args)
    latents, scenes = base.cached(args)
    unet = nets.UNet()
    unet.load_state_dict(torch.load(work(args, "unet.pt"), map_location="cpu")["ema"])
    unet.requires_grad_(False).eval()
    control = nets.ControlNet()
    control.load_state_dict(unet.state_dict(), strict=False)  # the copied half; the stem and the outputs are new
    alphas = nets.beta_schedule()
    loop = Loop(args, "control", control, args.steps or 2400, 1.2e-3)
    rng = random.Random("control %d" % loop.step)
    generator = torch.Generator().manual_seed(rng.getrandbits(40))
    while loop.step < loop.steps:
        picked = [rng.randrange(len(scenes)) for _ in range(args.batch)]
        lines = torch.from_numpy(np.stack([hint(rng, scenes[i]) for i in picked]))[:, None].expand(-1, 3, -1, -1)
        with torch.no_grad():
            context = text(torch.tensor([tok(draw_caption(rng, scenes[i])) for i in picked]))
        noisy, t, v = base.v_batch(latents(picked), alphas, generator)
        loop.update(((unet(noisy, t, context, control(noisy, t, context, lines)) - v) ** 2).mean())
        loop.report(50)
