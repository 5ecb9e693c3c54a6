#!/usr/bin/env bash
# Runs every program and script of bench/ in turn. With --json each prints one JSON document.
set -euo pipefail
cd "$(dirname "$0")/.."
for program in build/release/bench/*_bench bench/*_bench.py; do
  "$program" "$@"
done
