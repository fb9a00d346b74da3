"""The one stream that carries all requests of a host."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator

import grpc

from . import convert, plugin_pb2 as pb
from .endpoint import Batcher, Call, Context, Image, Result
from .errors import Cancelled, Error, Internal, as_error
from .link import CHUNK_SIZE, PAYLOAD_LIMIT
from .outbox import Outbox
from .service import Service, guarded


class Stream:
    """Serves one host: starts and cancels requests as told, and sends their events."""

    def __init__(self, service: Service):
        self.service = service
        self.outbox = Outbox()
        self._changed = threading.Condition()
        self._under_way: dict[str, Work] = {}

    def serve(
        self, commands: Iterator[pb.InferCommands], call: grpc.ServicerContext
    ) -> Iterator[pb.InferEvents]:
        """Yields what there is to send, until the host is gone or has nothing more to ask."""
        if not call.add_callback(self._abort):
            return
        threading.Thread(target=self._read, args=(commands,), daemon=True).start()
        while (events := self.outbox.take()) is not None:
            yield events

    def _abort(self) -> None:
        self.outbox.close()
        with self._changed:
            works = list(self._under_way.values())
        for work in works:
            work.cancel()

    def _read(self, commands: Iterator[pb.InferCommands]) -> None:
        try:
            for message in commands:
                for command in message.commands:
                    self._obey(command)
        except Exception:  # the connection broke: _abort tells the requests
            return
        with self._changed:
            self._changed.wait_for(lambda: not self._under_way)
        self.outbox.close()

    def _obey(self, command: pb.InferCommand) -> None:
        kind = command.WhichOneof("command")
        if kind == "start":
            self._start([command.start])
        elif kind == "batch":
            self._start(command.batch.requests)
        elif kind == "cancel":
            with self._changed:
                work = self._under_way.get(command.cancel)
            if work is not None:  # else it is over
                work.cancel()

    def _start(self, requests: Iterable[pb.InferRequest]) -> None:
        """Admits in the order of the commands: a cancel that follows must find its request."""
        works = [w for w in (Work(self, r) for r in requests) if w.admit()]
        if works:
            self.service.submit(self._run, works)

    def _run(self, works: list[Work]) -> None:
        """Answers requests that came together, within one permit."""
        works = [w for w in works if w.begin()]
        if len(works) > 1 and self._batch(works):
            return
        for work in works:
            try:
                outcome = guarded("infer", self._infer, work)
            except Error as e:
                outcome = e
            work.end(outcome)

    def _infer(self, work: Work) -> Result:
        request = convert.from_request(work.request)
        return self.service.endpoint.infer(work.context, request, work)

    def _batch(self, works: list[Work]) -> bool:
        """Asks for all at once; False when that failed, so that none fails for its neighbour."""
        endpoint = self.service.endpoint
        if not isinstance(endpoint, Batcher):
            return False

        def infer() -> list[Result | Exception]:
            calls = [Call(w.context, convert.from_request(w.request), w) for w in works]
            return list(endpoint.infer_batch(calls))

        try:
            outcomes = guarded("infer_batch", infer)
            if len(outcomes) != len(works):
                raise Internal(f"{len(outcomes)} outcomes for {len(works)} requests")
        except Error as e:
            logging.warning("a batch failed, its requests go alone", extra={"error": e})
            return False
        for work, outcome in zip(works, outcomes):
            work.end(outcome)
        return True

    def add(self, work: Work) -> None:
        """Makes a request one that can be cancelled."""
        with self._changed:
            self._under_way[work.id] = work

    def remove(self, work: Work) -> None:
        """Says that it is over."""
        with self._changed:
            del self._under_way[work.id]
            self._changed.notify_all()


class Work:
    """One request from its admission to its end, and the endpoint's Progress."""

    def __init__(self, stream: Stream, request: pb.InferRequest):
        self.id = request.id
        self.request = request
        self.context = Context()
        self._stream = stream
        self._lock = threading.Lock()  # guards what follows
        self._running = False
        self._over = False  # its answer is on the way: nothing else may follow
        self._done = 0

    def admit(self) -> bool:
        """Takes the request in, or answers why not."""
        try:
            self.context = self._stream.service.admit(self.id)
        except Error as e:
            self._send(end=pb.End(error=convert.to_error(e)))
            return False
        self._stream.add(self)
        return True

    def begin(self) -> bool:
        """Says that the endpoint's work begins; False when nobody waits for it any more."""
        if self.context.cancelled():
            self.cancel()
            return False
        with self._lock:
            if self._over:
                return False
            self._running = True
        if not self.request.quiet:
            self._send(accepted=pb.Accepted())
        return True

    def cancel(self) -> None:
        """Ends the context. What waits is answered at once, what runs when it returns."""
        self.context.cancel()
        with self._lock:
            if self._running or self._over:
                return
            self._over = True
        self._finish(pb.End(error=convert.to_error(_cancelled())))

    def end(self, outcome: Result | Exception) -> None:
        """Answers, with the bytes in the slot when they fit there and in chunks otherwise."""
        with self._lock:
            self._over = True
        if self.context.cancelled():
            outcome = _cancelled()  # whatever the endpoint made of it
        try:
            if isinstance(outcome, Exception):
                raise outcome
            header, parts = guarded("infer", self._pack, outcome)
        except Exception as e:
            self._finish(pb.End(error=convert.to_error(as_error(e))))
            return
        slot, size = self.request.slot, sum(map(len, parts))
        region = self._stream.service.region
        header.in_slot = size > 0 and region.write(slot.offset, slot.size, parts)
        if size == 0 or header.in_slot:
            self._finish(pb.End(result=header))
            return
        self._send(result=header)
        for part in parts:
            for start in range(0, len(part), CHUNK_SIZE):
                self._send(chunk=part[start:start + CHUNK_SIZE])
        self._finish(pb.End())

    @staticmethod
    def _pack(result: Result) -> tuple[pb.Result, list[bytes]]:
        parts = [bytes(i.data) for i in result.images]
        header = convert.to_result(result, [len(p) for p in parts])
        if (n := header.ByteSize()) > PAYLOAD_LIMIT:
            raise Internal(f"the result has {n} bytes beside its images: at most {PAYLOAD_LIMIT}")
        return header, parts

    def _finish(self, end: pb.End) -> None:
        """The last event, sent when Health lists the request no more."""
        self._stream.service.release(self.id)
        self._send(end=end)
        self._stream.remove(self)

    def _send(self, **event: object) -> None:
        self._stream.outbox.put(pb.InferEvent(id=self.id, **event))

    def step(self, done: int, total: int) -> None:
        """Implements Progress: what moves backward is left out."""
        with self._lock:
            if self.request.quiet or self._over or done <= self._done or done > total:
                return
            self._done = int(done)
            self._send(step=pb.Step(done=self._done, total=int(total)))

    def wants_preview(self) -> bool:
        """Implements Progress."""
        return self.request.previews

    def preview(self, image: Image) -> None:
        """Implements Progress."""
        with self._lock:
            if self.request.previews and not self._over and len(image.data) < PAYLOAD_LIMIT:
                self._send(preview=convert.to_image(image))


def _cancelled() -> Cancelled:
    return Cancelled("the request was cancelled")
