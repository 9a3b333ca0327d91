#!/usr/bin/env bash
# The tests of the whole module: unit.sh [-race] [go test flags]. Prints go test's own
# lines; then every skipped test with its reason. A skip that .ci/skips.txt does not
# allow is a failure: a test that does not run proves nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
if [[ " $* " == *" -race "* ]]; then
	export CGO_ENABLED=1
else
	echo "NOTICE: no C compiler here, so the tests run without the race detector."
fi
go build -o .cache/bin/testreport ./tools/testreport
go test -json -shuffle=on -timeout 25m "$@" ./... | .cache/bin/testreport -allow .ci/skips.txt
