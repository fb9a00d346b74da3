"""Between the contract's types and the protocol's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real

import grpc
from google.protobuf import any_pb2

from . import plugin_pb2 as pb
from .endpoint import (
    Capabilities, Config, Description, Device, Extent, Image, Input, Output, Parameter, Request,
    Result, Sampling, Value,
)
from .errors import Error
from .link import TEXT_LIMIT


def text(s: str) -> str:
    """Makes a string UTF-8: a file's name need not be, and protobuf carries nothing else."""
    return s.encode("utf-8", "replace").decode()


def to_value(value: Value, kind: str = "") -> pb.Value:
    """Converts by the parameter's type, or by the value's own; numpy's scalars are numbers too."""
    if kind == "float" and isinstance(value, Real):
        return pb.Value(float=float(value))
    if isinstance(value, bool):
        return pb.Value(bool=value)
    if isinstance(value, Integral):
        return pb.Value(int=int(value))
    if isinstance(value, Real):
        return pb.Value(float=float(value))
    if isinstance(value, str):
        return pb.Value(string=text(value))
    raise TypeError(f"{value!r} is no value: a bool, int, float or str")


def from_values(values: Iterable[pb.NamedValue]) -> dict[str, Value]:
    """Leaves out empty values."""
    kinds = ((v, v.value.WhichOneof("kind")) for v in values)
    return {v.name: getattr(v.value, kind) for v, kind in kinds if kind}


def _to_values(values: Mapping[str, Value]) -> list[pb.NamedValue]:
    return [pb.NamedValue(name=text(name), value=to_value(v)) for name, v in values.items()]


def _to_sampling(s: Sampling, kind: str) -> pb.Sampling:
    return pb.Sampling(min=s.min, max=s.max, values=[to_value(v, kind) for v in s.values])


def _to_parameter(p: Parameter) -> pb.Parameter:
    return pb.Parameter(
        name=p.name, doc=p.doc, type=p.type, required=p.required, min=p.min, max=p.max,
        default=None if p.default is None else to_value(p.default, p.type),
        multiple_of=p.multiple_of, allowed=[to_value(v, p.type) for v in p.allowed],
        max_length=p.max_length, random=p.random, format=p.format,
        sampling=p.sampling and _to_sampling(p.sampling, p.type),
    )


def _to_input(i: Input) -> pb.Input:
    return pb.Input(
        name=i.name, doc=i.doc, kind=i.kind, required=i.required, max_count=i.max_count,
        max_length=i.max_length, max_pixels=i.max_pixels, same_size_as=i.same_size_as, content=i.content,
    )


def _to_extent(e: Extent) -> pb.Extent:
    return pb.Extent(parameter=e.parameter, input=e.input, times=e.times, plus=e.plus)


def _to_output(o: Output) -> pb.Output:
    return pb.Output(
        kind=o.kind, media_type=o.media_type, width=_to_extent(o.width),
        height=_to_extent(o.height), dimensions=o.dimensions, max_bytes=o.max_bytes,
        same_cosine=o.same_cosine,
    )


def _to_capabilities(c: Capabilities) -> pb.Capabilities:
    return pb.Capabilities(
        max_concurrency=c.max_concurrency, progress=c.progress, previews=c.previews,
        cancellation=c.cancellation, deterministic=c.deterministic,
        max_batch=c.max_batch, batch_key=c.batch_key,
    )


def to_description(d: Description) -> pb.Description:
    """Converts all of it; the host says what is wrong with it."""
    return pb.Description(
        endpoint=d.endpoint, title=d.title, doc=d.doc, version=d.version,
        inputs=map(_to_input, d.inputs), one_of=d.one_of,
        parameters=map(_to_parameter, d.parameters), output=_to_output(d.output),
        config=map(_to_parameter, d.config), notes=map(text, d.notes),
        memory_bytes=d.memory_bytes, capabilities=_to_capabilities(d.capabilities),
    )


def from_config(r: pb.ConfigureRequest) -> Config:
    """What configure gets."""
    device = Device(
        name=r.device.name, kind=r.device.kind, memory_bytes=r.device.memory_bytes,
        threads=max(r.device.threads, 1),
    )
    return Config(values=from_values(r.values), device=device)


def _from_image(i: pb.Image) -> Image:
    return Image(media_type=i.media_type, width=i.width, height=i.height, data=i.data)


def from_request(r: pb.InferRequest) -> Request:
    """What infer gets."""
    return Request(
        id=r.id, texts={name: list(t.texts) for name, t in r.texts.items()},
        images={name: [_from_image(i) for i in v.images] for name, v in r.images.items()},
        values=from_values(r.values),
    )


def to_image(i: Image) -> pb.Image:
    """A preview."""
    return pb.Image(
        media_type=i.media_type, width=i.width, height=i.height, data=bytes(i.data),
    )


def to_result(r: Result, sizes: Sequence[int]) -> pb.Result:
    """All but the images' bytes, of which there are so many each."""
    result = pb.Result(
        images=[
            pb.Blob(media_type=i.media_type, width=i.width, height=i.height, size=size)
            for i, size in zip(r.images, sizes)
        ],
        embeddings=[pb.Embedding(values=e) for e in r.embeddings],
        values=_to_values(r.values), unsafe=r.unsafe, warnings=map(text, r.warnings),
    )
    if r.features is not None:
        result.features.hashes.update({text(k): text(v) for k, v in r.features.hashes.items()})
        result.features.embedding.values.extend(r.features.embedding)
    return result


def to_error(e: Error) -> pb.Error:
    """Bounded, and UTF-8 whatever the exception holds."""
    return pb.Error(
        code=e.code, message=text(e.message)[:TEXT_LIMIT], param=text(e.param),
        retry_after_ms=max(int(e.retry_after * 1000), 0),
        faults=[pb.Fault(param=text(f.param), message=text(f.message)) for f in e.faults],
    )


_CODES = {
    "invalid_input": grpc.StatusCode.INVALID_ARGUMENT,
    "unsafe_content": grpc.StatusCode.FAILED_PRECONDITION,
    "out_of_memory": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "cancelled": grpc.StatusCode.CANCELLED,
    "deadline_exceeded": grpc.StatusCode.DEADLINE_EXCEEDED,
    "busy": grpc.StatusCode.UNAVAILABLE,
    "unavailable": grpc.StatusCode.UNAVAILABLE,
}


def abort(context: grpc.ServicerContext, error: Error) -> None:
    """Ends a call with the error in the status's details, to arrive as what it is. Raises."""
    code = _CODES.get(error.code, grpc.StatusCode.INTERNAL)
    detail = any_pb2.Any()
    detail.Pack(to_error(error))
    # google.rpc.Status, whose Python class is in a package of its own: code = 1, details = 3.
    packed = detail.SerializeToString()
    status = bytes([1 << 3, code.value[0], 3 << 3 | 2]) + _varint(len(packed)) + packed
    context.set_trailing_metadata((("grpc-status-details-bin", status),))
    context.abort(code, to_error(error).message)


def _varint(n: int) -> bytes:
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)
