#!/usr/bin/env bash
# Runs every program of bench/ in turn. With --json each prints one JSON document.
set -euo pipefail
cd "$(dirname "$0")/.."
for program in build/release/bench/*_bench; do
  "$program" "$@"
done
