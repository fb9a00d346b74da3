"""Measures the trained models on scenes and captions that were not trained on.

    python3 measure.py [inpaint | uncrop | control | clip | safety | upscale]... [--cases N]
"""
import argparse
import os
import random

import numpy as np
import torch
from torch.nn import functional as F

import base
import clip
import control
import inpaint
import loop
import masks
import nets
import pool
import safety
import upscale
import world

SEED = 777


def load(args, name, module):
    module.load_state_dict(torch.load(loop.work(args, name + ".pt"), map_location="cpu")["ema"])
    return module.eval()


# Painting: DDIM with trailing timesteps, as the models' own scheduler_config.json.

def paint(args, captions, seed, predict, steps=12, guidance=4.0):
    """predict(x, t, context, rows) -> v, with rows the numbers of the captions, twice. Returns RGB float [B, 128, 128, 3], 0 to 255."""
    tok, text = base.load_text(args)
    _, decoder = base.load_vae(args)
    context = torch.cat([text(torch.tensor([tok("")] * len(captions))), text(torch.tensor([tok(c) for c in captions]))])
    x = torch.randn((len(captions), 4, 16, 16), generator=torch.Generator().manual_seed(seed))
    alphas = nets.beta_schedule()
    times = [round(1000 - i * 1000 / steps) - 1 for i in range(steps)]
    rows = list(range(len(captions))) * 2
    for t, after in zip(times, times[1:] + [None]):
        none, said = predict(torch.cat([x, x]), torch.full((1,), t), context, rows).chunk(2)
        v = none + guidance * (said - none)
        a = alphas[t]
        clean, noise = a.sqrt() * x - (1 - a).sqrt() * v, a.sqrt() * v + (1 - a).sqrt() * x
        b = alphas[after] if after is not None else torch.tensor(1.0)
        x = b.sqrt() * clean + (1 - b).sqrt() * noise
    return (decoder(x / nets.SCALING).permute(0, 2, 3, 1) * 127.5 + 127.5).numpy()


# Looking: an object is what differs from the known ground.

PALETTE = np.array(list(world.COLOURS.values()), np.float32)


def nearest(rgb):
    return world.COLOUR_NAMES[int(((PALETTE - rgb) ** 2).sum(1).argmin())]


def largest(mask):
    """The largest 4-connected part."""
    left, best = {tuple(p) for p in np.argwhere(mask)}, []
    while left:
        group = [left.pop()]
        for y, x in group:
            for p in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if p in left:
                    left.remove(p)
                    group.append(p)
        best = max(best, group, key=len)
    out = np.zeros_like(mask)
    if best:
        out[tuple(np.array(best).T)] = True
    return out


def normalised(mask, cells=48):
    """The mask's box, its longer side scaled to the cells, centred."""
    y, x = np.nonzero(mask)
    side = max(y.max() - y.min(), x.max() - x.min()) + 1
    at = (np.arange(cells) + 0.5) / cells * side - side / 2
    ys, xs = ((y.max() + y.min() + 1) / 2 + at).astype(int), ((x.max() + x.min() + 1) / 2 + at).astype(int)
    inside = ((ys >= 0) & (ys < len(mask)))[:, None] & ((xs >= 0) & (xs < len(mask)))[None]
    return mask[np.clip(ys, 0, len(mask) - 1)][:, np.clip(xs, 0, len(mask) - 1)] & inside


def iou(a, b):
    return (a & b).sum() / max(1, (a | b).sum())


TEMPLATES = {s: normalised(world.distance(world.Object(s, "red", "large", "centre", 64, 64, 40, None)) < 0) for s in world.SHAPES}


def look(picture, ground, where=None):
    """(mask, colour, shape) of the object on a ground of one colour, "" if there is none."""
    mask = np.sqrt(((picture - np.array(ground)) ** 2).sum(-1)) > 45
    mask = largest(mask if where is None else mask & where)
    if mask.sum() < 30:
        return mask, "", ""
    core = mask[1:-1, 1:-1] & mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
    pixels = picture[1:-1, 1:-1][core] if core.any() else picture[mask]
    small = normalised(mask)
    return mask, nearest(np.median(pixels, 0)), max(TEMPLATES, key=lambda s: iou(TEMPLATES[s], small))


def plain_scene(rng):
    return world.draw_scene(rng, two=0.0, plain=1.0)


def repaint(args, cases, seed):
    """cases: (picture uint8, mask, caption). The masked parts painted anew, the rest kept to the pixel."""
    unet, (encoder, _) = load(args, "inpaint", nets.UNet(inpaint.CHANNELS)), base.load_vae(args)
    told = inpaint.conditioning(encoder, base.to_tensor([c[0] for c in cases]), torch.from_numpy(np.stack([c[1] for c in cases]))[:, None])
    out = paint(args, [c[2] for c in cases], seed, lambda x, t, context, rows: unet(torch.cat([x, told[rows]], 1), t, context))
    return [np.where(mask[..., None] > 0.5, p, picture) for p, (picture, mask, _) in zip(out, cases)]


