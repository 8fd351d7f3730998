#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# tests/integration/operator.sh BIN: the four daemons as an operator meets them: a network of another name by `realm` alone,
# what imsctl says and with which status. On loopback, as any user.
set -u
here=$(cd "$(dirname "$0")/../.." && pwd)
TESTBED_DIR=$(mktemp -d "${TMPDIR:-/tmp}/portcullis-test.XXXXXX") || exit 1
export TESTBED_BIN=$1 TESTBED_DIR TESTBED_LOCAL=1
# shellcheck source=tools/testbed/testbed.sh
. "$here/tools/testbed/testbed.sh"
TESTBED_NET=$(testbed_net)
cd "$TESTBED_DIR" || exit 1
held=0 failed=0
trap 'testbed_stop pcscf scscf edge pdp; rm -rf "$TESTBED_DIR"' EXIT

for sample in "$here"/conf/*.yaml; do testbed_config "$sample" >/dev/null; done
testbed_set pcscf.yaml security.ipsec false && testbed_set pcscf.yaml security.require_ipsec false || exit 1

holds() {
    if "${@:2}"; then
        held=$((held + 1))
    else
        printf 'FAILED: %s\n' "$1"
        failed=$((failed + 1))
    fi
}

# logged PROGRAM TEXT: within 10 s.
logged() {
    local i
    for ((i = 0; i < 200; i++)); do
        grep -qF -- "$2" "$1.log" && return 0
        sleep 0.05
    done
    tail -5 "$1.log"
    return 1
}

# ---- realm, and nothing else, makes it another network ----
realm=ims.mnc099.mcc999.3gppnetwork.org
for p in pdp edge scscf pcscf; do
    testbed_set $p.yaml realm $realm || exit 1
    testbed_start $p || exit 1
done
for p in edge pcscf; do
    holds "$p reaches pdp.$realm" logged $p "\"event\":\"peer.up\",\"peer\":\"pdp.$realm\""
    holds "the PDP knows $p.$realm" logged pdp "\"event\":\"peer.up\",\"peer\":\"$p.$realm\""
done
testbed_stop edge || failed=$((failed + 1))
testbed_set edge.yaml identity edge.ims.example || exit 1
testbed_start edge || exit 1
holds "the edge says that the PDP does not know it" logged edge \
    "pdp.$realm refuses our capabilities: it does not know our identity edge.ims.example"
holds "so does the PDP" logged pdp "refused peer edge.ims.example, which is not in our realm $realm"

testbed_stop pcscf edge scscf pdp || failed=$((failed + 1))
grep -hE 'Sanitizer|runtime error' ./*.log && failed=$((failed + 1))

echo "$held hold, $failed faults"
[ $failed = 0 ]
