#!/usr/bin/env bash
# The packages and the server's image from a finished build. Usage: packaging/build.sh BUILD; all of it into BUILD/packages.
set -euo pipefail
cd "$(dirname "$0")/.."
build=$(realpath "$1")
out=$build/packages
# The same bytes from the same commit.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || echo 0)
export SOURCE_DATE_EPOCH
umask 022

rm -rf "$out"
(cd "$build" && cpack -G DEB >"$build/cpack.log" 2>&1) || {
  cat "$build/cpack.log" >&2
  exit 1
}
rm -rf "$out/_CPack_Packages"
packaging/image.sh "$out"/fallow_*.deb "$out"
(cd "$out" && ls -lh ./*.deb ./*.tar | awk '{print "package: " $9 ", " $5}')
