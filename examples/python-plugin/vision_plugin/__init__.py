"""A Vision plugin in Python: subclass Endpoint and call serve."""

from .endpoint import (
    JPEG, PNG, RAW_RGB, WEBP, Batcher, Call, Capabilities, Config, Context, Description, Device,
    Endpoint, Extent, Features, Image, Input, LoadProgress, Output, Parameter, Progress, Request,
    Result, Sampling, Value,
)
from .errors import (
    Busy, Cancelled, Deadline, Error, Fault, Internal, InvalidInput, OutOfMemory, Unavailable,
    Unsafe,
)
from .png import encode_png
from .serve import serve
from .service import VERSION

__all__ = [
    "JPEG", "PNG", "RAW_RGB", "VERSION", "WEBP", "Batcher", "Busy", "Call", "Cancelled",
    "Capabilities", "Config", "Context", "Deadline", "Description", "Device", "Endpoint", "Error",
    "Extent", "Fault", "Features", "Image", "Input", "Internal", "InvalidInput", "LoadProgress",
    "OutOfMemory", "Output", "Parameter", "Progress", "Request", "Result", "Sampling",
    "Unavailable", "Unsafe", "Value", "encode_png", "serve",
]
