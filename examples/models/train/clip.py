"""CLIP: pictures and captions in one space. Most of a batch shares its colours, so that shapes and places must be learned.

The text tower starts as the base family's text encoder. It first learns to tell at the first end token what it told at the last
position, and is then left alone: only its projection goes on.
"""
import collections
import random

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import base
import bpe
import nets
import pool
import towers
import world
from loop import Loop, work

DIM = 128
UNSAID = -1
TEXT_STEPS = 120  # the first ones
MAY_BE_UNSAID = range(len(base.FIELDS) - 4, len(base.FIELDS))  # ground, its two colours, its direction


def truth(s):
    """All that a picture shows, as base.targets."""
    return base.targets(s, "%s background" % (s.direction if s.ground != "plain" else ""))


def full(rng, s):
    """(caption, what it says)."""
    caption = world.training_caption(rng, s)
    said = base.targets(s, caption)
    return caption, [UNSAID if i in MAY_BE_UNSAID and base.FIELDS[i][v] is None else v for i, v in enumerate(said)]


def short(rng, s):
    """As full, but of the one object's shape, and perhaps its colour, alone."""
    o, say_colour = s.objects[0], rng.random() < 0.5
    while True:
        words = rng.choice(world.SHAPE_WORDS[o.shape])
        if say_colour:
            words = world.spell(rng, o.colour) + " " + words
        caption = rng.choice(["", "", "", "a picture of ", "an image of ", "a drawing of "]) + world.article(rng, words)
        if not world.held_out(caption):
            break
    said = [UNSAID] * len(base.FIELDS)
    said[1] = world.SHAPES.index(o.shape)
    if say_colour:
        said[2] = world.COLOUR_NAMES.index(o.colour)
    return caption, said


def described(rng, s):
    return short(rng, s) if s.relation is None and rng.random() < 0.25 else full(rng, s)


class Pair(nn.Module):
    """Both towers, the temperature, and one head that must tell every attribute from an embed of either."""

    def __init__(self, vocab):
        super().__init__()
        self.vision = towers.VisionTower(dim=DIM)
        self.text = towers.TextTower(len(vocab), vocab[bpe.END], bpe.LENGTH, nets.WIDTH_TEXT, DIM)
        self.scale = nn.Parameter(torch.tensor(2.7))
        self.sizes = [len(f) for f in base.FIELDS]
        self.attributes = nn.Linear(DIM, sum(self.sizes))

    def told(self, features, want):
        """How badly the attributes are told; what is not said does not count."""
        out = self.attributes(features).split(self.sizes, 1)
        return sum(F.cross_entropy(o, want[:, i], ignore_index=UNSAID, reduction="sum") for i, o in enumerate(out)) / len(want)

    def loss(self, pixels, hidden, shown, said):
        image, words = self.vision.net(pixels), self.text.projection(hidden)
        logits = F.normalize(image, dim=1) @ F.normalize(words, dim=1).T * self.scale.clamp(max=4.6).exp()
        # A caption that is true of another picture too is no counterexample; nor is a short one for a picture of two objects.
        true = ((shown[:, None] == said[None]) | (said[None] == UNSAID)).all(2)
        unclear = (said[None, :, 0] == UNSAID) & (shown[:, None, 0] != len(world.RELATIONS))
        own = torch.eye(len(said), dtype=torch.bool)
        logits = logits.masked_fill((true | unclear) & ~own, -1e4)
        match = F.cross_entropy(logits, torch.arange(len(said))) + F.cross_entropy(logits.T, torch.arange(len(said)))
        return match / 2 + 0.2 * (self.told(image, shown) + self.told(words, said)), (logits.argmax(1) == torch.arange(len(said))).float().mean()


def encoded(tok, captions):
    """Token ids up to the longest caption's end: what follows is not read."""
    ids = torch.tensor([tok(c) for c in captions])
    return ids[:, :1 + int((ids != tok.vocab[bpe.END]).sum(1).max())]


def text_loss(pair, tok, rng):
    pairs = [described(rng, world.draw_scene(rng)) for _ in range(128)]
    return pair.told(pair.text.projection(pair.text.hidden(encoded(tok, [c for c, _ in pairs]))), torch.tensor([said for _, said in pairs]))


def train(args):
    torch.manual_seed(7)
    tok, text = base.load_text(args)
    pair = Pair(tok.vocab)
    pair.text.text.load_state_dict(text.state_dict())
    images = np.load(work(args, "pool.npy"))
    scenes = pool.scenes()[:pool.GENERAL]
    alike = collections.defaultdict(list)
    for i, s in enumerate(scenes):
        if s.relation is None and s.ground == "plain":
            alike[s.objects[0].colour, s.ground_colours[0]].append(i)
    alike = list(alike.values())
    loop = Loop(args, "clip", pair, args.steps or 1000, 1.5e-3)
    rng = random.Random("clip %d" % loop.step)
    generator = torch.Generator().manual_seed(rng.getrandbits(40))
    accuracy = []
    while loop.step < loop.steps:
        if loop.step < TEXT_STEPS:
            loop.update(text_loss(pair, tok, rng))
            loop.report(20)
            continue
        picked = [i for group in rng.sample(alike, 6) for i in rng.sample(group, 12)] + [rng.randrange(len(scenes)) for _ in range(24)]
        pairs = [described(rng, scenes[i]) for i in picked]
        pixels = pool.wobble(pool.normalised(torch.from_numpy(images[picked])), generator)
        with torch.no_grad():
            hidden = pair.text.hidden(encoded(tok, [c for c, _ in pairs]))
        loss, right = pair.loss(pixels, hidden, torch.tensor([truth(scenes[i]) for i in picked]), torch.tensor([said for _, said in pairs]))
        loop.update(loss)
        accuracy.append(right.item())
        loop.report(20, "right of 96 %.3f" % np.mean(accuracy[-20:]))
