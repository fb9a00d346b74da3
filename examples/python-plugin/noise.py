"""Fractal value noise with numpy: octaves of random grids, each twice as fine, half as strong."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Field = npt.NDArray[np.float32]  # height x width, about 0 to 1 when all octaves are in it

PALETTES = {  # RGB from the lowest to the highest, at equal distances
    "fire": [(12, 4, 20), (120, 20, 30), (235, 90, 20), (255, 200, 60), (255, 255, 220)],
    "moss": [(16, 20, 12), (40, 66, 30), (94, 122, 48), (168, 176, 92), (232, 230, 180)],
    "sea": [(4, 10, 30), (10, 50, 90), (20, 110, 140), (110, 190, 190), (240, 250, 240)],
}

BAND = 32  # rows between two looks at the clock: a millisecond or two of work


def empty(width: int, height: int) -> Field:
    """What octaves are added to."""
    return np.zeros((height, width), np.float32)


def add_octave(field: Field, seed: int, octave: int, check: Callable[[], None]) -> None:
    """Adds one octave, number 0 first; check may raise to stop it, between two bands of rows."""
    height, width = field.shape
    cells = 4 << octave
    # PCG64's stream for a seed is fixed by numpy: the same picture on every machine and version.
    raw = np.random.PCG64([seed, octave]).random_raw((cells + 1) ** 2)
    grid = (raw >> 40).astype(np.float32).reshape(cells + 1, cells + 1) / 2**24
    x, across = _positions(width, cells)
    rows, down = _positions(height, cells)
    for start in range(0, height, BAND):
        check()
        band = slice(start, start + BAND)
        y, weight = rows[band, None], down[band, None]
        upper = grid[y, x] * (1 - across) + grid[y, x + 1] * across
        lower = grid[y + 1, x] * (1 - across) + grid[y + 1, x + 1] * across
        field[band] += (upper * (1 - weight) + lower * weight) * np.float32(0.5 ** (octave + 1))


def _positions(size: int, cells: int) -> tuple[npt.NDArray[np.intp], Field]:
    """For each pixel its cell, and its smoothed place between that cell's corners, 0 to 1."""
    at = (np.arange(size, dtype=np.float32) + 0.5) * np.float32(cells / size)
    cell = np.minimum(at.astype(np.intp), cells - 1)
    t = at - cell.astype(np.float32)
    return cell, t * t * (3 - 2 * t)


def colour(field: Field, palette: str) -> npt.NDArray[np.uint8]:
    """Height x width x 3, stretched over the whole palette of 256 colours."""
    stops = np.array(PALETTES[palette], np.float32)
    at = np.linspace(0, len(stops) - 1, 256)
    colours = np.stack([np.interp(at, range(len(stops)), c) for c in stops.T], axis=-1)
    low, high = field.min(), field.max()
    level = (field - low) * (255 / max(high - low, 1e-6))
    return colours.astype(np.uint8)[level.astype(np.uint8)]
