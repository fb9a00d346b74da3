"""The parts that need no connection."""

import io
import json
import logging
import mmap
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile
import threading
import unittest
import zlib
from unittest import mock

from google.protobuf import descriptor_pb2

import noise
from tests.support import LIMIT
from vision_plugin import Cancelled, Context, encode_png, link, log, plugin_pb2 as pb
from vision_plugin.outbox import ROOM, Outbox
from vision_plugin.slots import open_region

PROTO = pathlib.Path(__file__).parents[3] / "sdk/internal/proto/v1"


def decode_png(data: bytes) -> tuple[tuple[int, ...], bytes]:
    """The header and the unfiltered rows of a file with one IDAT, every checksum checked."""
    at, chunks = 8, {}
    while at < len(data):
        size, = struct.unpack_from(">I", data, at)
        name, body = data[at + 4:at + 8], data[at + 8:at + 8 + size]
        assert struct.unpack_from(">I", data, at + 8 + size) == (zlib.crc32(name + body),)
        chunks[name], at = body, at + 12 + size
    header = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    return header, zlib.decompress(chunks[b"IDAT"])


class Png(unittest.TestCase):
    """encode_png."""

    def test_holds_the_pixels(self):
        for channels, kind in ((1, 0), (3, 2), (4, 6)):
            pixels = bytes(range(2 * 3 * channels))
            header, rows = decode_png(encode_png(pixels, 2, 3, channels))
            self.assertEqual(header, (2, 3, 8, kind, 0, 0, 0))
            row = 2 * channels
            self.assertEqual(rows, b"".join(b"\0" + pixels[y * row:][:row] for y in range(3)))

    def test_refuses_what_is_no_picture(self):
        for pixels, width, height, channels in ((b"ab", 1, 1, 2), (b"ab", 1, 1, 3), (b"", 0, 0, 3)):
            with self.assertRaises(ValueError):
                encode_png(pixels, width, height, channels)


class Noise(unittest.TestCase):
    """The example's picture."""

    def paint(self, width: int, height: int, seed: int) -> bytes:
        field = noise.empty(width, height)
        for octave in range(3):
            noise.add_octave(field, seed, octave, lambda: None)
        return noise.colour(field, "sea").tobytes()

    def test_is_the_seeds(self):
        self.assertEqual(self.paint(64, 72, 7), self.paint(64, 72, 7))
        self.assertNotEqual(self.paint(64, 72, 7), self.paint(64, 72, 8))
        self.assertEqual(len(self.paint(64, 72, 7)), 64 * 72 * 3)

    def test_is_smooth_and_uses_its_palette(self):
        field = noise.empty(256, 128)
        noise.add_octave(field, 1, 0, lambda: None)
        self.assertLess(abs(field[:, 1:] - field[:, :-1]).max(), 0.05)
        pixels = noise.colour(field, "fire").reshape(-1, 3)
        for colour in (noise.PALETTES["fire"][0], noise.PALETTES["fire"][-1]):
            self.assertTrue((pixels == colour).all(axis=1).any(), colour)

    def test_stops_within_an_octave(self):
        context, looks = Context(), []

        def check():
            looks.append(1)
            if len(looks) == 2:
                context.cancel()
            context.check()

        with self.assertRaises(Cancelled):
            noise.add_octave(noise.empty(64, 10 * noise.BAND), 1, 0, check)
        self.assertEqual(len(looks), 2)


