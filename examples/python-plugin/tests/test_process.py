"""The plugin as a process: handshake, certificates, output, signals, its end."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
import unittest

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support import LIMIT
from vision_plugin import link, plugin_pb2 as pb
from vision_plugin.serve import _certificate

FOLDER = pathlib.Path(__file__).resolve().parent.parent
PEM = serialization.Encoding.PEM

# An endpoint that prints wherever it can, and never answers.
UNRULY = """
    import logging, os, time
    from vision_plugin import Description, Endpoint, Output, RAW_RGB, serve

    class Unruly(Endpoint):
        def describe(self):
            print("printed")
            os.write(1, b"x" * 200_000 + b"\\n")
            logging.warning("logged", extra={"answer": 42})
            return Description("unruly", output=Output(media_type=RAW_RGB))

        def infer(self, context, request, progress):
            while True:
                time.sleep(1)

    serve(Unruly())
"""


def p521_certificate() -> tuple[bytes, x509.Certificate]:
    """A key and certificate as go-plugin makes them by default."""
    key = ec.generate_private_key(ec.SECP521R1())
    template = _certificate()[1]
    certificate = (
        x509.CertificateBuilder().subject_name(template.subject).issuer_name(template.issuer)
        .public_key(key.public_key()).serial_number(1)
        .not_valid_before(template.not_valid_before).not_valid_after(template.not_valid_after)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA512())
    )
    pem = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem, certificate


class Plugin:
    """A plugin process that is started as go-plugin does it."""

    def __init__(self, test: unittest.TestCase, code: str = "", certificate=None, **env: str):
        self.key, self.certificate = certificate or _certificate()
        folder = tempfile.TemporaryDirectory(prefix="vp")
        test.addCleanup(folder.cleanup)
        command = [str(FOLDER / "plugin")]
        if code:
            command = [sys.executable, "-B", "-c", textwrap.dedent(code)]
        self.log = open(os.path.join(folder.name, "log"), "w+")  # a file: a pipe would fill
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=self.log, text=True, cwd=folder.name,
            env={
                "PATH": os.environ["PATH"], "PYTHONPATH": str(FOLDER), "HOME": folder.name,
                link.COOKIE_KEY: link.COOKIE_VALUE, link.ENV_PARENT: str(os.getpid()),
                "PLUGIN_PROTOCOL_VERSIONS": "1", "PLUGIN_UNIX_SOCKET_DIR": folder.name,
                "PLUGIN_CLIENT_CERT": self.certificate.public_bytes(PEM).decode(), **env,
            })
        test.addCleanup(self._end)
        self.line = ""

    def _end(self) -> None:
        self.process.kill()
        self.process.communicate()
        self.log.close()

    def end(self) -> tuple[str, str]:
        """Waits for the end; returns what it has printed to stdout and to stderr."""
        out, _ = self.process.communicate(timeout=LIMIT)
        self.log.seek(0)
        return out, self.log.read()

    def connect(self, key: bytes | None = None, certificate: bytes | None = None) -> grpc.Channel:
        """Reads the handshake line and connects as it says."""
        if not self.line:
            self.line = self.process.stdout.readline().strip()
        core, version, network, address, protocol, server = self.line.split("|")
        assert (core, version, network, protocol) == ("1", "1", "unix", "grpc"), self.line
        der = base64.b64decode(server + "=" * (-len(server) % 4))
        root = x509.load_der_x509_certificate(der).public_bytes(PEM)
        return grpc.secure_channel(
            "unix:" + address, grpc.ssl_channel_credentials(root, key, certificate),
            options=[("grpc.ssl_target_name_override", "localhost")])

    def describe(self, *credentials: bytes) -> pb.DescribeResponse:
        """Asks over a connection of its own."""
        with self.connect(*credentials) as channel:
            return channel.unary_unary(
                f"/{link.SERVICE}/Describe", response_deserializer=pb.DescribeResponse.FromString,
            )(b"", timeout=LIMIT)

    def credentials(self) -> tuple[bytes, bytes]:
        """The host's."""
        return self.key, self.certificate.public_bytes(PEM)

    def shut_down(self) -> float:
        """Gives go-plugin's order; returns the seconds until the process has ended."""
        with self.connect(*self.credentials()) as channel:
            with contextlib.suppress(grpc.RpcError):  # it may end before it has answered
                channel.unary_unary("/plugin.GRPCController/Shutdown")(b"", timeout=LIMIT)
        begun = time.monotonic()
        self.process.wait(LIMIT)
        return time.monotonic() - begun


