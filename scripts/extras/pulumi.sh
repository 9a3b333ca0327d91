#!/usr/bin/env bash
# Builds the pinned Pulumi CLI and Go language host, once, into .cache: the engine tests
# run the real engine and fail without it.
set -euo pipefail
cd "$(dirname "$0")/../.."
tools/pulumi/build.sh >/dev/null
