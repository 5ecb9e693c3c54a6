#!/usr/bin/env bash
# Installs what the build and the tests need from Debian 12's own packages, and nothing else.
# Does nothing, and needs no rights, when all of it is there. `make deps` runs it.
#
#   --tools    also what formatting and tidying need, and sqlite3 to look into a log
#   --images   also skopeo and umoci, which bring OCI images, and docker-registry for their tests; agents and
#              tests do without them where they are not there, and say so
#   --gvisor   also gVisor's runsc, of bookworm-backports, without adding that to the machine's sources;
#              tests and agents do without it where it is not there, and say so
#   --microvm  also qemu and, unless the machine's own will do, a kernel for virtual machines, unpacked below
#              /usr/local/lib/fallow/guest and not installed; tests and agents do without, and say so
#   --package  also what makes .deb packages and the server's image, and the system that they are tried in
#   --site     also mkdocs, which makes the documents a site
set -euo pipefail

packages=(
  # compiler, linker, build
  clang-19 libclang-rt-19-dev libstdc++-12-dev libc6-dev make cmake ninja-build ccache lld pkg-config git
  # libraries
  libboost1.81-dev libssl-dev protobuf-compiler libprotobuf-dev libsqlite3-dev libsodium-dev
  libfmt-dev libexpected-dev libspdlog-dev libcli11-dev libtomlplusplus-dev prometheus-cpp-dev
  libabsl-dev libjemalloc-dev libssh-dev zlib1g-dev libarchive-dev libsystemd-dev libyaml-cpp-dev libpng-dev libtinyobjloader-dev
  # OpenCL: loader, headers, and PoCL so that a machine without a GPU can run the demo
  ocl-icd-libopencl1 ocl-icd-opencl-dev opencl-headers pocl-opencl-icd
  # sandbox, tests
  bubblewrap runc nftables iproute2 libseccomp-dev libgtest-dev libgmock-dev librapidcheck-dev libbenchmark-dev python3 ca-certificates
  curl procps
  # the Python SDK
  python3-h11 python3-wsproto python3-cloudpickle python3-cryptography python3-nacl python3-numpy python3-venv
  # the charts of `fallow sim ... --plot`
  gnuplot-nox
)
# Format and tidy; `make check`, `tidy`, `format` ask for them with --tools.
if [[ "${1:-}" == "--tools" ]]; then
  packages+=(clang-tidy-14 clang-format-14 sqlite3)
fi

if [[ "${1:-}" == "--images" ]]; then
  packages+=(skopeo umoci docker-registry)
fi

# The console: `make web`. A Node.js of one's own, 18 or newer and with npm, will do as well.
if [[ "${1:-}" == "--web" || "${1:-}" == "--browse" ]]; then
  if ! node -e 'process.exit(parseInt(process.versions.node) >= 18 ? 0 : 1)' 2>/dev/null || ! command -v npm >/dev/null; then
    packages+=(nodejs npm)
  fi
fi
# Journeys through it in a real browser, and their pictures: `make browse`.
if [[ "${1:-}" == "--browse" ]]; then
  packages+=(chromium pngquant fonts-dejavu-core)
fi

if [[ "${1:-}" == "--package" ]]; then
  packages+=(dpkg-dev mmdebstrap debian-archive-keyring skopeo umoci)
fi
if [[ "${1:-}" == "--site" ]]; then
  packages+=(mkdocs mkdocs-material)
fi

if [[ "${1:-}" == "--gvisor" ]]; then
  command -v runsc >/dev/null && exit 0
  [[ $EUID -eq 0 ]] || { echo "deps: installing runsc needs root" >&2; exit 1; }
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  chmod 755 "$folder"
  mkdir -p "$folder"/lists/partial "$folder"/cache/archives/partial
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian bookworm-backports main" >"$folder/sources.list"
  options=(-qq -o "Dir::Etc::sourcelist=$folder/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::lists=$folder/lists" -o "Dir::Cache=$folder/cache")
  apt-get "${options[@]}" update
  DEBIAN_FRONTEND=noninteractive apt-get "${options[@]}" install -y --no-install-recommends -t bookworm-backports runsc
  exit 0
fi

if [[ "${1:-}" == "--microvm" ]]; then
  guest=/usr/local/lib/fallow/guest
  has_kernel() { compgen -G "$1/boot/vmlinuz-*" >/dev/null && compgen -G "$1/lib/modules/*/kernel/net/9p/9pnet_virtio.ko" >/dev/null; }
  command -v qemu-system-x86_64 >/dev/null && { has_kernel "" || has_kernel "$guest"; } && exit 0
  [[ $EUID -eq 0 ]] || { echo "deps: installing qemu and a kernel for it needs root" >&2; exit 1; }
  apt-get update -qq
  command -v qemu-system-x86_64 >/dev/null ||
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends qemu-system-x86
  { has_kernel "" || has_kernel "$guest"; } && exit 0
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  package=$(apt-cache depends linux-image-amd64 | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -1)
  [[ -n "$package" ]] || { echo "deps: apt knows no linux-image-amd64" >&2; exit 1; }
  (cd "$folder" && apt-get -qq -o APT::Sandbox::User=root download "$package")
  mkdir -p "$guest"
  dpkg-deb --fsys-tarfile "$folder"/*.deb | tar -x -C "$guest" --wildcards './boot/vmlinuz-*' \
    './lib/modules/*/modules.builtin' '*/drivers/virtio/*' '*/virtio_console.ko' '*/9p/*' '*/netfs/*' '*/fscache/*'
  exit 0
fi

missing=()
for package in "${packages[@]}"; do
  state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [[ "$state" == installed ]] || missing+=("$package")
done
[[ ${#missing[@]} -eq 0 ]] && exit 0

sudo=()
if [[ $EUID -ne 0 ]]; then
  command -v sudo >/dev/null || {
    echo "deps: these packages are missing and need root to install: ${missing[*]}" >&2
    echo "deps: run as root:  apt-get install ${missing[*]}" >&2
    exit 1
  }
  sudo=(sudo)
fi
echo "deps: installing ${missing[*]}"
"${sudo[@]}" apt-get update -qq
"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" \
  >/tmp/fallow-deps.$$.log 2>&1 || {
    cat /tmp/fallow-deps.$$.log >&2
    echo "deps: apt-get could not install them; the lines above say why" >&2
    exit 1
  }
rm -f /tmp/fallow-deps.$$.log
