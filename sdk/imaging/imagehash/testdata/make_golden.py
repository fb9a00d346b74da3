"""Writes golden.json.gz: the hashes of formula pictures by the algorithms of Python's ImageHash 4.3, restated over Pillow, SciPy and PyWavelets.

Run in this folder: python3 make_golden.py (Debian 12: python3-pil, python3-scipy, python3-pywt). The Go tests make the same pictures.
"""
import gzip
import json

import numpy as np
import pywt
import scipy.fftpack
from PIL import Image


def lattice(i, j, seed):
    """A byte from integers, the same in Go and here."""
    h = (i * 73856093 ^ j * 19349663 ^ seed * 83492791) & 0xFFFFFFFF
    h = (h ^ (h >> 13)) * 1274126177 & 0xFFFFFFFF
    return (h ^ (h >> 16)) & 255


def noise(x, y, cell, seed):
    """Lattice bytes interpolated linearly between cells, in integers."""
    i, j, u, v = x // cell, y // cell, x % cell, y % cell
    top = lattice(i, j, seed) * (cell - u) + lattice(i + 1, j, seed) * u
    bottom = lattice(i, j + 1, seed) * (cell - u) + lattice(i + 1, j + 1, seed) * u
    return (top * (cell - v) + bottom * v) // (cell * cell)


def channel(kind, seed, c, x, y, w, h):
    if kind == "blobs":  # like a photo: four octaves
        s = seed * 4 + c
        return (8 * noise(x, y, 64, s) + 4 * noise(x, y, 16, s) + 2 * noise(x, y, 4, s) + noise(x, y, 1, s)) // 15
    if kind == "soft":  # one octave, muted colours
        return 96 + noise(x, y, 48, seed * 4 + c) // 4
    if kind == "dark":
        return noise(x, y, 32, seed * 4 + c) // 5
    if kind == "flat":
        return np.full_like(x, (seed * (c + 1) * 37) % 256)
    if kind == "ramp":
        return x * 255 // max(w - 1, 1) if c < 2 else y * 255 // max(h - 1, 1)
    if kind == "squares":
        return [(x // 8 + y // 8) % 2 * 255, x // 16 % 2 * 200 + 20, (x * x + y * y) % 256][c]
    if kind == "wrap":
        return [3 * x + 5 * y, 7 * x + 2 * y + 31, x * y][c] % 256
    if kind == "disc":
        inside = (2 * x - w) ** 2 + (2 * y - h) ** 2 < (w * w + h * h) // (4 + seed)
        return np.where(inside, [220, 40, 60][c], [30, 90, 200][c])
    raise ValueError(kind)


def picture(kind, seed, w, h):
    y, x = np.mgrid[0:h, 0:w].astype(np.int64)
    return np.stack([channel(kind, seed, c, x, y, w, h) for c in range(3)], axis=2).astype(np.uint8)


def small(img, w, h):
    return np.asarray(img.convert("L").resize((w, h), Image.LANCZOS))


def text(bits):
    bits = [int(b) for b in np.asarray(bits).ravel()]
    return format(int("".join(map(str, bits)), 2), "x").rjust(-(-len(bits) // 4), "0")


def above_median(a):
    return a > np.median(a)


def perceptual(img, size):
    """The hash, and the bits that SciPy's rounding decides: coefficients at the median where either is zero but for rounding."""
    d = scipy.fftpack.dct(scipy.fftpack.dct(small(img, 4 * size, 4 * size), axis=0), axis=1)[:size, :size]
    median = np.median(d)
    return text(d > median), text((abs(d - median) < 1e-7) & ((d != 0) | (median != 0)))


def wavelet(img):
    scale = max(2 ** int(np.log2(min(img.size))), 8)
    levels = int(np.log2(scale))
    full = pywt.wavedec2(small(img, scale, scale) / 255.0, "haar", level=levels)
    full[0] = full[0] * 0
    return above_median(pywt.wavedec2(pywt.waverec2(full, "haar"), "haar", level=levels - 3)[0])


def colour(img):
    luma = np.asarray(img.convert("L")).ravel()
    hue, saturation, _ = (np.asarray(p).ravel() for p in img.convert("HSV").split())
    black = luma < 32
    gray = ~black & (saturation < 85)
    coloured = ~black & (saturation >= 85)
    n = max(1, int(coloured.sum()))
    shares = [black.mean(), gray.mean()]
    for mask in (coloured & (saturation < 170), coloured & (saturation > 170)):
        shares += list(np.histogram(hue[mask], bins=np.linspace(0, 255, 7))[0] / n)
    bits = []
    for v in (min(7, int(s * 8)) for s in shares):
        bits += [v // 4 % 8 > 0, v // 2 % 4 > 0, v % 2 > 0]
    return bits


def hashes(img):
    a, d = small(img, 8, 8), small(img, 9, 8)
    return {"average": text(a > a.mean()), "difference": text(d[:, 1:] > d[:, :-1]), "perceptual": perceptual(img, 8)[0],
            "perceptual256": perceptual(img, 16)[0], "wavelet": text(wavelet(img)), "color": text(colour(img))}


def row(kind, seed, w, h):
    img = Image.fromarray(picture(kind, seed, w, h))
    undecided = {name: loose for name, size in (("perceptual", 8), ("perceptual256", 16)) if (loose := perceptual(img, size)[1]).strip("0")}
    return {"kind": kind, "seed": seed, "size": [w, h], "hashes": hashes(img), "undecided": undecided}


sizes = [(128, 128), (256, 192), (97, 130), (64, 64), (33, 47), (8, 8), (5, 3), (1, 1), (1, 20)]
cases = [("blobs", 0, 512, 512), ("blobs", 1, 640, 360), ("squares", 0, 301, 211), ("disc", 0, 512, 300)]
cases += [("blobs", s, w, h) for s in range(5) for w, h in sizes[:6]]
cases += [(kind, s, w, h) for kind in ("soft", "dark", "disc") for s in range(2) for w, h in sizes[:6]]
cases += [(kind, s, w, h) for kind, s in (("flat", 0), ("flat", 3), ("ramp", 0), ("squares", 0), ("wrap", 0)) for w, h in sizes]
rows = [row(*case) for case in cases]
print(len(rows), "pictures,", sum(bool(r["undecided"]) for r in rows), "with undecided bits")

# Hue and saturation of every 5th level of each channel.
levels = np.arange(0, 256, 5, dtype=np.uint8)
cube = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(1, -1, 3)
hsv = np.asarray(Image.fromarray(cube).convert("HSV"))[0]
with open("golden.json.gz", "wb") as f:
    f.write(gzip.compress(json.dumps({"pictures": rows, "hue": hsv[:, 0].tolist(), "saturation": hsv[:, 1].tolist()}).encode(), mtime=0))
