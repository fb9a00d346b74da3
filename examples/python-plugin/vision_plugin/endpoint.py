"""The contract between a model author and the host: what an Endpoint is, takes and answers.

Names and meaning are those of the Go package sdk; its Endpoint says the same at more length.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Union

from .errors import Cancelled

Value = Union[bool, int, float, str]

PNG = "image/png"
JPEG = "image/jpeg"
WEBP = "image/webp"
RAW_RGB = "image/x-raw-rgb"  # width x height x 3 bytes, rows from the top, no header


@dataclass
class Sampling:
    """What synthetic requests draw of a parameter's domain: from bounds, or one of values."""

    min: float | None = None
    max: float | None = None
    values: Sequence[Value] = ()


@dataclass
class Parameter:
    """One named value of a request or of the config block."""

    name: str  # letters, digits, underscores; lower case
    type: str  # "bool", "int", "float" or "string"
    doc: str = ""  # one sentence
    required: bool = False  # excludes default and random
    default: Value | None = None  # None: absent unless given
    min: float | None = None  # int, float: inclusive
    max: float | None = None
    multiple_of: float = 0.0
    allowed: Sequence[Value] = ()  # the only values; empty: any within the bounds
    max_length: int = 0  # string: characters; 0 is 4096
    random: bool = False  # int: drawn from [min, max] when absent, such as a seed
    format: str = ""  # "path": a file or folder, which arrives as an absolute one
    sampling: Sampling | None = None


@dataclass
class Input:
    """One named input of a request."""

    name: str
    kind: str  # "text", "image" or "mask": an image whose white part is meant
    doc: str = ""
    required: bool = False
    max_count: int = 1
    max_length: int = 0  # text: characters; 0 is 10,000
    max_pixels: int = 0  # image, mask: width x height; 0 is 4,194,304
    same_size_as: str = ""  # image, mask: has the size of this input's first image
    content: str = ""  # image: "" anything, "lines" white lines on black


@dataclass
class Extent:
    """One side of the output in px; an empty one allows any size.

    It is the named parameter, or the same side of the named input's first image, times the
    parameter named by times, plus the parameters named by plus.
    """

    parameter: str = ""
    input: str = ""
    times: str = ""
    plus: Sequence[str] = ()


@dataclass
class Output:
    """What an endpoint answers with; the host checks every answer against it."""

    kind: str = "image"  # or "embedding"
    media_type: str = ""  # image: PNG or RAW_RGB
    width: Extent = field(default_factory=Extent)
    height: Extent = field(default_factory=Extent)
    dimensions: int = 0  # embedding: length of each vector; 0 is any
    same_cosine: float = 0.0  # embedding: what honest answers have at least; 0 is 0.995
    max_bytes: int = 0  # image: all bytes of a result; 0 is 48 MiB, the most is 256 MiB


@dataclass
class Capabilities:
    """What an endpoint can do beyond answering."""

    max_concurrency: int = 1  # infer calls at once, each on a thread of its own; at most 256
    progress: bool = False  # calls Progress.step
    previews: bool = False  # calls Progress.preview when asked
    cancellation: bool = False  # ends within a step of its context
    deterministic: bool = False  # the same request gives the same bytes on the same device
    max_batch: int = 0  # above 1: a Batcher that takes so many requests at once; at most 64
    batch_key: Sequence[str] = ()  # parameters, and image inputs by size, that agree within a batch


@dataclass
class Description:
    """What an endpoint takes, answers and can do: routes, checks and forms come from it."""

    endpoint: str  # its name: lower-case letters, digits, hyphens
    title: str = ""
    doc: str = ""
    version: str = ""  # the plugin's own
    inputs: Sequence[Input] = ()
    one_of: Sequence[str] = ()  # inputs of which at least one must be given
    parameters: Sequence[Parameter] = ()
    output: Output = field(default_factory=Output)
    config: Sequence[Parameter] = ()  # of the plugin's config block
    notes: Sequence[str] = ()  # what configure has found out, for `vision doctor`
    memory_bytes: int = 0  # what one process needs at most, model and one request
    capabilities: Capabilities = field(default_factory=Capabilities)


@dataclass
class Device:
    """Where the host has placed the plugin."""

    name: str
    kind: str  # "cpu" or "cuda"
    memory_bytes: int  # what this plugin may take
    threads: int  # CPU threads that it may use, at least 1


