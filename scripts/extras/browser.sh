#!/usr/bin/env bash
# What the browser and signature tests need: Chromium, OpenSSH's client, and the accessibility
# rules. Installs only what is missing; where it may not, the tests say that they skip.
set -uo pipefail
cd "$(dirname "$0")/../.."
missing=()
command -v chromium >/dev/null || missing+=(chromium)
command -v ssh-keygen >/dev/null || missing+=(openssh-client)
if [[ ${#missing[@]} -gt 0 && $(id -u) -eq 0 ]] && command -v apt-get >/dev/null; then
	echo "installing ${missing[*]}"
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null ||
		echo "NOTICE: ${missing[*]} could not be installed"
fi
axe=internal/webui/testdata/axe
if [[ ! -e $axe/node_modules/axe-core/axe.min.js ]] && command -v npm >/dev/null; then
	(cd "$axe" && npm ci --ignore-scripts --no-audit --no-fund --silent) || echo "NOTICE: axe-core could not be installed"
fi
exit 0