class Log(unittest.TestCase):
    """Lines that the host reads."""

    def lines(self, f) -> list[dict]:
        stream = io.StringIO()
        logger = logging.Logger("test")
        logger.addHandler(log.Handler(stream))
        f(logger)
        return [json.loads(line) for line in stream.getvalue().splitlines()]

    def test_have_their_level_and_attributes(self):
        def write(logger):
            logger.log(5, "trace")
            logger.debug("a %s", "b")
            logger.critical("two\nlines", extra={"n": 1, "error": ValueError("x")})

        first, second, third = self.lines(write)
        self.assertEqual(first["@level"], "debug")
        self.assertEqual((second["@level"], second["@message"]), ("debug", "a b"))
        self.assertRegex(second["@timestamp"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00$")
        self.assertEqual((third["@level"], third["@message"]), ("error", "two\nlines"))
        self.assertEqual((third["n"], third["error"]), (1, "x"))

    def test_stay_below_the_hosts_limit(self):
        def deep(n: int) -> None:
            if n == 0:
                raise ValueError("ä" * 20_000)
            deep(n - 1)

        def write(logger):
            try:
                deep(100)
            except ValueError:
                logger.exception("x" * 100_000)

        [line] = self.lines(write)
        self.assertTrue(line["stack"].startswith("ä"), "the end of the traceback is kept")
        for name in ("stack", "@message"):
            self.assertLessEqual(len(line[name]), log.LINE_LIMIT)


class Queue(unittest.TestCase):
    """The outbox."""

    def event(self, size: int) -> pb.InferEvent:
        return pb.InferEvent(id="a", chunk=b"x" * size)

    def test_sends_together_what_fits_together(self):
        box = Outbox()
        for size in (10, link.CHUNK_SIZE, link.CHUNK_SIZE, 2 * link.BATCH_SIZE, 1):
            box.put(self.event(size))
        box.close()
        self.assertEqual([len(m.events) for m in iter(box.take, None)], [2, 1, 1, 1])

    def test_makes_senders_wait_and_lets_them_go(self):
        for release in (Outbox.take, Outbox.close):
            box, through = Outbox(), threading.Event()
            box.put(self.event(ROOM))

            def send():
                box.put(self.event(1))
                through.set()

            threading.Thread(target=send, daemon=True).start()
            self.assertFalse(through.wait(0.05))
            release(box)
            self.assertTrue(through.wait(LIMIT))


class Slots(unittest.TestCase):
    """The shared memory."""

    def test_is_the_descriptor_that_the_environment_names(self):
        with tempfile.TemporaryFile() as file:
            file.truncate(4096)
            fd = os.dup(file.fileno())
            env = {link.ENV_SLOTS_FD: str(fd), link.ENV_SLOTS_SIZE: "4096"}
            with mock.patch.dict(os.environ, env):
                region = open_region()
            with self.assertRaises(OSError):
                os.fstat(fd)  # closed: a child process does not inherit it
            self.assertTrue(region.write(4094, 2, [b"x", b"y"]))
            with mmap.mmap(file.fileno(), 4096) as shared:
                self.assertEqual(shared[4094:], b"xy")

    def test_is_none_without_a_descriptor(self):
        logging.getLogger().setLevel(logging.CRITICAL)
        self.addCleanup(logging.getLogger().setLevel, logging.WARNING)
        for env in ({}, {link.ENV_SLOTS_FD: "x", link.ENV_SLOTS_SIZE: "1"},
                    {link.ENV_SLOTS_FD: "9999", link.ENV_SLOTS_SIZE: "4096"},
                    {link.ENV_SLOTS_FD: "9999", link.ENV_SLOTS_SIZE: "-1"}):
            with self.subTest(env), mock.patch.dict(os.environ, env):
                self.assertFalse(open_region().write(0, 1, [b"x"]))


class Protocol(unittest.TestCase):
    """The generated module, and the numbers that both ends share."""

    @unittest.skipUnless(shutil.which("protoc"), "protoc is not installed")
    def test_is_generated_from_the_protocol(self):
        with tempfile.NamedTemporaryFile() as out:
            subprocess.run(["protoc", f"-I{PROTO}", f"--descriptor_set_out={out.name}",
                            "plugin.proto"], check=True)
            [want] = descriptor_pb2.FileDescriptorSet.FromString(out.read()).file
        have = descriptor_pb2.FileDescriptorProto.FromString(pb.DESCRIPTOR.serialized_pb)
        messages = list(want.message_type)
        while messages:  # the module leaves out what follows from a field's name
            message = messages.pop()
            messages.extend(message.nested_type)
            for field in message.field:
                field.ClearField("json_name")
        self.assertTrue(have == want, "plugin_pb2.py is stale: run ./generate.sh")

    def test_has_the_hosts_numbers(self):
        source = (PROTO.parents[1] / "link/link.go").read_text()
        for line in (f"const Major = {link.MAJOR}\n", f"const Minor = {link.MINOR}\n",
                     f'"{link.COOKIE_KEY}"', f'"{link.COOKIE_VALUE}"', f'"{link.ENV_PARENT}"',
                     f'"{link.ENV_SLOTS_FD}"', f'"{link.ENV_SLOTS_SIZE}"',
                     "const MessageLimit = 64 << 20\n", "const ChunkSize = 512 << 10\n"):
            self.assertIn(line, source)
        self.assertEqual((link.MESSAGE_LIMIT, link.CHUNK_SIZE), (64 << 20, 512 << 10))


if __name__ == "__main__":
    unittest.main()
