"""Events on their way to the host: many that wait go as one message."""

from __future__ import annotations

import threading
from collections import deque

from . import plugin_pb2 as pb
from .link import BATCH_SIZE

ROOM = 8 << 20  # bytes that may wait, before their senders do: a few pictures


class Outbox:
    """A bounded queue of events, of any number of threads for one stream."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._events: deque[tuple[pb.InferEvent, int]] = deque()
        self._bytes = 0
        self._closed = False

    def put(self, event: pb.InferEvent) -> None:
        """Waits for room; dropped once nobody takes any more."""
        size = 16 + event.ByteSize()
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._bytes < ROOM)
            if self._closed:
                return
            self._events.append((event, size))
            self._bytes += size
            self._changed.notify_all()

    def take(self) -> pb.InferEvents | None:
        """Waits for events and returns what fits into a message; None when closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._events)
            if not self._events:
                return None
            taken, size = [], 0
            while self._events and (not taken or size + self._events[0][1] <= BATCH_SIZE):
                event, n = self._events.popleft()
                taken.append(event)
                size += n
            self._bytes -= size
            self._changed.notify_all()
        return pb.InferEvents(events=taken)

    def close(self) -> None:
        """Ends it: what waits is still taken, nothing is added."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
