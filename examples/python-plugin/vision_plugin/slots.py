"""The memory that the host shares, so that a large result is written once and read once."""

from __future__ import annotations

import logging
import mmap
import os
from collections.abc import Sequence

from .link import ENV_SLOTS_FD, ENV_SLOTS_SIZE


class Region:
    """The mapping. Without one every result travels in chunks."""

    def __init__(self, memory: mmap.mmap | None = None):
        self._memory = memory

    def write(self, offset: int, size: int, parts: Sequence[bytes]) -> bool:
        """Writes the parts one after another into a slot; False when they do not fit."""
        if self._memory is None or offset + size > len(self._memory) or sum(map(len, parts)) > size:
            return False
        for part in parts:
            self._memory[offset:offset + len(part)] = part
            offset += len(part)
        return True


def open_region() -> Region:
    """Maps what the environment names."""
    try:
        fd, size = int(os.environ[ENV_SLOTS_FD]), int(os.environ[ENV_SLOTS_SIZE])
    except (KeyError, ValueError):
        return Region()
    try:
        memory = mmap.mmap(fd, size)  # has a descriptor of its own
        os.close(fd)  # a child process must not hold the host's memory
        return Region(memory)
    except (OSError, ValueError, OverflowError) as e:
        logging.warning("results travel in chunks", extra={"error": e})
        return Region()
