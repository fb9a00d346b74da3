"""Masks for inpainting: float32 [128, 128], 1 where the model shall paint."""
import math

import numpy as np

import world

SIDE = world.SIDE
Y, X = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) + 0.5


def box(x0, y0, x1, y1):
    return ((X >= x0) & (X < x1) & (Y >= y0) & (Y < y1)).astype(np.float32)


def ellipse(x, y, rx, ry):
    return (((X - x) / rx) ** 2 + ((Y - y) / ry) ** 2 < 1).astype(np.float32)


def polygon(x, y, radii):
    """A star-shaped polygon around (x, y): one radius for each of its corners, at equal angles."""
    turns = [2 * math.pi * i / len(radii) for i in range(len(radii))]
    points = [(x + r * math.sin(t), y - r * math.cos(t)) for r, t in zip(radii, turns)]
    return (world.polygon_sdf(X, Y, points) < 0).astype(np.float32)


def strokes(rng, x, y, reach):
    """A thick brush led around (x, y)."""
    mask, width = np.zeros((SIDE, SIDE), bool), rng.uniform(6, 14)
    ax, ay = x + rng.uniform(-reach, reach), y + rng.uniform(-reach, reach)
    for _ in range(rng.randint(2, 7)):
        bx, by = x + rng.uniform(-reach, reach), y + rng.uniform(-reach, reach)
        ex, ey = bx - ax, by - ay
        h = np.clip(((X - ax) * ex + (Y - ay) * ey) / (ex * ex + ey * ey + 1e-6), 0, 1)
        mask |= (X - ax - ex * h) ** 2 + (Y - ay - ey * h) ** 2 < width ** 2
        ax, ay = bx, by
    return mask.astype(np.float32)


def around(rng, x, y, reach):
    """A mask of any form around (x, y) that holds a circle of the radius reach, but for strokes."""
    form = rng.random()
    if form < 0.5:
        left, top, right, bottom = (reach + rng.uniform(0, 14) for _ in range(4))
        return box(x - left, y - top, x + right, y + bottom)
    if form < 0.7:
        return ellipse(x, y, reach * rng.uniform(1.0, 1.5), reach * rng.uniform(1.0, 1.5))
    if form < 0.85:
        return polygon(x, y, [reach * rng.uniform(1.15, 1.7) for _ in range(rng.randint(5, 9))])
    return strokes(rng, x, y, reach)


def part(rng, sides, low=0.3, high=0.7):
    """All but what is known: each named side of the canvas is painted, from a random line on."""
    mask = np.zeros((SIDE, SIDE), np.float32)
    for side in sides:
        n = 8 * rng.randint(int(low * SIDE / 8), int(high * SIDE / 8)) if rng.random() < 0.7 else rng.randint(int(low * SIDE), int(high * SIDE))
        at = {"left": np.s_[:, :n], "right": np.s_[:, SIDE - n:], "top": np.s_[:n], "bottom": np.s_[SIDE - n:]}[side]
        mask[at] = 1
    return mask


OPPOSITE = {"left": "right", "right": "left", "top": "bottom", "bottom": "top"}


def draw(rng, s):
    """(mask, whether it lies over the first object)."""
    o, kind = rng.choice(s.objects), rng.random()
    if kind < 0.1:
        return np.ones((SIDE, SIDE), np.float32), False
    if kind < 0.5:
        return around(rng, o.x, o.y, o.r * 1.1 + rng.uniform(0, 10)), o is s.objects[0]
    if kind < 0.8:
        sides = [w for w in s.objects[0].position.split() if w != "centre"]
        if not sides or rng.random() < 0.15:  # borders: the middle is known, and the object perhaps with it
            sides = rng.sample(list(OPPOSITE), rng.randint(1, 3))
            return part(rng, sides, 0.1, 0.5), False
        keep = [rng.choice(sides)]
        if rng.random() < 0.2:
            keep.append(rng.choice([side for side in OPPOSITE if side not in (keep[0], OPPOSITE[keep[0]])]))
        return part(rng, keep, 0.45, 0.65), False
    return around(rng, rng.uniform(10, 118), rng.uniform(10, 118), rng.uniform(12, 36)), False
