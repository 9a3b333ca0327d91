#!/usr/bin/env bash
# Runs one step of `make test`, says how long it took, and keeps the figure for the
# summary: step.sh NAME COMMAND... | step.sh --summary
set -euo pipefail
cd "$(dirname "$0")/.."
times=.cache/steps.tsv
mkdir -p .cache
if [[ $1 == --summary ]]; then
	echo "== all steps passed =="
	expand -t 16 <"$times"
	exit
fi
name=$1
shift
[[ $name != build ]] || : >"$times"
echo "== $name"
start=$SECONDS
"$@"
printf '%s\t%d s\n' "$name" $((SECONDS - start)) >>"$times"
