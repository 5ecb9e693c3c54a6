#!/usr/bin/env bash
# The server's OCI image: the package's files and the libraries that it depends on, and nothing else: no shell, no
# package manager. Usage: packaging/image.sh FALLOW.deb FOLDER; writes FOLDER/fallow-VERSION.oci.tar.
set -euo pipefail
deb=$(realpath "$1")
out=$(realpath "$2")
version=$(dpkg-deb -f "$deb" Version)
image=fallow:${version%-*}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mirror="deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian"
depends=$(dpkg-deb -f "$deb" Depends | sed -E 's/ *\([^)]*\)//g; s/ *\|[^,]*//g; s/ //g')
mode=unshare
[[ $EUID -eq 0 ]] && mode=root
mmdebstrap --quiet --mode=$mode --variant=extract --include="$depends" bookworm "$work/root.tar" \
  "$mirror bookworm main" "$mirror-security bookworm-security main"
mkdir "$work/root"
tar -xf "$work/root.tar" -C "$work/root" --exclude=./dev
root=$work/root
# Certificate authorities, as the package's own script would join them.
mkdir -p "$root/etc/ssl/certs"
cat "$root"/usr/share/ca-certificates/mozilla/*.crt >"$root/etc/ssl/certs/ca-certificates.crt"
dpkg-deb -x "$deb" "$root"
# What a server has no use for.
rm -rf "$root"/usr/share/{doc,man,locale,info,lintian,bash-completion,zsh,fish,perl5} "$root"/var/{cache,lib/{apt,dpkg},log} \
  "$root"/usr/share/perl "$root"/usr/lib/*/perl* "$root"/usr/bin/perl* "$root"/usr/lib/*/gconv
printf 'root:x:0:0:root:/:/nonexistent\nfallow:x:65532:65532:Fallow:/var/lib/fallow:/nonexistent\n' >"$root/etc/passwd"
printf 'root:x:0:\nfallow:x:65532:\n' >"$root/etc/group"
mkdir -p "$root/tmp" "$root/var/lib/fallow"
chmod 1777 "$root/tmp"
chown 65532:65532 "$root/var/lib/fallow" 2>/dev/null || true

layout=$work/layout
umoci init --layout "$layout"
umoci new --image "$layout:$image"
umoci insert --image "$layout:$image" "$root" /
umoci config --image "$layout:$image" --config.user 65532:65532 --config.workingdir /var/lib/fallow \
  --config.entrypoint /usr/bin/fallow --config.cmd server --config.cmd=--data --config.cmd=/var/lib/fallow \
  --config.cmd=--listen --config.cmd=0.0.0.0:8470 --config.exposedports 8470/tcp --config.volume /var/lib/fallow \
  --config.label "org.opencontainers.image.version=${version%-*}" --config.label "org.opencontainers.image.licenses=Apache-2.0"
umoci gc --layout "$layout"
skopeo copy --quiet "oci:$layout:$image" "oci-archive:$out/fallow-${version%-*}.oci.tar:$image"
