#!/bin/sh
# Renews the generated code of the protocol; with --check only reports whether it is stale.
set -eu
cd "$(dirname "$0")/.."
command -v protoc >/dev/null || {
	echo "generate: skipped, protoc is not installed (Debian: protobuf-compiler)"
	[ "${1:-}" = --check ] && exit 0
	exit 1
}
tools=$PWD/bin/tools
mkdir -p "$tools"
go build -C .tools -o "$tools/" google.golang.org/grpc/cmd/protoc-gen-go-grpc google.golang.org/protobuf/cmd/protoc-gen-go
out=.
[ "${1:-}" = --check ] && out=$(mktemp -d)
PATH=$tools:$PATH protoc -I sdk/internal/proto --go_out="$out" --go_opt=module=github.com/vision19/vision \
	--go-grpc_out="$out" --go-grpc_opt=module=github.com/vision19/vision sdk/internal/proto/v1/plugin.proto
if [ "${1:-}" = --check ]; then
	for file in plugin.pb.go plugin_grpc.pb.go; do
		# The header names the version of protoc, which is the machine's.
		grep -v '^// [-	 ]*protoc' "sdk/internal/proto/v1/$file" >"$out/have"
		grep -v '^// [-	 ]*protoc' "$out/sdk/internal/proto/v1/$file" | cmp -s - "$out/have" || {
			echo "generate: sdk/internal/proto/v1/$file is stale; run make generate"
			exit 1
		}
	done
	rm -rf "$out"
fi
[ "${1:-}" = --check ] || examples/python-plugin/generate.sh
