"""A plugin in this process, and a host's side of the connection to it."""

from __future__ import annotations

import logging
import mmap
import os
import queue
import tempfile
import threading
import time
import unittest
from collections.abc import Callable, Iterator

import grpc

from vision_plugin import (
    Batcher, Capabilities, Config, Context, Description, Endpoint, Image, Output, Parameter,
    Progress, RAW_RGB, Request, Result, link, plugin_pb2 as pb,
)
from vision_plugin.serve import _server
from vision_plugin.service import Service
from vision_plugin.slots import Region

LIMIT = 20  # seconds; a test that waits so long has failed

Infer = Callable[[Context, Request, Progress], Result]


def picture(data: bytes = b"abc") -> Result:
    """A result of one row."""
    return Result(images=[Image(RAW_RGB, len(data) // 3, 1, data)])


class Fake(Endpoint):
    """An endpoint whose work a test chooses."""

    def __init__(self, infer: Infer = lambda *_: picture(), **capabilities: object):
        self.work = infer
        self.capabilities = Capabilities(**capabilities)  # type: ignore[arg-type]
        self.closed = 0

    def describe(self) -> Description:
        return Description(
            "fake", parameters=[Parameter("n", "int", default=1, min=0, max=9)],
            output=Output(media_type=RAW_RGB), capabilities=self.capabilities,
        )

    def configure(self, context: Context, config: Config) -> Description:
        description = self.describe()
        description.notes = [f"{config.device.threads} threads"]
        return description

    def infer(self, context: Context, request: Request, progress: Progress) -> Result:
        return self.work(context, request, progress)

    def close(self) -> None:
        self.closed += 1


class FakeBatcher(Fake, Batcher):
    """One that takes batches, which a test answers too."""

    def __init__(self, infer_batch: Callable, **capabilities: object):
        super().__init__(max_batch=8, **capabilities)
        self.work_batch = infer_batch

    def infer_batch(self, calls):  # noqa: D102
        return self.work_batch(calls)


class Host:
    """Speaks the protocol to an endpoint over a socket of its own, by hand."""

    def __init__(self, test: unittest.TestCase, endpoint: Endpoint, slots: mmap.mmap | None = None):
        self.service = Service(endpoint, Region(slots))
        server = _server(self.service, threading.Event())
        folder = tempfile.TemporaryDirectory(prefix="vp")
        address = "unix:" + os.path.join(folder.name, "s")
        server.add_insecure_port(address)
        server.start()
        self.channel = grpc.insecure_channel(address)
        logging.getLogger().setLevel(logging.CRITICAL + 1)  # the tracebacks are meant
        test.addCleanup(logging.getLogger().setLevel, logging.WARNING)
        test.addCleanup(folder.cleanup)
        test.addCleanup(lambda: server.stop(None).wait())
        test.addCleanup(self.channel.close)
        self._commands: queue.SimpleQueue[pb.InferCommands | None] = queue.SimpleQueue()
        self.stream: Iterator[pb.InferEvents] | None = None
        self._events: dict[str, list[pb.InferEvent]] = {}

    def call(self, method: str, request, answer, timeout: float = LIMIT):
        """One of the unary methods."""
        rpc = self.channel.unary_unary(
            f"/{link.SERVICE}/{method}", request.__class__.SerializeToString, answer.FromString)
        return rpc(request, timeout=timeout)

    def describe(self) -> pb.DescribeResponse:
        return self.call("Describe", pb.DescribeRequest(), pb.DescribeResponse)

    def configure(self) -> pb.ConfigureResponse:
        return self.call("Configure", pb.ConfigureRequest(), pb.ConfigureResponse)

    def load(self) -> list[pb.LoadEvent]:
        rpc = self.channel.unary_stream(
            f"/{link.SERVICE}/Load", pb.LoadRequest.SerializeToString, pb.LoadEvent.FromString)
        return list(rpc(pb.LoadRequest(), timeout=LIMIT))

    def health(self) -> pb.HealthResponse:
        return self.call("Health", pb.HealthRequest(), pb.HealthResponse)

    def until_active(self, *names: str) -> None:
        """Waits until these requests, and no others, run or wait."""
        deadline = time.monotonic() + LIMIT
        while list(self.health().active) != list(names):
            if time.monotonic() > deadline:
                raise AssertionError(f"{list(self.health().active)} are active, not {names}")

    def drain(self, timeout: float = LIMIT) -> None:
        self.call("Drain", pb.DrainRequest(), pb.DrainResponse, timeout)

    def shutdown(self, timeout: float = LIMIT) -> None:
        self.call("Shutdown", pb.ShutdownRequest(), pb.ShutdownResponse, timeout)

    def ready(self) -> Host:
        """Loads the endpoint."""
        self.configure()
        self.load()
        return self

    def send(self, *commands: pb.InferCommand) -> None:
        """Sends commands in one message, on the stream that the first one opens."""
        if self.stream is None:
            rpc = self.channel.stream_stream(
                f"/{link.SERVICE}/Infer", pb.InferCommands.SerializeToString,
                pb.InferEvents.FromString)
            self.stream = rpc(iter(self._commands.get, None), timeout=LIMIT)
        self._commands.put(pb.InferCommands(commands=commands))

    def start(self, request_id: str, **fields: object) -> None:
        """Starts a request."""
        self.send(pb.InferCommand(start=pb.InferRequest(id=request_id, **fields)))

    def cancel(self, request_id: str) -> None:
        """Cancels a request."""
        self.send(pb.InferCommand(cancel=request_id))

    def hang_up(self) -> None:
        """Ends the stream in order: nothing more will be asked."""
        self._commands.put(None)

    def until_end(self, request_id: str) -> list[pb.InferEvent]:
        """All events of a request; those of others are kept for later."""
        while not any(e.HasField("end") for e in self._events.get(request_id, ())):
            for event in next(self.stream).events:
                self._events.setdefault(event.id, []).append(event)
        return self._events.pop(request_id)

    def infer(self, request_id: str, **fields: object) -> list[pb.InferEvent]:
        """Starts a request and waits for its end."""
        self.start(request_id, **fields)
        return self.until_end(request_id)


def kinds(events: list[pb.InferEvent]) -> list[str]:
    """The kinds of events in order."""
    return [e.WhichOneof("event") for e in events]
