#!/usr/bin/env bash
# Proves that the import rules bite: plants one violation a rule in a copy of the
# repository and expects depguard to name each planted file. A rule that cannot fail is
# not a rule.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT

git ls-files -z --cached --others --exclude-standard -- '*.go' go.mod go.sum .golangci.yml |
	grep -zvE '^tools/' | xargs -0 cp --parents -t "$copy" 2>/dev/null || true

planted=()
plant() { # DIRECTORY IMPORT [FILE]
	[[ -d $copy/$1 ]] || { echo "no directory $1 to plant in (yet)"; return; }
	local package file=$1/${3:-zz_planted_$(tr -c 'a-z0-9\n' _ <<<"$2").go}
	package=$(cd "$copy" && go list -find -f '{{.Name}}' "./$1" 2>/dev/null) || package=$(basename "$1")
	printf 'package %s\n\nimport _ "%s"\n' "$package" "$2" >"$copy/$file"
	planted+=("$file")
}

# The planted imports must not form a cycle: that is an error of its own, which hides these.
plant internal/blob lifeboat/internal/database
plant internal/blob/dir lifeboat/internal/blob/retry
plant internal/blob/sealed lifeboat/internal/blob/memory
plant internal/blob/sealed/agekey lifeboat/internal/blob/retry
plant internal/blob/sealed filippo.io/age
plant eventlog github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys
plant internal/database lifeboat/infra/record
plant internal/database/sqlite lifeboat/eventlog
plant eventlog lifeboat/internal/blob/dir
plant eventlog lifeboat/infra/record
plant eventlog/capture lifeboat/restore
plant restore lifeboat/internal/database/sqlite
plant restore/snapshot lifeboat/eventlog/capture
plant internal/config lifeboat/infra/record
plant internal/workload lifeboat/eventlog
plant eventlog github.com/Azure/azure-sdk-for-go/sdk/storage/azblob
plant restore github.com/microsoft/go-mssqldb
plant internal/agent modernc.org/sqlite
plant eventlog github.com/pulumi/pulumi/sdk/v3/go/pulumi
plant eventlog github.com/spf13/cobra
plant restore github.com/prometheus/client_golang/prometheus
plant restore github.com/schollz/progressbar/v3
plant internal/signers lifeboat/internal/blob
plant internal/versioned lifeboat/internal/config
plant internal/numbered lifeboat/internal/signers
plant failover/approval lifeboat/internal/readiness
plant failover/cluster lifeboat/failover/salvage
plant failover/run k8s.io/client-go/kubernetes
plant failover/incident lifeboat/internal/blob
plant failover/incident/record lifeboat/failover/incident/notify
plant eventlog github.com/wneessen/go-mail
plant internal/webui github.com/chromedp/chromedp
plant eventlog testing
plant eventlog math/rand

dirs=$(printf './%s\n' "${planted[@]%/*}" | sort -u)
cd "$copy"
# shellcheck disable=SC2086 # one argument a directory
"$root/.cache/bin/golangci-lint" run --enable-only depguard --max-same-issues 0 \
	--max-issues-per-linter 0 --output.text.path stdout --show-stats=false $dirs >out.txt 2>err.txt || true
failed=0
for file in "${planted[@]}"; do
	if ! grep -qF "$file:" out.txt; then
		echo "the import rules did not catch $file: $(sed -n 3p "$file")"
		failed=1
	fi
done
if [[ $failed != 0 ]]; then
	tail -n 20 err.txt
	exit 1
fi
echo "import rules: ${#planted[@]} planted violations, all caught"
