"""The log: hclog's JSON lines on stderr, which the host reads with levels and attributes."""

from __future__ import annotations

import json
import logging
import traceback
from datetime import datetime, timezone
from typing import TextIO

LINE_LIMIT = 8000  # characters of one text: the host cuts lines at 16 KiB, and escapes take room

_LEVELS = {
    logging.DEBUG: "debug", logging.INFO: "info", logging.WARNING: "warn", logging.ERROR: "error",
}
_STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class Handler(logging.StreamHandler):
    """Writes each record as one line; what was given as extra= becomes attributes."""

    def format(self, record: logging.LogRecord) -> str:
        level = min(max(record.levelno // 10 * 10, logging.DEBUG), logging.ERROR)
        time = datetime.fromtimestamp(record.created, timezone.utc)
        line = {
            "@level": _LEVELS[level],
            "@message": record.getMessage()[:LINE_LIMIT],
            "@module": "plugin",
            "@timestamp": time.isoformat(timespec="microseconds"),
        }
        for name, value in vars(record).items():
            if name not in _STANDARD and not name.startswith("_"):
                line[name] = value if isinstance(value, (bool, int, str)) else str(value)
        if record.exc_info:
            # The end of a traceback says most.
            line["stack"] = "".join(traceback.format_exception(*record.exc_info))[-LINE_LIMIT:]
        return json.dumps(line)


def setup(stream: TextIO) -> None:
    """Makes logging write to the host's log; the host chooses what it shows."""
    root = logging.getLogger()
    root.handlers = [Handler(stream)]
    root.setLevel(logging.DEBUG)
    for noisy in ("PIL", "matplotlib", "urllib3"):  # their debug lines drown the plugin's
        logging.getLogger(noisy).setLevel(logging.INFO)
