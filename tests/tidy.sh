#!/usr/bin/env bash
# Tidies go.mod and go.sum of this module, or with -diff sees that they are.
# go mod tidy looks at one module and not at go.work, so that it would ask the proxy
# for the root module, in a version that there is not.
set -euo pipefail
cd "$(dirname "$0")"
root=github.com/pipeproc/pipeproc
above=$(cd .. && pwd) # a path with .. in it is another folder to go mod tidy
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cp go.mod go.sum "$tmp"
go mod edit -replace="$root=$above" "$tmp/go.mod"
GOWORK=off go mod tidy -modfile="$tmp/go.mod" "$@"
go mod edit -dropreplace="$root" "$tmp/go.mod"
cp "$tmp/go.mod" "$tmp/go.sum" .
