"""The plugin's state machine: keeps Endpoint's promises, whatever is called in whatever order."""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import grpc

from . import convert, plugin_pb2 as pb
from .endpoint import Batcher, Context, Description, Endpoint
from .errors import Busy, Deadline, Error, Internal, as_error
from .link import MAX_ACTIVE, MINOR
from .slots import Region

VERSION = "python/0.1.0"  # what the host shows as the SDK's version

T = TypeVar("T")
LoadEvents = queue.SimpleQueue  # of pb.LoadEvent, then an Error or None


def guarded(what: str, f: Callable[..., T], *args: object) -> T:
    """Calls the author's code: any exception becomes an Error, its traceback a line of the log."""
    try:
        return f(*args)
    except Error:
        raise
    except BaseException as e:  # sys.exit too: it would end a thread, not the process
        logging.exception("exception", extra={"in": what})
        raise as_error(e) from e


class Service:
    """One endpoint behind the protocol."""

    def __init__(self, endpoint: Endpoint, region: Region):
        self.endpoint = endpoint
        self.region = region
        self.changed = threading.Condition()  # guards all that follows
        self.state = "created"  # configured, loading, ready, draining, closed, failed: only forward
        self.active: dict[str, Context] = {}  # of what runs or waits
        self.description: Description | None = None  # since configure
        self._pool: ThreadPoolExecutor | None = None  # a thread for each permit, since load
        self._queued = 0  # in the pool, cancelled ones among them
        self._closing = threading.Lock()  # guards closed
        self._closed = False

    def _move(self, to: str, origin: str) -> None:
        """Changes the state if it is origin."""
        with self.changed:
            if self.state != origin:
                raise Internal(f"the plugin is {self.state}, not {origin}")
            self.state = to

    def admit(self, request_id: str) -> Context:
        """Takes a request in; release must follow."""
        with self.changed:
            if self.state != "ready":
                raise Busy(f"the plugin is {self.state}", retry_after=1)
            if max(len(self.active), self._queued) >= MAX_ACTIVE:
                raise Busy("too many requests are under way", retry_after=1)
            if not request_id or request_id in self.active:
                raise Internal(f'the request id "{request_id}" is empty or in use')
            self.active[request_id] = context = Context()
            return context

    def release(self, name: str) -> None:
        """Says that the work is over."""
        with self.changed:
            del self.active[name]
            self.changed.notify_all()

    def submit(self, f: Callable[[T], None], work: T) -> None:
        """Runs f as soon as there is a permit."""
        def run() -> None:
            with self.changed:
                self._queued -= 1
            f(work)

        assert self._pool is not None  # load has made it, before admit lets anything in
        with self.changed:
            self._queued += 1
        self._pool.submit(run)

    def _enter(self, name: str, to: str, origin: str) -> Context:
        """Begins a call of the life cycle, which shutdown waits for; release must follow."""
        with self.changed:
            self._move(to, origin)
            self.active[name] = context = Context()
            return context

    def describe(self, _: pb.DescribeRequest, __: grpc.ServicerContext) -> pb.DescribeResponse:
        """Answers in every state, without a model."""
        description = self.description or guarded("describe", self.endpoint.describe)
        return pb.DescribeResponse(
            description=guarded("describe", convert.to_description, description),
            protocol_minor=MINOR, sdk_version=VERSION,
        )

    def configure(
        self, request: pb.ConfigureRequest, call: grpc.ServicerContext
    ) -> pb.ConfigureResponse:
        """Once, first."""
        context = self._enter("configure", "failed", "created")
        try:
            call.add_callback(context.cancel)
            config = convert.from_config(request)
            description = guarded("configure", self.endpoint.configure, context, config)
            answer = guarded("configure", convert.to_description, description)
            if answer.capabilities.max_batch > 1 and not isinstance(self.endpoint, Batcher):
                raise Internal("the description declares max_batch, the endpoint is no Batcher")
            self.description = description
            self._move("configured", "failed")
            return pb.ConfigureResponse(description=answer)
        finally:
            self.release("configure")

    def load(self, _: pb.LoadRequest, call: grpc.ServicerContext) -> Iterator[pb.LoadEvent]:
        """Once, after configure. Relays what a thread reports, which outlives the caller."""
        context = self._enter("load", "loading", "configured")
        call.add_callback(context.cancel)
        events: LoadEvents = queue.SimpleQueue()
        threading.Thread(target=self._load, args=(context, events), daemon=True).start()
        while (event := events.get()) is not None:
            if isinstance(event, Error):
                raise event
            yield event

    def _load(self, context: Context, events: LoadEvents) -> None:
        def progress(fraction: float, stage: str) -> None:
            done = min(max(0.0, fraction), 1.0)  # in this order, NaN is 0
            events.put(pb.LoadEvent(fraction=done, stage=convert.text(stage)))

        failure: Error | None = None
        try:
            guarded("load", self.endpoint.load, context, progress)
            context.check()
            assert self.description is not None  # configure has set it
            permits = max(self.description.capabilities.max_concurrency, 1)
            self._pool = ThreadPoolExecutor(permits, "infer")
            self._move("ready", "loading")
        except Error as e:
            failure = e
            with self.changed:
                self.state = "failed" if self.state == "loading" else self.state
        self.release("load")
        events.put(failure)

    def health(self, _: pb.HealthRequest, __: grpc.ServicerContext) -> pb.HealthResponse:
        """Answers in every state."""
        with self.changed:
            state, active = self.state, sorted(self.active)
        return pb.HealthResponse(state=state, memory_bytes=resident_bytes(), active=active)

    def drain(self, _: pb.DrainRequest, call: grpc.ServicerContext) -> pb.DrainResponse:
        """Stops admission and waits for what is in flight."""
        with self.changed:
            if self.state == "ready":
                self.state = "draining"
            self._wait_until_idle(call)
        return pb.DrainResponse()

    def shutdown(self, _: pb.ShutdownRequest, call: grpc.ServicerContext) -> pb.ShutdownResponse:
        """Cancels what still runs, waits for it and closes the endpoint, once."""
        with self.changed:
            self.state = "closed"
            for context in self.active.values():
                context.cancel()
            self._wait_until_idle(call)
        with self._closing:
            first, self._closed = not self._closed, True
            if first:
                guarded("close", self.endpoint.close)
        return pb.ShutdownResponse()

    def _wait_until_idle(self, call: grpc.ServicerContext) -> None:
        """Waits while the caller does; the lock is held, and let go of meanwhile."""
        call.add_callback(self._wake)
        remaining = call.time_remaining()
        timeout = None if remaining is None else min(remaining, threading.TIMEOUT_MAX)
        self.changed.wait_for(lambda: not self.active or not call.is_active(), timeout)
        if self.active:
            raise Deadline("the deadline has passed")

    def _wake(self) -> None:
        with self.changed:
            self.changed.notify_all()


def resident_bytes() -> int:
    """The memory that this process holds in RAM, from /proc/self/statm (proc(5)); 0 without."""
    try:
        with open("/proc/self/statm", "rb") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
