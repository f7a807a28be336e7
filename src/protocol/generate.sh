#!/bin/sh
# Writes the generated code from proto/ into generated/ (or the directory given). Needs only the npm packages: no
# network, no protoc.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
bin=$(cd "$here/../../node_modules/.bin" && pwd)
out=${1:-$here}
mkdir -p "$out"
out=$(cd "$out" && pwd)
cd "$here"
rm -rf "$out/generated"
PATH="$bin:$PATH" buf generate --template buf.gen.yaml --output "$out"