class Process(unittest.TestCase):
    """What a host relies on."""

    def test_answers_whoever_holds_the_key_and_ends_when_told(self):
        for name, certificate in {"P-256": _certificate(), "P-521": p521_certificate()}.items():
            with self.subTest(name):
                plugin = Plugin(self, certificate=certificate)
                answer = plugin.describe(*plugin.credentials())
                self.assertEqual(answer.description.endpoint, "plasma")
                self.assertLess(plugin.shut_down(), 2)
                self.assertEqual(plugin.process.returncode, 0)

    def test_refuses_strangers(self):
        plugin = Plugin(self)
        key, certificate = _certificate()
        for name, credentials in {
            "no certificate": (), "another": (key, certificate.public_bytes(PEM)),
        }.items():
            with self.subTest(name), self.assertRaises(grpc.RpcError) as raised:
                plugin.describe(*credentials)
            self.assertEqual(raised.exception.code(), grpc.StatusCode.UNAVAILABLE)
        plugin.describe(*plugin.credentials())

    def test_says_that_a_host_starts_it(self):
        plugin = Plugin(self, **{link.COOKIE_KEY: "other"})
        out, err = plugin.end()
        self.assertEqual((out, plugin.process.returncode), ("", 1))
        self.assertIn("a host starts", err)

    def test_refuses_another_version_of_the_protocol(self):
        plugin = Plugin(self, PLUGIN_PROTOCOL_VERSIONS="2,3")
        out, err = plugin.end()
        self.assertEqual((out, plugin.process.returncode), ("", 1))
        self.assertEqual(err, "This plugin speaks version 1 of the plugin protocol, the host "
                              "speaks 2,3: renew the older of the two.\n")

    def test_keeps_its_output_out_of_the_handshake(self):
        plugin = Plugin(self, UNRULY)
        plugin.describe(*plugin.credentials())
        plugin.process.kill()
        out, err = plugin.end()
        lines = err.splitlines()
        self.assertEqual(out, "")
        self.assertEqual(lines[:2], ["printed", "x" * 200_000])
        line = json.loads(lines[2])
        self.assertEqual((line["@level"], line["@message"], line["answer"]), ("warn", "logged", 42))

    def test_ends_when_told_whatever_hangs(self):
        plugin = Plugin(self, UNRULY)
        plugin.line = plugin.process.stdout.readline().strip()
        with plugin.connect(*plugin.credentials()) as channel:
            for method in ("Configure", "Load"):
                list(channel.unary_stream(f"/{link.SERVICE}/{method}")(b"", timeout=LIMIT))
            start = pb.InferCommand(start=pb.InferRequest(id="a"))
            events = channel.stream_stream(f"/{link.SERVICE}/Infer")(
                iter([pb.InferCommands(commands=[start]).SerializeToString()]), timeout=LIMIT)
            next(events)  # accepted
            self.assertLess(plugin.shut_down(), 2)

    def test_ends_with_its_host(self):
        # A shell stands for the host: it tells its own pid as the parent's, and is killed.
        command = f"""{link.ENV_PARENT}=$$ "{FOLDER / 'plugin'}" & wait"""
        host = subprocess.Popen(
            ["/bin/sh", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"], link.COOKIE_KEY: link.COOKIE_VALUE})
        host.stdout.readline()  # the handshake: it runs
        host.kill()
        begun = time.monotonic()
        host.communicate(timeout=LIMIT)  # until the plugin, which holds the pipes, has ended
        self.assertLess(time.monotonic() - begun, 2)

    def test_dumps_its_stacks(self):
        plugin = Plugin(self)
        plugin.describe(*plugin.credentials())
        plugin.process.send_signal(signal.SIGQUIT)
        _, err = plugin.end()
        # Python reads the frames of threads that run meanwhile, and may fault over them: then that is the end, after the stacks so far.
        self.assertIn(plugin.process.returncode, (-signal.SIGQUIT, -signal.SIGSEGV))
        self.assertIn("most recent call first", err)
        if plugin.process.returncode == -signal.SIGQUIT:
            self.assertIn("Current thread", err)
            self.assertIn("in serve", err)

    def test_leaves_interrupts_to_its_host(self):
        plugin = Plugin(self)
        plugin.describe(*plugin.credentials())
        plugin.process.send_signal(signal.SIGINT)
        plugin.describe(*plugin.credentials())


if __name__ == "__main__":
    unittest.main()
