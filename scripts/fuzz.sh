#!/usr/bin/env bash
# Every fuzz target for a while: fuzz.sh PER-TARGET TOTAL-SECONDS (0: no total). When the
# total runs out, the targets that had no turn are named; where to start changes by day,
# so that over time each has one. A package is built once for all its targets.
set -euo pipefail
cd "$(dirname "$0")/.."
each=$1 total=$2 root=$PWD
mapfile -t targets < <(git ls-files '*_test.go' | xargs grep -HoE '^func Fuzz[A-Za-z0-9_]+' | sed -E 's/^(.*)\/[^\/]+:func /\1 /' | sort -u)
n=${#targets[@]}
[[ $n -gt 0 ]] || { echo "no fuzz targets"; exit 0; }
mkdir -p .cache/fuzz
first=$(($(date -u +%j | sed 's/^0*//') * 5 % n))
declare -A built
missed=()
for ((i = 0; i < n; i++)); do
	read -r dir name <<<"${targets[(first + i) % n]}"
	if [[ $total -gt 0 && $SECONDS -gt $total ]]; then
		missed+=("$dir.$name")
		continue
	fi
	binary=$root/.cache/fuzz/${dir//\//_}.test
	if [[ -z ${built[$dir]:-} ]]; then
		go test -c -fuzz . -o "$binary" "./$dir"
		built[$dir]=yes
	fi
	echo "fuzz $dir $name"
	(cd "$dir" && "$binary" -test.run '^$' -test.fuzz "^$name\$" -test.fuzztime "$each" -test.fuzzcachedir "$root/.cache/fuzz/corpus") >.cache/fuzz.log 2>&1 || {
		cat .cache/fuzz.log
		exit 1
	}
done
echo "fuzzed $((n - ${#missed[@]})) of $n targets"
[[ ${#missed[@]} -eq 0 ]] || echo "NOTICE: $total s are over; without a turn today: ${missed[*]}"
