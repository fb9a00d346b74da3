#!/usr/bin/python3
"""The same comparison in Python, over Pillow, NumPy, SciPy, PyWavelets and XGBoost of Debian 12.

peer.py golden           writes golden.json: the features of the pairs of pictures in this folder
peer.py time MODEL A B   for each line that it reads, compares two files, from the bytes to the probability, and prints the seconds and the probability
"""
import io
import json
import pathlib
import sys
import time

import numpy as np
import pywt
import scipy.fftpack
from PIL import Image


def small(gray, w, h):
    return np.asarray(gray.resize((w, h), Image.LANCZOS))


def dct_hash(gray, size):
    a = small(gray, 4 * size, 4 * size).astype(float)
    d = scipy.fftpack.dct(scipy.fftpack.dct(a, axis=0), axis=1)[:size, :size]
    d[abs(d) < 1e-7] = 0
    return d > np.median(d)


def wavelet_hash(gray):
    scale = max(2 ** int(np.log2(min(gray.size))), 8)
    levels = int(np.log2(scale))
    full = pywt.wavedec2(small(gray, scale, scale) / 255.0, "haar", level=levels)
    full[0] = full[0] * 0
    low = pywt.wavedec2(pywt.waverec2(full, "haar"), "haar", level=levels - 3)[0]
    return low > np.median(low)


def color_hash(rgb, gray):
    luma = np.asarray(gray).ravel()
    hue, saturation, _ = (np.asarray(p).ravel() for p in rgb.convert("HSV").split())
    black = luma < 32
    muted = ~black & (saturation < 85)
    coloured = ~black & (saturation >= 85)
    n = max(1, int(coloured.sum()))
    shares = [black.mean(), muted.mean()]
    for mask in (coloured & (saturation < 170), coloured & (saturation > 170)):
        shares += list(np.histogram(hue[mask], bins=np.linspace(0, 255, 7))[0] / n)
    values = [min(7, int(s * 8)) for s in shares]
    return np.array([[v // 4 % 8 > 0, v // 2 % 4 > 0, v % 2 > 0] for v in values])


class Picture:
    def __init__(self, data):
        image = Image.open(io.BytesIO(data))
        rgb, gray = image.convert("RGB"), image.convert("L")
        a = small(gray, 8, 8)
        d = small(gray, 9, 8)
        self.hashes = [dct_hash(gray, 8), a > a.mean(), d[:, 1:] > d[:, :-1], color_hash(rgb, gray), wavelet_hash(gray), dct_hash(gray, 16)]
        self.rgb, self.gray = np.asarray(rgb).astype(np.int64), np.asarray(gray).astype(np.int64)
        g = self.gray
        laplacian = 4 * g[1:-1, 1:-1] - g[:-2, 1:-1] - g[2:, 1:-1] - g[1:-1, :-2] - g[1:-1, 2:]
        self.sharpness = abs(laplacian).mean()


def correlation(a, b):
    a, b = a.ravel().astype(float), b.ravel().astype(float)
    a, b = a - a.mean(), b - b.mean()
    va, vb = (a * a).sum(), (b * b).sum()
    return 1.0 if va == 0 and vb == 0 else 0.0 if va == 0 or vb == 0 else (a * b).sum() / np.sqrt(va * vb)


def area_means(d, rows, columns):
    """The means of areas that begin at these rows and columns."""
    sums = np.add.reduceat(np.add.reduceat(d, rows, axis=0), columns, axis=1)
    high, wide = np.diff(np.append(rows, d.shape[0])), np.diff(np.append(columns, d.shape[1]))
    return abs(sums / (high[:, None] * wide[None, :])[:, :, None])


def windows(x):
    """Sums of windows of 8 x 8 px every 4 px."""
    h, w = x.shape[0] // 4, x.shape[1] // 4
    cells = x[:h * 4, :w * 4].reshape(h, 4, w, 4).sum(axis=(1, 3)).astype(float)
    return cells[1:, 1:] + cells[1:, :-1] + cells[:-1, 1:] + cells[:-1, :-1]


def ssim(a, b):
    n = 64
    ma, mb = windows(a) / n, windows(b) / n
    va, vb = (windows(a * a) - n * ma * ma) / (n - 1), (windows(b * b) - n * mb * mb) / (n - 1)
    ab = (windows(a * b) - n * ma * mb) / (n - 1)
    c1, c2 = 6.5025, 58.5225
    s = 1 - (2 * ma * mb + c1) * (2 * ab + c2) / ((ma * ma + mb * mb + c1) * (va + vb + c2))
    return s.mean(), s.max()


def features(a, b):
    d = a.rgb - b.rgb
    h, w = d.shape[:2]
    samples = np.sort(abs(d).ravel())
    blocks = area_means(d, np.arange(0, h, 8), np.arange(0, w, 8))
    cells = area_means(d, -(-np.arange(4) * h // 4), -(-np.arange(4) * w // 4))
    slopes = [np.concatenate([np.diff(p.gray, axis=0).ravel(), np.diff(p.gray, axis=1).ravel()]) for p in (a, b)]
    mean, worst = ssim(a.gray, b.gray)
    return [float(np.sum(x != y)) for x, y in zip(a.hashes, b.hashes)] + [
        samples.mean(), np.sqrt((samples ** 2).mean()), float(samples[len(samples) - len(samples) // 100 - 1]), float(samples[-1]),
        blocks.max(), np.sqrt((blocks ** 2).mean()), cells.max(), 1 - correlation(a.gray, b.gray), 1 - correlation(*slopes), mean, worst,
        abs(np.log((a.sharpness + 0.01) / (b.sharpness + 0.01))), abs(d.mean(axis=(0, 1))).max()]


def golden():
    folder = pathlib.Path(__file__).parent
    out = []
    for original in sorted(folder.glob("*-reference.png")):
        for other in sorted(folder.glob(original.name.replace("-reference", "-*"))):
            row = features(Picture(original.read_bytes()), Picture(other.read_bytes()))
            out.append({"a": original.name, "b": other.name, "features": [float(x) for x in row]})
    (folder / "golden.json").write_text(json.dumps(out, indent=1) + "\n")


def timed(model, first, second):
    import xgboost as xgb
    booster = xgb.Booster({"nthread": 1}, model_file=model)
    a, b = pathlib.Path(first).read_bytes(), pathlib.Path(second).read_bytes()
    for _ in sys.stdin:
        began = time.perf_counter()
        row = features(Picture(a), Picture(b)) + [1.0, np.nan]
        p = booster.inplace_predict(np.array([row], dtype=np.float32), missing=np.nan)
        print(time.perf_counter() - began, float(p[0]), flush=True)


if __name__ == "__main__":
    golden() if sys.argv[1] == "golden" else timed(*sys.argv[2:])
