#!/usr/bin/env bash
# Format, layers, generated files, and clang-tidy. Usage: tools/check.sh changed [BASE] | all
#
# `changed` tidies what differs from BASE (default: the commit before this one, and what is not
# committed); `all` tidies every file.
set -euo pipefail
cd "$(dirname "$0")/.."
scope=$1
base=${2:-}

cpp() { git ls-files --cached --others --exclude-standard -- 'src/*.h' 'src/*.cc' 'examples/*.h' 'examples/*.cc' 'fuzz/*.cc' 'bench/*.h' 'bench/*.cc' 'tests/*.cc'; }

echo "check: format"
cpp | xargs -r clang-format-14 --dry-run -Werror || {
  echo "check: run 'make format'" >&2
  exit 1
}

echo "check: functions that threads must not share"
if git grep -nE '\b(localtime|gmtime|ctime|asctime|strtok|rand|srand|tmpnam|inet_ntoa|gethostby[a-z]+|getpw[a-z]+|getgr[a-z]+|setlocale|ttyname|getlogin)\(' -- 'src/*.cc' 'src/*.h' ':!src/*_test.cc' ':!src/*_test.h'; then
  echo "check: these are shared by all threads; take the one that ends in _r" >&2
  exit 1
fi

echo "check: layers"
tools/check_layers.py

echo "check: generated files"
build/release/src/fallow openapi | diff -q - docs/openapi.json >/dev/null || {
  echo "check: docs/openapi.json is not what the schema says; run: build/release/src/fallow openapi > docs/openapi.json" >&2
  exit 1
}

build/release/src/fallow validate --schema | diff -q - docs/job.schema.json >/dev/null || {
  echo "check: docs/job.schema.json is not what job files hold; run: build/release/src/fallow validate --schema > docs/job.schema.json" >&2
  exit 1
}
python3 sdk/python/tools/generate_models.py --check
if [[ -x web/node_modules/.bin/openapi-typescript ]]; then
  (cd web && npm run -s generated >/dev/null 2>&1) || {
    echo "check: sdk/typescript/src/schema.d.ts is not what docs/openapi.json says; run: cd web && npm run generate" >&2
    exit 1
  }
else
  echo "check: SKIPPED the TypeScript client: its generator is not installed; 'make web' installs it"
fi

# What the compiler precompiled clang-tidy cannot read; what the build generates lies in its folder.
tidy=build/tidy-$scope
configure() {
  cmake -S . -B "$tidy" -G Ninja -DCMAKE_C_COMPILER=clang-19 -DCMAKE_CXX_COMPILER=clang++-19 -DCMAKE_BUILD_TYPE=Release -DFALLOW_PRECOMPILE=OFF -DFALLOW_JOINED="$1" >/dev/null
  sed -i -E "s#(-I|-isystem )$PWD/$tidy/#\1$PWD/build/release/#g" "$tidy/compile_commands.json"
}
if [[ "$scope" == all ]]; then
  # Joined: headers are most of the time (docs/measurements.md has it for eight). The joining files' own includes are meant.
  configure 8
  mapfile -t files < <(sed -n 's/^ *"file": "\(.*\)"$/\1/p' "$tidy/compile_commands.json" | grep -v '/proto/gen/')
  options=(--checks=-bugprone-suspicious-include "--header-filter=$PWD/(src|examples|bench|tests)/.*\.(h|cc)$")
else
  # Each file by itself: so it is also seen to include what it uses.
  [[ -n "$base" ]] || base=$(git rev-parse -q --verify HEAD~1 || git hash-object -t tree /dev/null)
  mapfile -t files < <({ git diff --name-only --diff-filter=d "$base"; git ls-files --others --exclude-standard; } \
    | sort -u | grep '^src/.*\.cc$' || true)
  options=()
  # Nothing else compiles the fuzz programs between one `make fuzz` and the next.
  if git diff --name-only "$base" | grep '^src/.*\.h$\|^fuzz/' >/dev/null; then
    echo "check: fuzz programs compile"
    printf '%s\n' fuzz/*_fuzz.cc | xargs -P "$(nproc)" -n 1 clang++-19 -std=c++20 -fsyntax-only -Isrc -isystem build/release/proto/gen -DBOOST_ASIO_SEPARATE_COMPILATION
  fi
fi
echo "check: tidy on ${#files[@]} files"
[[ ${#files[@]} -eq 0 ]] && exit 0
[[ "$scope" == all ]] || configure 0
printf '%s\n' "${files[@]}" | xargs -P "$(nproc)" -n 1 clang-tidy-14 -p "$tidy" --quiet "${options[@]}" 2>/dev/null
