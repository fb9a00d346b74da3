#!/bin/sh
# Starts the host, asks it for one picture and stops it again.
set -eu
state=$1
mkdir -p "$state"
bin/vision run --state "$state" --listen 127.0.0.1:0 >"$state/run.log" 2>&1 &
host=$!
trap 'kill $host 2>/dev/null; wait $host 2>/dev/null || true' EXIT
echo "starting the host on plugins.hcl (log: $state/run.log)"
until bin/vision ps --state "$state" --json 2>/dev/null | grep -q '"state":"ready"'; do
	kill -0 $host 2>/dev/null || {
		cat "$state/run.log" >&2
		exit 1
	}
	sleep 0.1
done
bin/vision ps --state "$state"
echo '"a red circle on a blue background"'
bin/vision generate text-to-image --state "$state" --prompt "a red circle on a blue background" --seed 7 --output bin/demo.png
