#!/bin/sh
# Fetches ONNX Runtime's library, once, into the user's cache folder: Microsoft's own build, from the npm package onnxruntime-node.
set -eu
version=1.27.0
package_digest=c3779c01c59832f8c03e2c392ac3af10bf08579f1822e8b1c63cc451edb302a2
case "$(uname -s)/$(uname -m)" in
Linux/x86_64) file=linux/x64/libonnxruntime.so.1 name=libonnxruntime.so digest=d8aff4aa8abee8fb2abb2f2f2459ffc94461e781e41b9f7c072829dd0d470221 cache=${XDG_CACHE_HOME:-$HOME/.cache} ;;
Linux/aarch64) file=linux/arm64/libonnxruntime.so.1 name=libonnxruntime.so digest=c36bc200e7e6c093b8abb0b34590fbdd8c52fd3fb5e33795b9523ffdde2fce0f cache=${XDG_CACHE_HOME:-$HOME/.cache} ;;
Darwin/arm64) file=darwin/arm64/libonnxruntime.1.27.0.dylib name=libonnxruntime.dylib digest=89f692a3a1a224e4ad0b796b0e7c0bd81113b0741bfe84211eceef14d05a9e59 cache=$HOME/Library/Caches ;;
*)
	echo "onnxruntime: no build for $(uname -s)/$(uname -m); set ONNXRUNTIME_LIB to a libonnxruntime of version 1.24 or newer" >&2
	exit 1
	;;
esac
target=$cache/vision/onnxruntime-$version
sha256() { if command -v sha256sum >/dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d ' ' -f 1; }
if [ -n "${ONNXRUNTIME_LIB:-}" ] || { [ -f "$target/$name" ] && [ "$(sha256 "$target/$name")" = "$digest" ]; }; then
	exit 0
fi
command -v npm >/dev/null || {
	echo "onnxruntime: npm is needed to fetch onnxruntime-node@$version; install Node.js, or set ONNXRUNTIME_LIB" >&2
	exit 1
}
echo "onnxruntime: fetching onnxruntime-node@$version (100 MB, once) into $target"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$work" && npm pack --silent "onnxruntime-node@$version" >/dev/null)
package=$work/onnxruntime-node-$version.tgz
[ "$(sha256 "$package")" = "$package_digest" ] || {
	echo "onnxruntime: the package has another digest than $package_digest" >&2
	exit 1
}
tar -xzf "$package" -C "$work" "package/bin/napi-v6/$file"
library=$work/package/bin/napi-v6/$file
[ "$(sha256 "$library")" = "$digest" ] || {
	echo "onnxruntime: the library has another digest than $digest" >&2
	exit 1
}
mkdir -p "$target"
mv "$library" "$target/$name.new"
mv "$target/$name.new" "$target/$name"
