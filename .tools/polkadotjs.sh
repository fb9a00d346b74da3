#!/bin/sh
# Installs polkadot.js, once, into the user's cache folder, as the lock file of chain/devnet/testdata/polkadotjs pins it, puts the scripts beside it, and prints the folder.
set -eu
source=$(cd "$(dirname "$0")/.." && pwd)/chain/devnet/testdata/polkadotjs
target=${XDG_CACHE_HOME:-$HOME/.cache}/vision/polkadotjs-$(cksum <"$source/package-lock.json" | cut -d ' ' -f 1)
if [ ! -d "$target/node_modules" ]; then
	command -v npm >/dev/null || {
		echo "polkadotjs: npm is needed to fetch @polkadot/api; install Node.js" >&2
		exit 1
	}
	mkdir -p "$(dirname "$target")"
	work=$(mktemp -d "$target.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	cp "$source/package.json" "$source/package-lock.json" "$work"
	(cd "$work" && npm ci --ignore-scripts --no-audit --no-fund --prefer-offline --silent >&2)
	mv -T "$work" "$target" 2>/dev/null || [ -d "$target/node_modules" ] # another run was faster
fi
cp "$source"/*.mjs "$target"
echo "$target"
