"""The procedural world: scenes, the captions that describe them, and exact pictures of them.

A scene is drawn first, then a caption is drawn for it (each optional word may be left out, with the
meaning that the model card states: no position said is the centre, no size said is medium). Pictures are
rendered from signed distance fields, so the same scene can be drawn at any size.
"""
import functools
import random
import zlib
from dataclasses import dataclass
from typing import Optional

import numpy as np

SIDE = 128

COLOURS = {
    "red": (255, 0, 0), "orange": (255, 165, 0), "yellow": (255, 255, 0), "green": (0, 128, 0),
    "cyan": (0, 255, 255), "blue": (0, 0, 255), "purple": (128, 0, 128), "pink": (245, 130, 190),
    "white": (255, 255, 255), "black": (0, 0, 0), "gray": (128, 128, 128),
}
COLOUR_NAMES = list(COLOURS)
SHAPES = ["circle", "square", "triangle", "star", "ring", "heart", "cross", "diamond"]
SIZES = {"small": (14.0, 17.0), "medium": (24.0, 27.5), "large": (35.0, 40.0)}  # radius in px of a 128 px side
POSITIONS = ["top left", "top", "top right", "left", "centre", "right", "bottom left", "bottom", "bottom right"]
RELATIONS = ["left", "right", "above", "below"]
GROUNDS = ["plain", "gradient", "stripes"]
HELD_OUT = 16  # captions whose CRC-32 is a multiple of this are never trained on

SHAPE_WORDS = {
    "circle": ["circle"] * 6 + ["disc", "dot", "ball"], "square": ["square"] * 6 + ["box"],
    "triangle": ["triangle"], "star": ["star"], "ring": ["ring"] * 5 + ["donut"], "heart": ["heart"],
    "cross": ["cross"] * 5 + ["plus"], "diamond": ["diamond"] * 5 + ["rhombus"],
}
SIZE_WORDS = {"small": ["small"] * 3 + ["little", "tiny"], "medium": ["medium", "medium-sized"],
              "large": ["large"] * 3 + ["big", "huge"]}


@dataclass
class Object:
    shape: str
    colour: str
    size: str
    position: str
    x: float
    y: float
    r: float
    rgb: tuple


@dataclass
class Scene:
    objects: list
    relation: Optional[str]  # of the first object to the second
    ground: str
    ground_colours: list
    ground_rgb: list
    direction: str  # of a gradient's change or a stripe's length: horizontal, vertical
    stripes: int
    phase: float


def jitter(rng, name, amount=6):
    return tuple(min(255, max(0, c + rng.uniform(-amount, amount))) for c in COLOURS[name])


def inside(v, r):
    return min(max(v, r + 3), SIDE - 3 - r)


def draw_object(rng, colour, size, position):
    row, col = divmod(POSITIONS.index(position), 3)
    r = rng.uniform(*SIZES[size])
    spread = 1.5 if position == "centre" else 3.0
    x = (0.26, 0.5, 0.74)[col] * SIDE + rng.uniform(-spread, spread)
    y = (0.26, 0.5, 0.74)[row] * SIDE + rng.uniform(-spread, spread)
    return Object(rng.choice(SHAPES), colour, size, position, inside(x, r), inside(y, r), r, jitter(rng, colour))


def draw_scene(rng, two=0.2, plain=0.72):
    """One scene. two: the share with two objects; plain: the share on a ground of one colour."""
    colours = rng.sample(COLOUR_NAMES, 4)
    ground = "plain" if rng.random() < plain else rng.choice(GROUNDS[1:])
    grounds = colours[2:3] if ground == "plain" else colours[2:4]
    relation = None
    if rng.random() < two:
        relation = rng.choice(RELATIONS)
        first, second = {"left": ("left", "right"), "right": ("right", "left"),
                         "above": ("top", "bottom"), "below": ("bottom", "top")}[relation]
        objects = [draw_object(rng, colours[0], "medium", first), draw_object(rng, colours[1], "medium", second)]
        for o in objects:  # two fit side by side: a little smaller than one alone
            o.r = rng.uniform(20.0, 24.0)
    else:
        size = "medium" if rng.random() < 0.55 else rng.choice(list(SIZES))
        position = "centre" if rng.random() < 0.5 else rng.choice(POSITIONS)
        objects = [draw_object(rng, colours[0], size, position)]
    return Scene(objects, relation, ground, grounds, [jitter(rng, c) for c in grounds],
                 rng.choice(["horizontal", "vertical"]), rng.choice([4, 6, 8]), rng.random())


# Captions.

