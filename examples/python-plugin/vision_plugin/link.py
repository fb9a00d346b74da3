"""What both ends of the connection agree on: the numbers of the Go package sdk/internal/link."""

MAJOR = 1  # of vision.plugin.v1, negotiated in the handshake
MINOR = 2  # counts the additions within the major
SERVICE = "vision.plugin.v1.Plugin"

# The cookie makes a plugin that is started by hand say so. It is no secret.
COOKIE_KEY = "VISION_PLUGIN"
COOKIE_VALUE = "a1f0c6a9-vision-plugin"

ENV_SLOTS_FD = "VISION_SLOTS_FD"  # descriptor of the shared memory
ENV_SLOTS_SIZE = "VISION_SLOTS_SIZE"  # its bytes
ENV_PARENT = "VISION_PARENT"  # the host's process id
ENV_SOURCE = "VISION_PLUGIN_SOURCE"  # the folder of the executable that the host has copied

MESSAGE_LIMIT = 64 << 20  # bytes of one message, both ways; a larger one ends the stream
PAYLOAD_LIMIT = MESSAGE_LIMIT - (1 << 20)  # bytes of one event, with room for its envelope
CHUNK_SIZE = 512 << 10  # bytes of a result in one message: other requests' events get in between
BATCH_SIZE = 1 << 20  # bytes of events that go into one message, unless one alone has more
TEXT_LIMIT = 4096  # characters of an error's text: the host cuts it there
MAX_ACTIVE = 4096  # requests under way at once, waiting ones among them
