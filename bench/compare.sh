#!/usr/bin/env bash
# Compares the benchmarks of the working tree with those of a commit:
#   bench/compare.sh REF [PACKAGES]
# runs both in turn, several times, and prints benchstat's table.
set -euo pipefail
ref=${1:?usage: bench/compare.sh REF [PACKAGES]}
pkgs=${2:-work} # those of every module in go.work
cd "$(dirname "$0")/.."
old=$(mktemp -d)
trap 'git worktree remove --force "$old" >/dev/null 2>&1 || true; rm -rf "$old"' EXIT
git worktree add --detach "$old" "$ref" >/dev/null
for i in 1 2 3 4 5; do
  (cd "$old" && go test -run '^$' -bench . -benchmem -benchtime 0.5s $pkgs) >>"$old/old.txt"
  go test -run '^$' -bench . -benchmem -benchtime 0.5s $pkgs >>"$old/new.txt"
done
go run golang.org/x/perf/cmd/benchstat@latest "$old/old.txt" "$old/new.txt"