def article(rng, words):
    first = "an" if words[0] in "aeiou" else "a"
    return rng.choice([first] * 8 + ["the", "one"]) + " " + words


def spell(rng, colour):
    return "grey" if colour == "gray" and rng.random() < 0.35 else colour


def object_words(rng, o, say_size):
    words = [spell(rng, o.colour), rng.choice(SHAPE_WORDS[o.shape])]
    if say_size:
        words.insert(0, rng.choice(SIZE_WORDS[o.size]))
    return article(rng, " ".join(words))


def position_words(rng, position):
    centre = rng.choice(["centre", "center", "middle"])
    if position == "centre":
        return "in the " + centre
    if " " in position:
        where = position
        if rng.random() < 0.3:
            where = where.replace("top", "upper").replace("bottom", "lower")
        return rng.choice(["in the %s corner", "in the %s corner", "in the %s", "at the %s"]) % where
    if position in ("left", "right"):
        return rng.choice(["on the %s", "on the %s side", "at the %s", "to the %s"]) % position
    return rng.choice(["at the %s", "at the %s", "in the %s " + centre, "near the %s"]) % position


def ground_words(rng, s):
    c = [spell(rng, name) for name in s.ground_colours]
    back = rng.choice(["background"] * 5 + ["backdrop"])
    if s.ground == "plain":
        return rng.choice([c[0] + " " + back] * 8 + ["plain %s %s" % (c[0], back), "solid %s %s" % (c[0], back)])
    way = rng.choice(["", s.direction + " "])
    if s.ground == "gradient":
        return rng.choice(["%s%s to %s gradient", "%sgradient from %s to %s", "%sgradient of %s and %s",
                           "%s%s to %s gradient " + back]) % (way, c[0], c[1])
    return rng.choice(["%s%s and %s striped " + back, back + " with %s%s and %s stripes",
                       "%sstripes of %s and %s"]) % (way, c[0], c[1])


def draw_caption(rng, s):
    """A caption of the scene; "" is never drawn (the trainer drops captions itself)."""
    first = s.objects[0]
    if s.relation:
        second = s.objects[1]
        a, b = object_words(rng, first, False), object_words(rng, second, False)
        link = {"left": ["to the left of", "left of"], "right": ["to the right of", "right of"],
                "above": ["above", "over"], "below": ["below", "under"]}[s.relation]
        subject = "%s %s %s" % (a, rng.choice(link), b)
    else:
        say_size = first.size != "medium" or rng.random() < 0.15
        subject = object_words(rng, first, say_size)
        if first.position != "centre" or rng.random() < 0.2:
            subject += " " + position_words(rng, first.position)
    prefix = rng.choice([""] * 5 + ["a picture of ", "an image of ", "a drawing of "])
    if rng.random() < 0.08:
        return prefix + subject
    ground = ground_words(rng, s)
    determiner = "" if " stripes of " in " " + ground else ("an " if ground[0] in "aeiou" else "a ")
    form = rng.random()
    if form < 0.72:
        return "%s%s %s %s%s" % (prefix, subject, rng.choice(["on"] * 5 + ["over", "with", "against"]), determiner, ground)
    if form < 0.82 and s.ground == "plain":
        return "%s%s on %s" % (prefix, subject, spell(rng, s.ground_colours[0]))
    if form < 0.91:
        return "%s%s, %s" % (prefix, subject, ground)
    return "%s%s with %s" % (determiner, ground, subject)


def held_out(caption):
    return zlib.crc32(caption.encode()) % HELD_OUT == 0


def training_caption(rng, s):
    while True:
        caption = draw_caption(rng, s)
        if not held_out(caption):
            return caption


# Pictures.

TABLE_REACH, TABLE_CELLS = 1.6, 1024  # a table of a shape's distance field: [-reach, reach], in units of its radius


def polygon_sdf(x, y, points):
    """Signed distance to a closed polygon (negative inside)."""
    d = np.full(x.shape, 1e9, np.float32)
    sign = np.ones(x.shape, np.float32)
    n = len(points)
    for i in range(n):
        (ax, ay), (bx, by) = points[i], points[i - 1]
        ex, ey = bx - ax, by - ay
        wx, wy = x - ax, y - ay
        h = np.clip((wx * ex + wy * ey) / (ex * ex + ey * ey), 0, 1)
        d = np.minimum(d, (wx - ex * h) ** 2 + (wy - ey * h) ** 2)
        above, below, cross = y >= ay, y < by, ex * wy > ey * wx
        flip = (above & below & cross) | (~above & ~below & ~cross)
        sign = np.where(flip, -sign, sign)
    return sign * np.sqrt(d)


