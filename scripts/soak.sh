#!/usr/bin/env bash
# The long tests: soak.sh SEEDS. Takes an hour or so; every seed is printed.
set -euo pipefail
cd "$(dirname "$0")/.."
seeds=${1:-20}
LIFEBOAT_SOAK=1 go test -timeout 6h -count=1 -run Soak -v ./...
go build -o .cache/bin/lifeboat ./cmd/lifeboat
chinook=../shared/data/chinook.sqlite
for lose in primary agent mirror-link; do
	for ((seed = 1; seed <= seeds; seed++)); do
		for source in "" "$chinook"; do
			[[ -z $source || -f $source ]] || continue
			echo "drill --lose $lose --seed $seed ${source:+--source $source}"
			.cache/bin/lifeboat drill --lose "$lose" --seed "$seed" --duration 5s ${source:+--source "$source"} >.cache/soak.log 2>&1 || {
				cat .cache/soak.log
				exit 1
			}
		done
	done
done
echo "soak: all passed"
