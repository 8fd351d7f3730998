#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# tests/interop/ipsec_phone/run.sh BIN SHIM: an IPsec phone of stock parts registers over ESP, in a kernel of its own.
set -u
here=$(cd "$(dirname "$0")/../../.." && pwd)
if [ -z "${INSIDE:-}" ]; then
    dir=$(mktemp -d "${TMPDIR:-/tmp}/portcullis-test.XXXXXX") || exit 1
    trap 'rm -rf "$dir"' EXIT
    INSIDE=1 TESTBED_DIR=$dir TESTBED_BIN=$1 "$here/tools/testbed/enter" --timeout 200 "$0" "$@" </dev/null
    exit
fi
# shellcheck source=tools/testbed/testbed.sh
. "$here/tools/testbed/testbed.sh"
fail() {
    echo "FAILED: $*"
    tail -n 20 "$TESTBED_DIR"/*.log
    exit 1
}
testbed_up
for sample in "$here"/conf/*.yaml; do testbed_config "$sample" >/dev/null; done
for name in pdp edge scscf pcscf; do testbed_start $name || fail "$name does not start"; done
testbed_join ue1 gm 10.46.1.101
# OP, not OPc: osmo-auc-gen makes its own. TS 35.208 test set 1.
K=465b5ce8b199b49faa5f0a2ee238a6bc OP=cdc202d5123e20f62b6d676ac72cb318
imsctl subscriber add --impi "$(testbed_imsi 1)@$testbed_realm" --impu "$(testbed_impu 1)" --k $K --op $OP >"$TESTBED_DIR/imsctl.log" 2>&1 ||
    fail "the subscriber cannot be added"
mkdir -p "$TESTBED_DIR/phone"
ip netns exec ue1 env IMPI="$(testbed_imsi 1)@$testbed_realm" IMPU="$(testbed_impu 1)" REALM="$testbed_realm" K=$K OP=$OP \
    LOCAL_IP=10.46.1.101 PCSCF_IP=10.46.1.10 SHIM="$2" WORK="$TESTBED_DIR/phone" \
    "$here/tests/interop/ipsec_phone/phone.sh" || fail "the phone is not registered"
imsctl registrations
imsctl registrations | grep -q "$(testbed_imsi 1)" || fail "the P-CSCF does not know the phone"
# Two of ours and two of theirs have carried something.
used=$(ip netns exec pcscf ip -s xfrm state | awk '/lifetime current/ { getline; if ($2 + 0 > 0) n++ } END { print n + 0 }')
[ "$used" -ge 2 ] || fail "no packet went through the P-CSCF's security associations"
testbed_stop pcscf scscf edge pdp
echo "an independent phone registered over ESP; $used security associations of the P-CSCF carried packets"
