#!/bin/sh
# The tests, and what a machine lacks for some of them.
set -eu
race=-race
echo 'package main
import "C"
func main() {}' >"${TMPDIR:-/tmp}/vision-cgo-$$.go"
go build -race -o /dev/null "${TMPDIR:-/tmp}/vision-cgo-$$.go" 2>/dev/null || {
	race=
	echo "skipped: the race detector, for want of a C compiler"
}
rm -f "${TMPDIR:-/tmp}/vision-cgo-$$.go"
CGO_ENABLED=0 go build -o /dev/null ./host/cmd/vision
exec go test $race -shuffle=on -timeout 14m ./...
