"""Runs an endpoint as a plugin process, by the handshake of hashicorp/go-plugin."""

from __future__ import annotations

import base64
import datetime
import faulthandler
import logging
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from google.protobuf import empty_pb2, wrappers_pb2

from . import convert, link, log, plugin_pb2 as pb
from .endpoint import Endpoint
from .errors import Error, as_error
from .infer import Stream
from .service import Service
from .slots import open_region

PARENT_CHECK = 0.5  # seconds; a dead host's plugins are gone within 2
CALLS = 16  # calls at once; a host makes three or four, of which one is the stream
LAST_WORDS = 0.2  # seconds that the answer to the last call may take to leave


def serve(endpoint: Endpoint) -> NoReturn:
    """Serves the endpoint until the host ends it: what a plugin's main calls."""
    _check_host()
    handshake = _guard_stdout()
    log.setup(sys.stderr)
    faulthandler.register(signal.SIGQUIT, all_threads=True, chain=True)  # the stacks, then the end
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the host's terminal: the host decides
    _watch_parent()
    ended = threading.Event()
    server = _server(Service(endpoint, open_region()), ended)
    address, certificate = _listen(server)
    server.start()
    line = f"1|{link.MAJOR}|unix|{address}|grpc|{certificate}\n"
    os.write(handshake, line.encode())
    ended.wait()
    server.stop(LAST_WORDS).wait()
    sys.stdout.flush()
    # Not sys.exit, which waits for threads: one that hangs may be why the host ends us.
    os._exit(0)


def _check_host() -> None:
    """Refuses whoever is no host, and a host that speaks another protocol."""
    if os.environ.get(link.COOKIE_KEY) != link.COOKIE_VALUE:
        sys.exit("This is a Vision plugin, which a host starts: declare it in plugins.hcl, "
                 "or try it with `vision plugin test`.")
    versions = os.environ.get("PLUGIN_PROTOCOL_VERSIONS", str(link.MAJOR))
    if str(link.MAJOR) not in versions.split(","):
        sys.exit(f"This plugin speaks version {link.MAJOR} of the plugin protocol, "
                 f"the host speaks {versions}: renew the older of the two.")


def _guard_stdout() -> int:
    """Keeps the handshake's pipe for its one line: what anybody prints goes to the log instead."""
    handshake = os.dup(1)  # not inherited by child processes
    os.dup2(2, 1)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")
    return handshake


def _watch_parent() -> None:
    """Ends the process with its host, also where the kernel does not."""
    try:
        parent = int(os.environ[link.ENV_PARENT])
    except (KeyError, ValueError):
        return

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(PARENT_CHECK)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _server(service: Service, ended: threading.Event) -> grpc.Server:
    server = grpc.server(ThreadPoolExecutor(CALLS, "call"), options=[
        ("grpc.max_receive_message_length", link.MESSAGE_LIMIT),
        ("grpc.max_send_message_length", link.MESSAGE_LIMIT),
        ("grpc.http2.max_ping_strikes", 0),  # a host may ask as often as it likes whether we live
    ])
    server.add_generic_rpc_handlers((
        _handlers(service), _health_handler(), _controller_handler(ended),
    ))
    return server


def _handlers(service: Service) -> grpc.GenericRpcHandler:
    """The protocol's methods, by hand: Debian's grpcio-tools does not match its protobuf."""
    def infer(commands: Iterator[pb.InferCommands], call: grpc.ServicerContext) -> Iterator:
        return Stream(service).serve(commands, call)

    return grpc.method_handlers_generic_handler(link.SERVICE, {
        "Describe": _unary(service.describe, pb.DescribeRequest),
        "Configure": _unary(service.configure, pb.ConfigureRequest),
        "Health": _unary(service.health, pb.HealthRequest),
        "Drain": _unary(service.drain, pb.DrainRequest),
        "Shutdown": _unary(service.shutdown, pb.ShutdownRequest),
        "Load": grpc.unary_stream_rpc_method_handler(
            _streamed(service.load), pb.LoadRequest.FromString, pb.LoadEvent.SerializeToString),
        "Infer": grpc.stream_stream_rpc_method_handler(
            infer, pb.InferCommands.FromString, pb.InferEvents.SerializeToString),
    })


def _unary(f: Callable[[Any, grpc.ServicerContext], Any], request: Any) -> grpc.RpcMethodHandler:
    def handle(message: Any, call: grpc.ServicerContext) -> Any:
        try:
            return f(message, call)
        except Exception as e:
            failure = _logged(e)
        return convert.abort(call, failure)

    return grpc.unary_unary_rpc_method_handler(
        handle, request.FromString, lambda answer: answer.SerializeToString())


def _streamed(f: Callable[[Any, grpc.ServicerContext], Iterator]) -> Callable:
    def handle(message: Any, call: grpc.ServicerContext) -> Iterator:
        try:
            yield from f(message, call)
            return
        except Exception as e:
            failure = _logged(e)
        convert.abort(call, failure)

    return handle


def _logged(e: Exception) -> Error:
    """What is no Error here is a fault of this package."""
    if not isinstance(e, Error):
        logging.exception("exception")
    return as_error(e)


def _health_handler() -> grpc.GenericRpcHandler:
    """grpc.health.v1, for go-plugin's client.

    Its messages hold a string and an enum with the number 1, as protobuf's wrappers do.
    """
    def check(
        service: wrappers_pb2.StringValue, call: grpc.ServicerContext
    ) -> wrappers_pb2.Int32Value:
        if service.value not in ("", "plugin"):
            call.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return wrappers_pb2.Int32Value(value=1)  # SERVING

    return grpc.method_handlers_generic_handler("grpc.health.v1.Health", {
        "Check": grpc.unary_unary_rpc_method_handler(
            check, wrappers_pb2.StringValue.FromString, wrappers_pb2.Int32Value.SerializeToString),
    })


def _controller_handler(ended: threading.Event) -> grpc.GenericRpcHandler:
    """go-plugin's order to exit. Its other services, broker and output, are optional."""
    def shutdown(empty: empty_pb2.Empty, _: grpc.ServicerContext) -> empty_pb2.Empty:
        ended.set()
        return empty

    return grpc.method_handlers_generic_handler("plugin.GRPCController", {
        "Shutdown": grpc.unary_unary_rpc_method_handler(
            shutdown, empty_pb2.Empty.FromString, empty_pb2.Empty.SerializeToString),
    })


def _listen(server: grpc.Server) -> tuple[str, str]:
    """Opens a socket where the host wants it; returns its path and our certificate."""
    folder = os.environ.get("PLUGIN_UNIX_SOCKET_DIR") or tempfile.mkdtemp(prefix="plugin")
    address = os.path.join(folder, f"plugin{os.getpid()}")
    client = os.environ.get("PLUGIN_CLIENT_CERT")
    if not client:  # a debugger's: the folder alone keeps others out
        server.add_insecure_port("unix:" + address)
        return address, ""
    key, certificate = _certificate()
    credentials = grpc.ssl_server_credentials(
        [(key, certificate.public_bytes(serialization.Encoding.PEM))],
        root_certificates=client.encode(), require_client_auth=True)
    server.add_secure_port("unix:" + address, credentials)
    raw = certificate.public_bytes(serialization.Encoding.DER)
    return address, base64.b64encode(raw).decode().rstrip("=")


def _certificate() -> tuple[bytes, x509.Certificate]:
    """A key of this process alone, and a certificate that vouches for itself: the host pins it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=1))
        .not_valid_after(now + datetime.timedelta(days=3650))  # a process lives shorter
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption())
    return pem, certificate
