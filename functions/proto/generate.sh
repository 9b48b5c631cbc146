#!/bin/sh
# Generates the Go and Python message types of every .proto file of this folder
# into the directory given (default: this folder).
# Needs protoc (Debian: protobuf-compiler).
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
out=${1:-$here}
root=$here/../..
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$root" && go build -o "$work/protoc-gen-go" google.golang.org/protobuf/cmd/protoc-gen-go)
mkdir -p "$out/python"
# Go registers files by path, so the path names this repository; Python finds modules by file name.
(cd "$root" && protoc -I . --plugin="$work/protoc-gen-go" --go_out="$work" \
  --go_opt=module=microcosm/functions/proto functions/proto/*.proto)
cp -r "$work"/*pb "$out"
protoc -I "$here" --python_out="$out/python" "$here"/*.proto
