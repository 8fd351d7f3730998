#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# tests/integration/lab.sh BIN TRANSPORT: the main job on a real kernel, its capture judged by tshark.
set -u
here=$(cd "$(dirname "$0")/../.." && pwd)
dir=$(mktemp -d "${TMPDIR:-/tmp}/portcullis-test.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
export TESTBED_BIN=$1 TESTBED_DIR=$dir LAB_KEEP=0 LAB_CAPTURE=$dir/lab.pcapng LAB_PHONES=2 LAB_SECONDS=3 LAB_TRANSPORT=$2
: >"$LAB_CAPTURE"
"$here/tools/testbed/enter" --timeout 300 "$here/tools/testbed/lab.sh" </dev/null || {
    tail -n 30 "$dir"/*.log
    exit 1
}
"$here/tests/integration/judge.sh" "$LAB_CAPTURE" 2
