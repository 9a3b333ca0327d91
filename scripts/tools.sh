#!/usr/bin/env bash
# Builds the linters that tools/lint and tools/actionlint pin into .cache/bin, unless they are there from
# the same pins and the same Go.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$PWD/.cache/bin
stamp=$bin/.stamp
want=$(cat tools/lint/go.mod tools/lint/go.sum tools/actionlint/go.mod tools/actionlint/go.sum | sha256sum | cut -c1-64)-$(go env GOVERSION)
if [[ -f $stamp && $(<"$stamp") == "$want" ]]; then
	exit 0
fi
echo "building the linters (once; about two minutes)"
mkdir -p "$bin"
for module in lint actionlint; do
	CGO_ENABLED=0 go build -C "tools/$module" -trimpath -ldflags='-s -w' -o "$bin/" tool
done
echo "$want" >"$stamp"
