#!/usr/bin/env bash
# go.mod and go.sum of every module are exactly what `go mod tidy` makes of them.
set -euo pipefail
cd "$(dirname "$0")/.."
failed=0
while read -r mod; do
	dir=$(dirname "$mod")
	if ! out=$(cd "$dir" && go mod tidy -diff 2>&1); then
		echo "$dir: go.mod or go.sum is not tidy; run 'go mod tidy' there:"
		head -n 40 <<<"$out"
		failed=1
	fi
done < <(git ls-files 'go.mod' '*/go.mod')
exit $failed