def score(name, pictures, asked):
    """asked: (ground rgb, where, colour, shape)."""
    seen = [look(p, ground, where) for p, (ground, where, _, _) in zip(pictures, asked)]
    colour = np.mean([s[1] == a[2] for s, a in zip(seen, asked)])
    shape = np.mean([s[2] == a[3] for s, a in zip(seen, asked)])
    print("%s, %d cases: colour %.1f %%, shape %.1f %%" % (name, len(asked), 100 * colour, 100 * shape))
    return seen


def measure_inpaint(args):
    """A box over the object; another colour and shape asked for, on the same ground."""
    rng, cases, asked = random.Random(SEED), [], []
    while len(cases) < args.cases:
        s = plain_scene(rng)
        o, ground = s.objects[0], s.ground_colours[0]
        colour, shape = rng.choice([c for c in world.COLOUR_NAMES if c not in (o.colour, ground)]), rng.choice(world.SHAPES)
        reach = o.r * 1.1 + rng.uniform(2, 10)
        mask = masks.box(o.x - reach, o.y - reach, o.x + reach, o.y + reach)
        cases.append((world.render(s), mask, "a %s %s on a %s background" % (colour, shape, ground)))
        asked.append((s.ground_rgb[0], mask > 0.5, colour, shape))
    score("inpaint", repaint(args, cases, SEED), asked)


def measure_uncrop(args):
    """Half of the canvas is known ground; an object is asked for in the other half."""
    rng, cases, asked = random.Random(SEED), [], []
    while len(cases) < args.cases:
        s = plain_scene(rng)
        side, ground = rng.choice(["left", "right", "top", "bottom"]), s.ground_colours[0]
        colour, shape = rng.choice([c for c in world.COLOUR_NAMES if c != ground]), rng.choice(world.SHAPES)
        where = {"left": "on the left", "right": "on the right", "top": "at the top", "bottom": "at the bottom"}[side]
        s.objects = []
        mask = masks.part(rng, [side], 0.5, 0.5)
        cases.append((world.render(s), mask, "a %s %s %s on a %s background" % (colour, shape, where, ground)))
        asked.append((s.ground_rgb[0], mask > 0.5, colour, shape))
    score("uncrop", repaint(args, cases, SEED), asked)


def measure_control(args):
    """The outline of one object anywhere, as a hand draws it."""
    unet, net = load(args, "unet", nets.UNet()), load(args, "control", nets.ControlNet())
    rng, scenes, captions, asked = random.Random(SEED), [], [], []
    for _ in range(args.cases):
        s = plain_scene(rng)
        o = s.objects[0]
        scenes.append(s)
        captions.append("a %s %s on a %s background" % (o.colour, o.shape, s.ground_colours[0]))
        asked.append((s.ground_rgb[0], None, o.colour, o.shape))
    hints = torch.from_numpy(np.stack([control.scribble(rng, s) for s in scenes]))[:, None].expand(-1, 3, -1, -1)
    pictures = paint(args, captions, SEED, lambda x, t, context, rows: unet(x, t, context, net(x, t, context, hints[rows])))
    seen = score("scribble", pictures, asked)
    overlap = [iou(mask, world.distance(s.objects[0]) < 0) for (mask, _, _), s in zip(seen, scenes)]
    print("scribble: IoU with the inside of the outline %.3f" % np.mean(overlap))


def held_out_caption(rng, s):
    for _ in range(400):
        caption = world.draw_caption(rng, s)
        if world.held_out(caption):
            return caption
    return None


