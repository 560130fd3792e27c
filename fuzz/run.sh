#!/usr/bin/env bash
# Fuzzes every target in turn: fuzz/run.sh [TIME]. They are in this folder, but for
# those of decoders that their package does not export.
# An input that fails is written to testdata/fuzz and ends the run.
set -euo pipefail
time=${1:-10s}
cd "$(dirname "$0")/.."
for pkg in $(grep -rl '^func Fuzz' --include='*_test.go' . | xargs -n1 dirname | sort -u); do
for t in $(go test "$pkg" -list '^Fuzz' | grep '^Fuzz'); do
  if out=$(go test "$pkg" -run '^$' -fuzz "^$t\$" -fuzztime "$time" -fuzzminimizetime 1s 2>&1); then
    echo "$pkg $t: $(grep -oE 'execs: [0-9]+' <<<"$out" | tail -1), no failure"
  elif grep -q 'context deadline exceeded' <<<"$out" && ! grep -q 'Failing input' <<<"$out"; then
    # The fuzzer was interrupted by its own deadline: no
    # input has failed.
    echo "$pkg $t: $(grep -oE 'execs: [0-9]+' <<<"$out" | tail -1), no failure (ended by its deadline)"
  else
    echo "$out"
    exit 1
  fi
done
done
