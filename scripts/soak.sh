#!/usr/bin/env bash
# The long tests: soak.sh SEEDS. First 10,000 seeded runs of the log under crashes, lost
# answers, duplicates, delays, partitions and region loss; then drills: SEEDS of each kind
# of loss, on the hospital's database, on a real one, and with both stores on Azurite and
# encrypted. Takes hours; seeds are printed.
set -euo pipefail
cd "$(dirname "$0")/.."
seeds=${1:-20}
go test ./eventlog -run '^TestSoak$' -soak "${RUNS:-10000}" -timeout 6h -count=1 -v
go build -o .cache/bin/lifeboat ./cmd/lifeboat
chinook=../shared/data/chinook.sqlite
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
for ((seed = 1; seed <= seeds; seed++)); do
	for lose in primary agent mirror-link; do
		for source in "" "$chinook"; do
			[[ -z $source || -f $source ]] || continue
			echo "drill --lose $lose --seed $seed ${source:+--source $source}"
			rm -rf "$dir/d"
			.cache/bin/lifeboat drill --dir "$dir/d" --lose "$lose" --seed "$seed" --duration "${DURATION:-5s}" \
				${source:+--source "$source"} >"$dir/log" 2>&1 || {
				cat "$dir/log"
				exit 1
			}
		done
	done
done
go test ./cmd/lifeboat -run '^TestDrillOnAzure$' -azure-seeds "$seeds" -timeout 6h -count=1 -v
echo "soak: all passed"