def shape_points(shape):
    if shape == "square":
        a = 0.88
        return [(-a, -a), (a, -a), (a, a), (-a, a)]
    if shape == "triangle":
        return [(0, -0.95), (1.0, 0.782), (-1.0, 0.782)]
    if shape == "diamond":
        return [(0, -1.1), (1.1, 0), (0, 1.1), (-1.1, 0)]
    if shape == "star":
        angles = [i * np.pi / 5 for i in range(10)]
        return [((1.1 if i % 2 == 0 else 0.45) * np.sin(t), -(1.1 if i % 2 == 0 else 0.45) * np.cos(t) + 0.08)
                for i, t in enumerate(angles)]
    if shape == "cross":
        a, w = 1.0, 0.34
        return [(-w, -a), (w, -a), (w, -w), (a, -w), (a, w), (w, w), (w, a), (-w, a), (-w, w), (-a, w), (-a, -w), (-w, -w)]
    if shape == "heart":  # x = 16 sin^3 t, y = 13 cos t - 5 cos 2t - 2 cos 3t - cos 4t
        t = np.linspace(0, 2 * np.pi, 72, endpoint=False)
        hx = 16 * np.sin(t) ** 3
        hy = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
        return [(float(a) / 16.0, float(-b) / 16.0 - 0.12) for a, b in zip(hx, hy)]
    raise KeyError(shape)


@functools.lru_cache(None)
def table(shape):
    axis = (np.arange(TABLE_CELLS, dtype=np.float32) + 0.5) / TABLE_CELLS * 2 * TABLE_REACH - TABLE_REACH
    x, y = np.meshgrid(axis, axis)
    if shape == "circle":
        return np.hypot(x, y) - 1
    if shape == "ring":
        return np.abs(np.hypot(x, y) - 0.74) - 0.26
    return polygon_sdf(x, y, shape_points(shape))


def distance(o, side=SIDE, window=None):
    """The object's distance field in px over window (x0, y0, x1, y1) of the 128 px canvas, drawn side px wide."""
    x0, y0, x1, y1 = window or (0, 0, SIDE, SIDE)
    scale = (x1 - x0) / side
    to_cell = TABLE_CELLS / (2 * TABLE_REACH)
    cx = ((x0 + (np.arange(side) + 0.5) * scale - o.x) / o.r + TABLE_REACH) * to_cell
    cy = ((y0 + (np.arange(side) + 0.5) * scale - o.y) / o.r + TABLE_REACH) * to_cell
    ix, iy = cx.astype(np.int32), cy.astype(np.int32)
    t = table(o.shape)[np.clip(iy, 0, TABLE_CELLS - 1)[:, None], np.clip(ix, 0, TABLE_CELLS - 1)[None, :]]
    out = (cx < 0) | (cx >= TABLE_CELLS)
    t = np.where(out[None, :] | ((cy < 0) | (cy >= TABLE_CELLS))[:, None], 1.0, t)
    return t * o.r / scale


def ground(s, side=SIDE, window=None):
    x0, y0, x1, y1 = window or (0, 0, SIDE, SIDE)
    rgb = np.array(s.ground_rgb, np.float32)
    if s.ground == "plain":
        return np.broadcast_to(rgb[0], (side, side, 3))
    start, end = (x0, x1) if s.direction == "horizontal" else (y0, y1)
    if s.ground == "stripes":  # a horizontal stripe changes along y
        start, end = (y0, y1) if s.direction == "horizontal" else (x0, x1)
    at = (start + (np.arange(side) + 0.5) / side * (end - start)) / SIDE
    if s.ground == "gradient":
        mix = at
    else:
        period = 2.0 / s.stripes
        tri = np.abs(((at + s.phase * period) / period) % 1.0 - 0.5) - 0.25
        mix = np.clip(0.5 + tri * period * SIDE * side / (end - start), 0, 1)
    line = rgb[0] + (rgb[1] - rgb[0]) * mix[:, None].astype(np.float32)
    vertical_change = (s.direction == "vertical") == (s.ground == "gradient")
    line = line[:, None, :] if vertical_change else line[None, :, :]
    return np.broadcast_to(line, (side, side, 3))


def render(s, side=SIDE, window=None):
    """RGB uint8 [side, side, 3]."""
    img = ground(s, side, window).copy()
    for o in s.objects:
        alpha = np.clip(0.5 - distance(o, side, window), 0, 1)[:, :, None].astype(np.float32)
        img += (np.array(o.rgb, np.float32) - img) * alpha
    return (img + 0.5).astype(np.uint8)


def scenes(seed, n, **kw):
    rng = random.Random(seed)
    return [draw_scene(rng, **kw) for _ in range(n)]
