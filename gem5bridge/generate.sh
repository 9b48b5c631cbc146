#!/bin/sh
# Generates the Go code of bridge.proto into the directory given (default:
# bridgepb beside this script).
# Needs protoc (Debian: protobuf-compiler); fetches protoc-gen-go-grpc of the
# version named here unless it is on the PATH.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
out=${1:-$here/bridgepb}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$here"
go build -o "$work/protoc-gen-go" google.golang.org/protobuf/cmd/protoc-gen-go
grpc=$(command -v protoc-gen-go-grpc) || {
	GOBIN=$work go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2
	grpc=$work/protoc-gen-go-grpc
}
protoc --plugin="$work/protoc-gen-go" --plugin="$grpc" \
	--go_out="$out" --go_opt=paths=source_relative \
	--go-grpc_out="$out" --go-grpc_opt=paths=source_relative bridge.proto
