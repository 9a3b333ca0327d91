#!/bin/sh
# Builds the pinned Pulumi CLI and Go language host from the module registry into
# .cache/pulumi-<version>/bin, once: a stamp of both go.sum files and of the Go version
# tells whether they are current. Prints the folder .cache/pulumi-<version>, and nothing
# else, on stdout; bin/ in it belongs on the PATH, before the test.
#
# Why from source: the tests need the real engine at exactly the version of go.mod, also
# on a machine that reaches nothing but a module proxy. Operators use Pulumi's installer.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH='' cd -- "$here/../.." && pwd)
# pinned MODULE IN: the version that a tools module requires of MODULE.
pinned() { sed -n "s|^.*$1 \(v[^ ]*\).*\$|\1|p" "$2" | head -n 1; }

version=$(pinned github.com/pulumi/pulumi/pkg/v3 "$here/go.mod")
host_version=$(pinned github.com/pulumi/pulumi/sdk/v3 "$root/tools/pulumi-language-go/go.mod")
[ -n "$version" ] && [ -n "$host_version" ] || { echo "build.sh: no pinned versions in tools/*/go.mod" >&2; exit 1; }

home="$root/.cache/pulumi-$version"
out="$home/bin"
mkdir -p "$out"

# build MODULE PACKAGE VERSION NAME: one version-stamped binary, moved into place whole.
# -X is what the Automation API's version check reads. The other flags are the ones that
# `go build` of the project itself uses, so that both share one build cache.
build() {
	stamp=$(cat "$root/tools/$1/go.mod" "$root/tools/$1/go.sum" | sha256sum | cut -c1-16)-$(go env GOVERSION)
	if [ -x "$out/$4" ] && [ "$(cat "$out/$4.stamp" 2>/dev/null)" = "$stamp" ]; then
		return 0
	fi
	echo "building $4 $3 (once; two to six minutes for the CLI on two cores)" >&2
	CGO_ENABLED=0 GOFLAGS=-mod=readonly nice -n 10 go build -C "$root/tools/$1" -buildvcs=false \
		-ldflags "-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=$3" \
		-o "$out/$4.partial" "$2" >&2
	mv "$out/$4.partial" "$out/$4"
	printf '%s\n' "$stamp" >"$out/$4.stamp"
}

# One build at a time: two would compile the same half million lines side by side.
exec 9>"$out/lock"
flock 9
build pulumi github.com/pulumi/pulumi/pkg/v3/cmd/pulumi "$version" pulumi
build pulumi-language-go github.com/pulumi/pulumi/sdk/v3/go/pulumi-language-go "$host_version" pulumi-language-go
echo "$home"
