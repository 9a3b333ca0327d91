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
# Compiling the SDKs of Azure and Kubernetes under the race detector takes minutes, and
# declaring resources is no concurrent code of ours: what pulls them in is tested
# without. The stand-in cloud, which is concurrent, keeps clear of them and is tested
# with the rest.
sdk=$(go list -test -f '{{$p := .ImportPath}}{{range .Deps}}{{$p}} {{.}}{{"\n"}}{{end}}' ./... |
	awk '$NF ~ /pulumi-(azure-native-sdk|kubernetes)\// {sub(/(_test|\.test)$/, "", $1); print $1}' | sort -u)
rest=$(go list ./... | grep -vxF -f <(printf '%s\n' "${sdk:-none}"))
plain=()
for flag; do [[ $flag == -race ]] || plain+=("$flag"); done
{
	go test -json -shuffle=on -timeout 25m "$@" $rest || true # the report judges
	if [[ -n $sdk ]]; then
		CGO_ENABLED=0 go test -json -shuffle=on -timeout 25m "${plain[@]}" $sdk || true
	fi
} | .cache/bin/testreport -allow .ci/skips.txt
