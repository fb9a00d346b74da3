"""Writes golden.json.gz: what Pillow (9.4, Debian 12) and NumPy make of formula pictures.

Run in this folder: python3 make_golden.py. The Go tests make the same inputs by the same formulas, so only hashes are kept.
"""
import base64
import gzip
import hashlib
import io
import json
import struct
import zlib

import numpy as np
from PIL import Image, ImageOps


def formula(n, w, h, channels):
    """uint8 (h, w, channels); x to the right, y down. Gray is R alone; alpha has fully clear, half clear and opaque parts."""
    y, x = np.mgrid[0:h, 0:w]
    if n == 0:
        c = [3 * x + 5 * y, 7 * x + 2 * y + 31, x * y]
    elif n == 1:
        c = [x * 255 // max(w - 1, 1), y * 255 // max(h - 1, 1), (x + y) * 255 // max(w + h - 2, 1)]
    else:
        c = [((x // 8 + y // 8) % 2) * 255, ((x // 16) % 2) * 200 + 20, x * x + y * y]
    c.append(np.clip((x * 11 + y * 17) % 400 - 60, 0, 255))
    return np.stack([v % 256 for v in c], axis=2).astype(np.uint8)[:, :, :channels]


def image(a):
    return Image.fromarray(a[:, :, 0] if a.shape[2] == 1 else a)


def sha(a):
    return hashlib.sha256(np.ascontiguousarray(a).tobytes()).hexdigest()


def resizes():
    filters = {"nearest": Image.NEAREST, "box": Image.BOX, "bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC, "lanczos": Image.LANCZOS}
    sizes = [
        (64, 48, 32, 24), (64, 48, 128, 96), (37, 53, 19, 101), (101, 7, 33, 33), (1, 1, 5, 3), (1, 9, 4, 2), (17, 1, 6, 1),
        (50, 40, 1, 1), (3, 5, 300, 211), (300, 211, 8, 8), (300, 211, 9, 8), (300, 211, 32, 32), (128, 128, 224, 224),
        (30, 20, 30, 11), (30, 20, 11, 20), (255, 254, 254, 255), (31, 17, 31, 17),
    ]
    rows = []
    for n in range(3):
        for channels in (1, 3, 4):
            for w, h, to_w, to_h in sizes:
                for name, f in filters.items():
                    out = np.asarray(image(formula(n, w, h, channels)).resize((to_w, to_h), f)).ravel()
                    rows.append({"formula": n, "channels": channels, "from": [w, h], "to": [to_w, to_h], "filter": name,
                                 "first": out[:6].tolist(), "sha256": sha(out)})
    return rows


def conversions():
    rows = []
    for n in range(3):
        for channels in (1, 3, 4):
            a = formula(n, 61, 47, channels)
            img = image(a)
            rows.append({"formula": n, "channels": channels, "rgb": sha(np.asarray(img.convert("RGB"))), "gray": sha(np.asarray(img.convert("L"))),
                         "crop": sha(np.asarray(img.crop((5, 7, 44, 20))))})
    return rows


def pads():
    rows = []
    for w, h, pad in [(5, 4, (2, 1, 3, 3)), (5, 4, (0, 0, 0, 4)), (3, 2, (9, 8, 10, 7)), (1, 1, (2, 2, 2, 2)), (1, 6, (3, 1, 0, 13)), (64, 50, (0, 6, 0, 8))]:
        for channels in (1, 3, 4):
            left, top, right, bottom = pad
            out = np.pad(formula(0, w, h, channels), ((top, bottom), (left, right), (0, 0)), mode="reflect")
            rows.append({"size": [w, h], "channels": channels, "pad": pad, "sha256": sha(out)})
    return rows


def png(w, h, depth, colour, raw, extra=b""):
    """A PNG from packed rows, for what Pillow does not write."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + raw[i:i + len(raw) // h] for i in range(0, len(raw), len(raw) // h))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, depth, colour, 0, 0, 0)) + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def pictures():
    """Encoded files with the pixels that Read must find: exact, or within a tolerance of Pillow's, kept whole."""
    w, h = 23, 17
    rgb, rgba, gray = (formula(1, w, h, c) for c in (3, 4, 1))
    rgba[:, :, 3] = formula(0, w, h, 4)[:, :, 3]
    rows = []

    def add(name, data, want, tolerance=None):
        row = {"name": name, "data": base64.b64encode(data).decode(), "size": [want.shape[1], want.shape[0]], "channels": 1 if want.ndim == 2 else want.shape[2]}
        if tolerance is None:
            row["sha256"] = sha(want)
        else:
            row["tolerance"], row["pixels"] = tolerance, base64.b64encode(np.ascontiguousarray(want).tobytes()).decode()
        rows.append(row)

    def save(img, kind, **options):
        out = io.BytesIO()
        img.save(out, kind, **options)
        return out.getvalue()

    def load(data, mode=None):
        img = Image.open(io.BytesIO(data))
        return np.asarray(ImageOps.exif_transpose(img.convert(mode) if mode else img))

    for name, a in {"rgb": rgb, "rgba": rgba, "gray": gray}.items():
        add("png " + name, save(image(a), "PNG"), a)
    la = np.dstack([gray, rgba[:, :, 3]])
    add("png gray and alpha", save(Image.fromarray(la, "LA"), "PNG"), np.dstack([gray, gray, gray, rgba[:, :, 3]]))
    paletted = image(rgb).quantize(40)
    add("png palette", save(paletted, "PNG"), np.asarray(paletted.convert("RGB")))
    add("png palette of 16", save(image(rgb).quantize(13), "PNG"), np.asarray(image(rgb).quantize(13).convert("RGB")))
    clear = save(paletted, "PNG", transparency=bytes([0, 99]))
    add("png palette with alpha", clear, load(clear, "RGBA"))
    one = image(gray).convert("1")
    add("png 1 bit", save(one, "PNG"), np.asarray(one).astype(np.uint8) * 255)
    y, x = np.mgrid[0:h, 0:w]
    deep = np.stack([x * 2801 + y, y * 3500 + x * 7, x * y * 151, x * 2000 + 255], axis=2).astype(np.uint16)
    high = (deep >> 8).astype(np.uint8)
    for colour, channels, want in [(0, [0], high[:, :, 0]), (2, [0, 1, 2], high[:, :, :3]), (4, [0, 3], high[:, :, [0, 0, 0, 3]]), (6, [0, 1, 2, 3], high)]:
        add(f"png 16 bit, colour type {colour}", png(w, h, 16, colour, deep[:, :, channels].astype(">u2").tobytes()), want)
    key = save(image(rgb), "PNG", transparency=tuple(int(v) for v in rgb[3, 4]))
    add("png colour key", key, load(key, "RGBA"))

    add("webp lossless", save(image(rgb), "WEBP", lossless=True), rgb)
    add("webp lossless alpha", save(image(rgba), "WEBP", lossless=True, exact=True), rgba)
    for side in [(23, 17), (22, 16), (1, 1), (2, 1), (1, 2), (40, 31)]:
        for q in (30, 90):
            lossy = save(image(formula(1, *side, 3)), "WEBP", quality=q)
            add(f"webp lossy {side} q{q}", lossy, load(lossy))
    lossy = save(image(formula(0, 40, 31, 3)), "WEBP", quality=80)
    add("webp lossy, saturated", lossy, load(lossy))
    lossy = save(image(rgba), "WEBP", quality=80)
    add("webp lossy alpha", lossy, load(lossy))

    for name, options in {"444": {"subsampling": 0}, "422": {"subsampling": 1}, "420": {"subsampling": 2}, "progressive": {"progressive": True}}.items():
        for a in (rgb, formula(0, 40, 31, 3)):
            data = save(image(a), "JPEG", quality=90, **options)
            add(f"jpeg {name} {a.shape}", data, load(data), 3)
    data = save(image(gray), "JPEG", quality=90)
    add("jpeg gray", data, load(data), 1)
    ink = formula(1, w, h, 4)
    ink[:, :, 3] //= 2
    data = save(Image.fromarray(ink, "CMYK"), "JPEG", quality=95)
    add("jpeg cmyk", data, load(data, "RGB"), 1)

    for o in range(1, 9):
        for prefix, order in (("II", "<"), ("MM", ">")):
            magic = b"II*\0" if prefix == "II" else b"MM\0*"
            tiff = magic + struct.pack(order + "IHHHIHHHHIHHI", 8, 2, 0x0100, 4, 1, w, 0, 0x0112, 3, 1, o, 0, 0)
            exif = b"Exif\0\0" + tiff
            if o > 1:
                upright = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(save(image(rgb), "PNG", exif=exif)))))
                assert upright.shape != rgb.shape or not (upright == rgb).all(), "Pillow did not turn it"
            else:
                upright = rgb
            add(f"png orientation {o} {prefix}", save(image(rgb), "PNG", exif=exif), upright)
            add(f"webp orientation {o} {prefix}", save(image(rgb), "WEBP", lossless=True, exif=exif), upright)
            data = save(image(rgb), "JPEG", quality=95, subsampling=0, exif=exif)
            add(f"jpeg orientation {o} {prefix}", data, load(data), 3)
    frames = [image(rgb), image(255 - rgb)]
    animated = {kind: base64.b64encode(save(frames[0], kind, save_all=True, append_images=frames[1:])).decode() for kind in ("PNG", "WEBP")}
    return {"read": rows, "animated": animated}


golden = {"resize": resizes(), "convert": conversions(), "pad": pads(), **pictures()}
with open("golden.json.gz", "wb") as f:
    f.write(gzip.compress(json.dumps(golden, separators=(",", ":")).encode(), mtime=0))
