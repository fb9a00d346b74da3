#!/bin/sh
# The tests: everything that proves the product, with the race detector. What this machine lacks for some of them is listed at the end.
set -eu
CGO_ENABLED=0 go build -o /dev/null ./host/cmd/vision
exec go tool -modfile=.tools/go.mod gotestsum --format pkgname -- -race -shuffle=on -timeout 14m ./...
