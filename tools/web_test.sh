#!/usr/bin/env bash
# Checks, tests and builds the console (web/). Usage: tools/web_test.sh [build]
#
# `build` (what `make web` runs) fails where the console cannot be built. Without it, as ctest runs
# it, a machine without Node.js or without a way to npm's registry says so and exits with 77, which
# ctest shows as skipped, by name: nothing of the market itself needs them.
set -euo pipefail
cd "$(dirname "$0")/../web"
mode=${1:-test}

cannot() {
  echo "web: $1" >&2
  [[ "$mode" == build ]] && exit 1
  echo "web: SKIPPED: the console's own tests did not run" >&2
  exit 77
}

major=$(node --version 2>/dev/null | sed -E 's/^v([0-9]+)\..*/\1/' || true)
[[ -n "$major" && "$major" -ge 18 ]] || cannot "Node.js 18 or newer is needed; on Debian 12: apt-get install nodejs npm"
command -v npm >/dev/null || cannot "npm is needed; on Debian 12: apt-get install npm"

# Packages are installed as the lock file names them, and again when it changes.
stamp=node_modules/.installed
if ! cmp -s package-lock.json "$stamp"; then
  log=$(mktemp)
  if ! npm ci --no-audit --no-fund --fetch-retries=1 --fetch-timeout=30000 >"$log" 2>&1; then
    # A registry fails in many ways: by itself, through proxies and mirrors. What is ours to mend are
    # a lock file that does not fit and packages that are not what it names.
    if ! grep -qE 'EUSAGE|EINTEGRITY|EJSONPARSE|ERESOLVE' "$log"; then
      tail -3 "$log" >&2
      rm -f "$log"
      cannot "npm's registry did not serve the packages, and they are not installed yet"
    fi
    cat "$log" >&2
    rm -f "$log"
    echo "web: npm could not install the packages; the lines above say why" >&2
    exit 1
  fi
  rm -f "$log"
  cp package-lock.json "$stamp"
fi

npm run -s test
npm run -s build
echo "web: built in web/dist"