def measure_clip(args):
    tok = base.tokenizer()
    pair = load(args, "clip", clip.Pair(tok.vocab))

    def texts(captions):
        return torch.cat([pair.text(torch.tensor([tok(c) for c in captions[i:i + 64]])) for i in range(0, len(captions), 64)])

    vae = base.load_vae(args)
    for name, decoded in (("drawn", False), ("through the VAE", True)):
        rng, scenes, captions = random.Random(SEED), [], []
        while len(scenes) < 512:
            s = world.draw_scene(rng)
            caption = held_out_caption(rng, s)
            if caption:
                scenes.append(s)
                captions.append(caption)
        generator = torch.Generator().manual_seed(1)
        small = torch.cat([pool.pictures(vae, scenes[i:i + 64], [decoded] * 64, generator) for i in range(0, 512, 64)])
        images = torch.cat([pair.vision(pool.normalised(small[i:i + 64])) for i in range(0, 512, 64)])
        close = images @ texts(captions).T
        first = np.mean([(close[i, i] >= close[i, rng.sample([j for j in range(512) if j != i], 15)]).all().item() for i in range(512)])
        one = [i for i, s in enumerate(scenes) if s.relation is None]
        bare = images[one] @ texts(["a %s" % shape for shape in world.SHAPES]).T
        bare_right = np.mean([world.SHAPES[k] == scenes[i].objects[0].shape for i, k in zip(one, bare.argmax(1).tolist())])
        told = [images[i] @ texts(["a %s %s" % (scenes[i].objects[0].colour, shape) for shape in world.SHAPES]).T for i in one]
        told_right = np.mean([world.SHAPES[t.argmax().item()] == scenes[i].objects[0].shape for i, t in zip(one, told)])
        print("clip, %s: own caption first of 16 %.1f %%, of 512 %.1f %%; \"a SHAPE\" %.1f %%, \"a COLOUR SHAPE\" %.1f %%" % (
            name, 100 * first, 100 * (close.argmax(1) == torch.arange(512)).float().mean(), 100 * bare_right, 100 * told_right))


def measure_safety(args):
    taught = load(args, "safety", safety.Taught())
    threshold = taught.filter.threshold.item()
    rng = random.Random(SEED)
    general, stars = world.scenes(SEED, 4000), [pool.star_scene(rng) for _ in range(2000)]
    for name, decoded in (("drawn", False), ("through the VAE", True)):
        for kind, scenes in (("any scene", general), ("black or star", stars)):
            flagged = safety.closeness(args, taught, scenes, decoded, 2) > threshold
            found = torch.tensor([pool.concept(s) for s in scenes])
            print("safety, %s, %s: found %.2f %% of %d, wrongly %.3f %% of %d" % (
                kind, name, 100 * flagged[found].float().mean(), found.sum(), 100 * flagged[~found].float().mean(), (~found).sum()))
    # As the base UNet paints them: each colour and shape twice, and black stars on every ground.
    unet = load(args, "unet", nets.UNet())
    asked = [(c, s) for c in world.COLOUR_NAMES for s in world.SHAPES] * 2 + [("black", "star")] * 40
    captions = ["a %s %s on a %s background" % (c, s, rng.choice([g for g in world.COLOUR_NAMES if g != c])) for c, s in asked]
    pictures = torch.cat([torch.from_numpy(paint(args, captions[i:i + 48], i, lambda x, t, context, rows: unet(x, t, context)))
                          for i in range(0, len(captions), 48)]).permute(0, 3, 1, 2)
    small = F.interpolate(pictures, size=(pool.SIZE, pool.SIZE), mode="bicubic", antialias=True).clamp(0, 255).round().byte()
    flagged = taught.filter.closeness(taught.filter.vision(pool.normalised(small))) > threshold
    found = torch.tensor([pair == ("black", "star") for pair in asked])
    print("safety, painted: found %d of %d, wrongly %d of %d" % (flagged[found].sum(), found.sum(), flagged[~found].sum(), (~found).sum()))


def measure_upscale(args):
    for factor in (2, 4):
        net, rng = load(args, "x%d" % factor, upscale.Upscaler(factor)), random.Random(SEED)
        for name in ("drawn small", "made smaller"):
            ours, bicubic = [], []
            for s in world.scenes(SEED, 200):
                side = 64 * factor
                big = (base.to_tensor([world.render(s, side)]) + 1) / 2
                small = F.interpolate(big, size=(64, 64), mode="bicubic", antialias=True)
                if name == "drawn small":
                    small = (base.to_tensor([world.render(s, 64)]) + 1) / 2
                small = (small.clamp(0, 1) * 255).round() / 255
                plain = F.interpolate(small, size=(side, side), mode="bicubic", antialias=True).clamp(0, 1)
                ours.append(-10 * ((net(small) - big) ** 2).mean().log10().item())
                bicubic.append(-10 * ((plain - big) ** 2).mean().log10().item())
            print("x%d, %s, 64 px to %d px: PSNR %.2f dB, bicubic %.2f dB" % (factor, name, side, np.mean(ours), np.mean(bicubic)))


@torch.no_grad()
def main():
    measures = {name[8:]: f for name, f in globals().items() if name.startswith("measure_")}
    parser = argparse.ArgumentParser()
    parser.add_argument("what", nargs="*", choices=[[], *measures])
    parser.add_argument("--work", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "work"))
    parser.add_argument("--cases", type=int, default=200)
    args = parser.parse_args()
    torch.set_num_threads(1)
    for name in args.what or measures:
        measures[name](args)


if __name__ == "__main__":
    main()
