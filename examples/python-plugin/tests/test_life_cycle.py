"""The state machine over a real connection."""

import threading
import unittest

import grpc
from google.protobuf import any_pb2

from tests.support import LIMIT, Fake, Host
from vision_plugin import Busy, Context, Fault, InvalidInput, plugin_pb2 as pb


def refusal(test: unittest.TestCase, f) -> tuple[grpc.StatusCode, pb.Error]:
    """What a call fails with, and the error in its status's details."""
    with test.assertRaises(grpc.RpcError) as raised:
        f()
    status = next(v for k, v in raised.exception.trailing_metadata()
                  if k == "grpc-status-details-bin")
    # google.rpc.Status: a number of two bytes, then the length of the details.
    test.assertEqual(status[0], 1 << 3)
    test.assertEqual(status[1], raised.exception.code().value[0])
    start = 4 if status[3] < 0x80 else 5
    detail, error = any_pb2.Any.FromString(status[start:]), pb.Error()
    test.assertTrue(detail.Unpack(error))
    return raised.exception.code(), error


class LifeCycle(unittest.TestCase):
    """What may follow what."""

    def test_goes_from_created_to_closed(self):
        host = Host(self, Fake())
        self.assertEqual(host.health().state, "created")
        self.assertEqual(host.describe().description.endpoint, "fake")
        self.assertEqual(host.configure().description.notes, ["1 threads"])
        self.assertEqual(host.describe().description.notes, ["1 threads"])
        self.assertEqual(host.health().state, "configured")
        host.load()
        health = host.health()
        self.assertEqual((health.state, list(health.active)), ("ready", []))
        self.assertGreater(health.memory_bytes, 1 << 20)
        host.drain()
        self.assertEqual(host.health().state, "draining")
        host.shutdown()
        self.assertEqual(host.health().state, "closed")

    def test_refuses_the_wrong_order_and_lives_on(self):
        host = Host(self, Fake())
        code, error = refusal(self, host.load)
        self.assertEqual(code, grpc.StatusCode.INTERNAL)
        self.assertEqual(error.message, "the plugin is created, not configured")
        [end] = host.infer("early")
        self.assertEqual((end.end.error.code, end.end.error.retry_after_ms), ("busy", 1000))
        host.ready()
        for call, origin in ((host.configure, "created"), (host.load, "configured")):
            self.assertEqual(
                refusal(self, call)[1].message, f"the plugin is ready, not {origin}")
        self.assertTrue(host.infer("x")[-1].end.error.code == "")

    def test_closes_once(self):
        endpoint = Fake()
        host = Host(self, endpoint).ready()
        host.shutdown()
        host.shutdown()
        self.assertEqual(endpoint.closed, 1)

    def test_tells_typed_errors_with_everything_that_is_wrong(self):
        endpoint = Fake()
        many = (Fault("model", "is no folder"), Fault("threads", "is " + "x" * 200))

        def configure(context, config):
            raise InvalidInput("model", "is \udcff", many)

        endpoint.configure = configure
        host = Host(self, endpoint)
        code, error = refusal(self, host.configure)
        self.assertEqual((code, error.code), (grpc.StatusCode.INVALID_ARGUMENT, "invalid_input"))
        self.assertEqual((error.param, error.message), ("model", "is ?"))
        self.assertEqual([f.param for f in error.faults], ["model", "threads"])
        self.assertEqual(host.health().state, "failed")

    def test_tells_any_exception_as_internal_without_its_traceback(self):
        endpoint = Fake()
        endpoint.configure = lambda *_: {}["model"]
        code, error = refusal(self, Host(self, endpoint).configure)
        self.assertEqual((code, error.code), (grpc.StatusCode.INTERNAL, "internal"))
        self.assertEqual(error.message, "KeyError: 'model'")

    def test_refuses_a_batch_size_without_a_batcher(self):
        error = refusal(self, Host(self, Fake(max_batch=2)).configure)[1]
        self.assertIn("no Batcher", error.message)

    def test_refuses_a_description_that_the_protocol_cannot_carry(self):
        for field, value in {"title": 5, "memory_bytes": -1, "notes": [None]}.items():
            endpoint = Fake()
            description = endpoint.describe()
            setattr(description, field, value)
            endpoint.configure = lambda *_: description
            with self.subTest(field):
                self.assertEqual(refusal(self, Host(self, endpoint).configure)[1].code, "internal")


class Load(unittest.TestCase):
    """The stream of the loading."""

    def test_reports_progress_within_its_bounds(self):
        endpoint = Fake()

        def load(context, progress):
            for fraction in (-1, 0.5, 2, float("nan")):
                progress(fraction, "reading")

        endpoint.load = load
        host = Host(self, endpoint)
        host.configure()
        self.assertEqual([e.fraction for e in host.load()], [0, 0.5, 1, 0])

    def test_a_failure_is_final(self):
        endpoint = Fake()

        def load(context, progress):
            raise Busy("the device is full", retry_after=3)

        endpoint.load = load
        host = Host(self, endpoint)
        host.configure()
        code, error = refusal(self, host.load)
        self.assertEqual((code, error.code), (grpc.StatusCode.UNAVAILABLE, "busy"))
        self.assertEqual(error.retry_after_ms, 3000)
        self.assertEqual(host.health().state, "failed")

    def test_ends_with_a_caller_who_gives_up(self):
        endpoint, seen = Fake(), threading.Event()

        def load(context: Context, progress):
            progress(0, "begun")
            if context.wait(LIMIT):
                seen.set()

        endpoint.load = load
        host = Host(self, endpoint)
        host.configure()
        call = host.channel.unary_stream("/vision.plugin.v1.Plugin/Load")(b"", timeout=LIMIT)
        next(call)
        call.cancel()
        self.assertTrue(seen.wait(LIMIT))
        host.shutdown()  # waits for the loading's end
        self.assertEqual(host.health().state, "closed")


class Health(unittest.TestCase):
    """What go-plugin's client asks."""

    def check(self, service: bytes):
        host = Host(self, Fake())
        return host.channel.unary_unary("/grpc.health.v1.Health/Check")(
            b"\x0a" + bytes([len(service)]) + service, timeout=LIMIT)

    def test_serves(self):
        self.assertEqual(self.check(b"plugin"), b"\x08\x01")

    def test_knows_no_other_service(self):
        with self.assertRaises(grpc.RpcError) as raised:
            self.check(b"other")
        self.assertEqual(raised.exception.code(), grpc.StatusCode.NOT_FOUND)


if __name__ == "__main__":
    unittest.main()
