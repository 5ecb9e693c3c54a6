#!/bin/sh
# What the program says of itself, for its package. Usage: write_files.sh FALLOW FOLDER
set -eu
fallow=$1
folder=$2
mkdir -p "$folder"
"$fallow" manual --out "$folder/man1"
gzip -9n "$folder"/man1/*.1
for shell in bash zsh fish; do "$fallow" completion "$shell" >"$folder/fallow.$shell"; done
"$fallow" agent install --print --program /usr/bin/fallow >"$folder/fallow-agent.service"
