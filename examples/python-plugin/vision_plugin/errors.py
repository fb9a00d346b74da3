"""Errors that a caller can act on: raise one from configure, load or infer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a request."""

    param: str
    message: str


class Error(Exception):
    """An error with a code, which survives the way to whoever asked. Raise a subclass."""

    code = "internal"

    def __init__(self, message: str = "", *, param: str = "", retry_after: float = 0.0,
                 faults: tuple[Fault, ...] = ()):
        # Made what they must be here, in the author's code: the answer itself cannot fail any more.
        self.message = str(message) or self.code
        self.param = str(param)  # InvalidInput: the input or parameter
        self.retry_after = float(retry_after)  # Busy, Unavailable: seconds
        # InvalidInput: all that is wrong, when it is more than one thing
        self.faults = tuple(Fault(str(f.param), str(f.message)) for f in faults)
        super().__init__(self.message)


class InvalidInput(Error):
    """The request or the configuration is wrong: InvalidInput("steps", "is too small")."""

    code = "invalid_input"

    def __init__(self, param: str, message: str, faults: tuple[Fault, ...] = ()):
        super().__init__(message, param=param, faults=faults)


class Unsafe(Error):
    """The content is refused."""

    code = "unsafe_content"


class OutOfMemory(Error):
    """The device has no room. A MemoryError becomes one by itself."""

    code = "out_of_memory"


class Cancelled(Error):
    """The caller has gone. Context.check raises it."""

    code = "cancelled"


class Deadline(Error):
    """The time is over."""

    code = "deadline_exceeded"


class Busy(Error):
    """Not now; retry_after says when to come again."""

    code = "busy"


class Unavailable(Error):
    """What the plugin needs is gone; retry_after says when to come again."""

    code = "unavailable"


class Internal(Error):
    """A fault of the plugin."""


def as_error(exception: BaseException) -> Error:
    """Gives any exception a code."""
    if isinstance(exception, Error):
        return exception
    text = f"{type(exception).__name__}: {exception}".removesuffix(": ")
    if isinstance(exception, MemoryError):
        return OutOfMemory(text)
    return Internal(text)
