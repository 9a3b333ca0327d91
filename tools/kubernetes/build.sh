#!/bin/sh
# Builds the control plane of the tests (see main.go) from the module registry into
# .cache/kubernetes-<version>/controlplane, once: a stamp of sources, pins and the Go version
# tells whether it is current. Prints the program's path, and nothing else, on stdout.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH='' cd -- "$here/../.." && pwd)
version=$(sed -n 's|^require k8s.io/kubernetes \(v[^ ]*\)$|\1|p' "$here/go.mod")
[ -n "$version" ] || { echo "build.sh: no pinned version in tools/kubernetes/go.mod" >&2; exit 1; }
home="$root/.cache/kubernetes-$version"
out="$home/controlplane"
mkdir -p "$home"

# One build at a time: two would compile the same million lines side by side.
exec 9>"$home/lock"
flock 9
stamp=$(cat "$here/main.go" "$here/go.mod" "$here/go.sum" | sha256sum | cut -c1-16)-$(go env GOVERSION)
if [ ! -x "$out" ] || [ "$(cat "$out.stamp" 2>/dev/null)" != "$stamp" ]; then
	echo "building a Kubernetes control plane $version for tests (once; about four minutes on two cores)" >&2
	# The flags are those of the project's own builds, so that both share one build cache.
	CGO_ENABLED=0 GOFLAGS=-mod=readonly nice -n 10 go build -C "$here" -buildvcs=false \
		-ldflags "-s -w -X k8s.io/component-base/version.gitVersion=$version" -o "$out.partial" . >&2
	mv "$out.partial" "$out"
	printf '%s\n' "$stamp" >"$out.stamp"
fi
echo "$out"
