"""The one stream of all requests, over a real connection."""

import mmap
import threading
import unittest

from tests.support import LIMIT, Fake, FakeBatcher, Host, kinds, picture
from vision_plugin import RAW_RGB, Image, InvalidInput, Result, Unsafe, link, plugin_pb2 as pb


def error(events: list[pb.InferEvent]) -> pb.Error:
    """What a request has failed with; "" as its code when it has not."""
    return events[-1].end.error


class Gate:
    """An endpoint's work that waits until it is let go, and says when it has begun."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.go = threading.Event()

    def __call__(self, context, request, progress) -> Result:
        self.begun.release()
        while not self.go.wait(0.01):
            context.check()
        return picture()

    def wait(self) -> None:
        """Until one more has begun."""
        assert self.begun.acquire(timeout=LIMIT)


class Answers(unittest.TestCase):
    """What a request is answered with."""

    def test_accepts_steps_and_answers_in_chunks(self):
        data = bytes(range(256)) * 6000  # 3 chunks

        def infer(context, request, progress):
            for done in (1, 1, 0, 2, 7):  # only what moves forward, up to the total, is told
                progress.step(done, 3)
            return Result(images=[Image(RAW_RGB, 1000, 512, bytearray(data))])

        events = Host(self, Fake(infer)).ready().infer("a")
        self.assertEqual(
            kinds(events), ["accepted", "step", "step", "result", "chunk", "chunk", "chunk", "end"])
        self.assertEqual([e.step.done for e in events[1:3]], [1, 2])
        [blob] = events[3].result.images
        self.assertEqual((blob.width, blob.height, blob.size), (1000, 512, len(data)))
        self.assertEqual(b"".join(e.chunk for e in events[4:7]), data)

    def test_gives_the_request_as_it_was_sent(self):
        seen = []
        host = Host(self, Fake(lambda c, r, p: seen.append(r) or picture())).ready()
        host.infer(
            "a", texts={"prompt": pb.Texts(texts=["ä", "b"])},
            images={"image": pb.Images(images=[
                pb.Image(media_type="image/png", width=2, data=b"x")])},
            values=[pb.NamedValue(name="n", value=pb.Value(int=3)),
                    pb.NamedValue(name="on", value=pb.Value(bool=False)),
                    pb.NamedValue(name="empty")],
        )
        [request] = seen
        self.assertEqual(request.id, "a")
        self.assertEqual((request.text("prompt"), request.text("other")), ("ä", ""))
        self.assertEqual(request.image("image"), Image("image/png", 2, 0, b"x"))
        self.assertIsNone(request.image("mask"))
        self.assertEqual(request.values, {"n": 3, "on": False})

    def test_is_quiet_when_nobody_watches(self):
        def infer(context, request, progress):
            progress.step(1, 1)
            progress.preview(picture().images[0])
            return Result(embeddings=[[1.0, 0.0]], values={"f": 0.5, "s": "\udcff"})

        [end] = Host(self, Fake(infer)).ready().infer("a", quiet=True)
        self.assertEqual(end.end.result.embeddings[0].values, [1, 0])
        values = [v.value.string or v.value.float for v in end.end.result.values]
        self.assertEqual(values, [0.5, "?"])

    def test_sends_previews_to_who_asks(self):
        def infer(context, request, progress):
            if progress.wants_preview():
                progress.preview(picture().images[0])
            return Result()

        host = Host(self, Fake(infer)).ready()
        self.assertEqual(kinds(host.infer("a")), ["accepted", "end"])
        events = host.infer("b", previews=True)
        self.assertEqual(kinds(events), ["accepted", "preview", "end"])
        self.assertEqual(events[1].preview.data, b"abc")

    def test_writes_into_the_slot_what_fits_there(self):
        memory = mmap.mmap(-1, 64)
        host = Host(self, Fake(lambda *_: picture(b"0123456789ab")), memory).ready()
        [end] = host.infer("a", quiet=True, slot=pb.Slot(offset=32, size=12))
        self.assertTrue(end.end.result.in_slot)
        self.assertEqual(memory[30:46], b"\0\0" + b"0123456789ab" + b"\0\0")
        for slot in (pb.Slot(offset=32, size=11), pb.Slot(offset=60, size=12),
                     pb.Slot(offset=2**64 - 8, size=12)):
            with self.subTest(slot):
                events = host.infer("b", quiet=True, slot=slot)
                self.assertEqual(kinds(events), ["result", "chunk", "end"])

    def test_tells_what_the_endpoint_raises(self):
        def invalid(*_):
            raise InvalidInput("steps", "is too small")

        def out_of_memory(*_):
            raise MemoryError()

        def exits(*_):
            raise SystemExit(3)

        for work, code, message in (
            (invalid, "invalid_input", "is too small"),
            (out_of_memory, "out_of_memory", "MemoryError"),
            (exits, "internal", "SystemExit: 3"),
            (lambda *_: 1 // 0, "internal", "ZeroDivisionError: integer division"),
            (lambda *_: None, "internal", "AttributeError: 'NoneType' object has no"),
            (lambda *_: Result(values={"n": 2**70}), "internal", "ValueError"),
            (lambda *_: Result(values={"n": []}), "internal", "TypeError: [] is no value"),
            (lambda *_: Result(warnings=["x" * (link.PAYLOAD_LIMIT + 1)]), "internal", "at most"),
        ):
            with self.subTest(message):
                endpoint = Fake(work)
                host = Host(self, endpoint).ready()
                failure = error(host.infer("a"))
                self.assertEqual(failure.code, code)
                self.assertIn(message, failure.message)
                endpoint.work = lambda *_: picture()
                self.assertEqual(error(host.infer("b")).code, "")  # it lives on

    def test_refuses_an_id_that_is_empty_or_in_use(self):
        gate = Gate()
        host = Host(self, Fake(gate)).ready()
        self.assertIn("empty", error(host.infer("")).message)
        host.start("a")
        gate.wait()
        host.start("a")
        self.assertIn("in use", error(host.until_end("a")).message)
        gate.go.set()
        self.assertEqual(error(host.until_end("a")).code, "")


class Concurrency(unittest.TestCase):
    """Permits, cancellation, the end."""

    def test_runs_so_many_at_once_and_lets_the_others_wait(self):
        gate = Gate()
        host = Host(self, Fake(gate, max_concurrency=2)).ready()
        for name in "abc":
            host.start(name)
        gate.wait()
        gate.wait()
        self.assertFalse(gate.begun.acquire(timeout=0.05))
        self.assertEqual(list(host.health().active), ["a", "b", "c"])
        gate.go.set()
        for name in "abc":
            self.assertEqual(error(host.until_end(name)).code, "")
        self.assertEqual(list(host.health().active), [])

    def test_cancels_what_runs_and_at_once_what_waits(self):
        gate = Gate()
        host = Host(self, Fake(gate)).ready()
        host.start("runs")
        gate.wait()
        host.start("waits")
        host.cancel("waits")
        self.assertEqual(error(host.until_end("waits")).code, "cancelled")
        self.assertEqual(list(host.health().active), ["runs"])
        host.cancel("runs")
        host.cancel("runs")
        host.cancel("nobody")
        self.assertEqual(error(host.until_end("runs")).code, "cancelled")
        gate.go.set()
        self.assertEqual(error(host.infer("next")).code, "")

    def test_drops_what_a_cancelled_request_returns(self):
        def infer(context, request, progress):
            context.wait(LIMIT)
            return picture()

        host = Host(self, Fake(infer)).ready()
        host.start("a")
        host.cancel("a")
        self.assertEqual(error(host.until_end("a")).code, "cancelled")

    def test_drain_waits_for_what_runs_and_admits_nothing(self):
        gate = Gate()
        host = Host(self, Fake(gate)).ready()
        host.start("a")
        gate.wait()
        with self.assertRaisesRegex(Exception, "the deadline has passed|Deadline Exceeded"):
            host.drain(timeout=0.05)
        self.assertEqual(error(host.infer("b")).code, "busy")
        gate.go.set()
        host.drain()
        self.assertEqual(error(host.until_end("a")).code, "")

    def test_shutdown_cancels_what_runs_and_what_waits(self):
        gate, endpoint = Gate(), Fake()
        endpoint.work = gate
        host = Host(self, endpoint).ready()
        for name in "ab":
            host.start(name)
        gate.wait()
        host.until_active("a", "b")
        host.shutdown()
        self.assertEqual(endpoint.closed, 1)
        for name in "ab":
            self.assertEqual(error(host.until_end(name)).code, "cancelled")

    def test_a_host_that_is_gone_ends_its_requests(self):
        gate = Gate()
        host = Host(self, Fake(gate)).ready()
        for name in "ab":
            host.start(name)
        gate.wait()
        host.until_active("a", "b")
        host.stream.cancel()
        host.drain()
        self.assertEqual(list(host.health().active), [])

    def test_a_host_that_asks_no_more_is_answered_to_the_end(self):
        gate = Gate()
        host = Host(self, Fake(gate)).ready()
        host.start("a")
        gate.wait()
        host.hang_up()
        gate.go.set()
        self.assertEqual(error(host.until_end("a")).code, "")
        with self.assertRaises(StopIteration):
            next(host.stream)

    def test_keeps_the_events_of_many_apart(self):
        def infer(context, request, progress):
            for done in range(50):
                progress.step(done + 1, 50)
            return picture(request.id.encode() * 3)

        host = Host(self, Fake(infer, max_concurrency=8)).ready()
        names = [f"{n:03}" for n in range(100)]
        for name in names:
            host.start(name)
        for name in names:
            events = host.until_end(name)
            self.assertEqual([e.step.done for e in events[1:51]], list(range(1, 51)))
            self.assertEqual(events[-2].chunk, name.encode() * 3)


class Batches(unittest.TestCase):
    """Requests that come together."""

    def ask(self, host: Host, *names: str) -> dict[str, list[pb.InferEvent]]:
        """Sends a batch and returns each request's events."""
        batch = pb.InferBatch(requests=[pb.InferRequest(id=name, quiet=True) for name in names])
        host.send(pb.InferCommand(batch=batch))
        return {name: host.until_end(name) for name in names}

    def test_answers_each_by_its_own_result_or_error(self):
        def infer_batch(calls):
            return [Unsafe("no") if c.request.id == "b" else picture(c.request.id.encode() * 3)
                    for c in calls]

        host = Host(self, FakeBatcher(infer_batch)).ready()
        self.assertEqual(host.describe().description.capabilities.max_batch, 8)
        answers = self.ask(host, "a", "b", "c")
        self.assertEqual(answers["a"][1].chunk, b"aaa")
        self.assertEqual(error(answers["b"]).code, "unsafe_content")
        self.assertEqual(answers["c"][1].chunk, b"ccc")

    def test_asks_alone_when_the_batch_fails(self):
        for name, infer_batch in {
            "an exception": lambda calls: 1 // 0, "too few": lambda calls: [picture()],
            "nothing": lambda calls: None,
        }.items():
            with self.subTest(name):
                host = Host(self, FakeBatcher(infer_batch)).ready()
                for events in self.ask(host, "a", "b").values():
                    self.assertEqual(kinds(events), ["result", "chunk", "end"])

    def test_one_that_is_cancelled_leaves_the_others(self):
        begun, go = threading.Event(), threading.Event()

        def infer_batch(calls):
            begun.set()
            go.wait(LIMIT)
            return [picture() for _ in calls]

        host = Host(self, FakeBatcher(infer_batch)).ready()
        batch = pb.InferBatch(requests=[pb.InferRequest(id=n, quiet=True) for n in "ab"])
        host.send(pb.InferCommand(batch=batch))
        self.assertTrue(begun.wait(LIMIT))
        host.cancel("a")
        host.send(pb.InferCommand())  # what a newer host might say is ignored
        self.assertEqual(error(host.infer("a")).code, "internal")  # the cancel has been read
        go.set()
        self.assertEqual(error(host.until_end("b")).code, "")
        self.assertEqual(error(host.until_end("a")).code, "cancelled")

    def test_takes_one_permit(self):
        def infer_batch(calls):
            return [picture() for _ in calls]

        gate = Gate()
        endpoint = FakeBatcher(infer_batch)
        endpoint.work = gate
        host = Host(self, endpoint).ready()
        host.start("first")
        gate.wait()
        batch = pb.InferBatch(requests=[pb.InferRequest(id=n) for n in "ab"])
        host.send(pb.InferCommand(batch=batch))
        host.cancel("a")
        self.assertEqual(error(host.until_end("a")).code, "cancelled")
        gate.go.set()
        self.assertEqual(error(host.until_end("b")).code, "")


if __name__ == "__main__":
    unittest.main()
