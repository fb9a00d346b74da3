#!/bin/sh
# Renews vision_plugin/plugin_pb2.py from the protocol; a test compares the two. Needs protoc 3.20 or newer (Debian: protobuf-compiler).
set -eu
cd "$(dirname "$0")"
protoc -I ../../sdk/internal/proto/v1 --python_out=vision_plugin plugin.proto
