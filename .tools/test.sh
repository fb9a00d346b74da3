#!/bin/sh
# The tests: everything that proves the product, with the race detector. What this machine lacks for some of them is listed at the end.
set -eu
CGO_ENABLED=0 go build -o /dev/null ./host/cmd/vision
(cd examples/go-plugin && go vet ./... && go test -race -timeout 5m ./...) # a module of its own
exec go tool -modfile=.tools/go.mod gotestsum --format pkgname -- -race -shuffle=on -timeout 14m ./...