@dataclass
class Config:
    """The config block, checked: defaults filled in, paths absolute."""

    values: dict[str, Value]
    device: Device


@dataclass
class Image:
    """A picture in some encoding."""

    media_type: str
    width: int  # px
    height: int
    data: bytes


@dataclass
class Request:
    """One piece of work, which the host has checked against the description.

    What is required is there, values are in range, defaults are filled in, random values drawn.
    """

    id: str
    texts: dict[str, list[str]]
    images: dict[str, list[Image]]
    values: dict[str, Value]

    def text(self, name: str) -> str:
        """The first text of an input, or ""."""
        return next(iter(self.texts.get(name, ())), "")

    def image(self, name: str) -> Image | None:
        """The first image of an input."""
        return next(iter(self.images.get(name, ())), None)


@dataclass
class Features:
    """What stands for an image that may not be sent, so that it can still be compared."""

    hashes: dict[str, str] = field(default_factory=dict)
    embedding: Sequence[float] = ()


@dataclass
class Result:
    """The answer to one request."""

    images: Sequence[Image] = ()  # of an image output: one, unless unsafe
    embeddings: Sequence[Sequence[float]] = ()  # unit vectors: of the images, then of the texts
    values: dict[str, Value] = field(default_factory=dict)  # used, where that differs from asked
    unsafe: bool = False  # the safety check refused the image: features stand for it
    features: Features | None = None
    warnings: Sequence[str] = ()  # for the caller to read


class Context:
    """Whether somebody still waits.

    It ends when the caller has gone, the deadline has passed, or the host shuts the plugin down.
    What infer returns after that is dropped.
    """

    def __init__(self) -> None:
        self._ended = threading.Event()

    def cancel(self) -> None:
        """Ends it; the package calls this."""
        self._ended.set()

    def cancelled(self) -> bool:
        """Whether it has ended."""
        return self._ended.is_set()

    def check(self) -> None:
        """Raises Cancelled once it has ended: call it in every loop that takes long."""
        if self._ended.is_set():
            raise Cancelled("the request was cancelled")

    def wait(self, seconds: float) -> bool:
        """Sleeps, at most until it ends; returns whether it has."""
        return self._ended.wait(seconds)


class Progress(Protocol):
    """Takes what has been done of one request. May be called from any thread."""

    def step(self, done: int, total: int) -> None:
        """Reports that done of total steps are finished; done only grows."""

    def wants_preview(self) -> bool:
        """Whether the caller asked for previews."""

    def preview(self, image: Image) -> None:
        """Sends an unfinished image; dropped unless wants_preview."""


LoadProgress = Callable[[float, str], None]  # how much is loaded, 0 to 1, and what is being done


class Endpoint(ABC):
    """One kind of inference on one model.

    Life cycle: configure once, then load once, then infer any number of times, then close once;
    describe at any time. After an error from configure or load only close follows. One process,
    one endpoint, one model.

    Concurrency: infer runs on at most Capabilities.max_concurrency threads at once; further
    requests wait. configure, load and close run beside nothing but describe. Threads share
    Python's lock: they help where numpy or a framework lets go of it.

    Errors: raise one of vision_plugin's; any other exception is told to the caller as internal,
    and its traceback goes to the log. It does not end the process.

    Output: print goes to the plugin's log, as does logging, with its levels and what is extra=.
    """

    @abstractmethod
    def describe(self) -> Description:
        """Tells what the endpoint is without a model: fast, constant, without side effects."""

    def configure(self, context: Context, config: Config) -> Description:
        """Checks files and devices, without loading; the description returned holds from now on."""
        return self.describe()

    def load(self, context: Context, progress: LoadProgress) -> None:
        """Takes the model into memory and warms it up: the first infer is as fast as the others."""

    @abstractmethod
    def infer(self, context: Context, request: Request, progress: Progress) -> Result:
        """Answers one request. Must end soon after its context."""

    def close(self) -> None:
        """Ends the endpoint, after the last infer; the process exits then."""


@dataclass
class Call:
    """One request of a batch; its context ends alone."""

    context: Context
    request: Request
    progress: Progress


class Batcher(Endpoint):
    """An endpoint that declares max_batch above 1. A batch counts as one call of infer."""

    @abstractmethod
    def infer_batch(self, calls: Sequence[Call]) -> Sequence[Result | Exception]:
        """Answers each call, in order, by its result or its own error.

        When it raises, infer answers each of them: none fails for its neighbour.
        """
