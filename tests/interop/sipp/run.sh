#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# tests/interop/sipp/run.sh BIN: sipp as two independent phones without IPsec: AKAv1-MD5 and digest registration, a call
# and a MESSAGE between them, through all four daemons on loopback; and an S-CSCF that is killed in the middle of a call
# still writes its records. KEEP=1 leaves the logs.
set -u
here=$(cd "$(dirname "$0")/../../.." && pwd)
scenarios=$here/tests/interop/sipp
TESTBED_DIR=$(mktemp -d "${TMPDIR:-/tmp}/portcullis-test.XXXXXX") || exit 1
export TESTBED_BIN=$1 TESTBED_DIR TESTBED_LOCAL=1
# shellcheck source=tools/testbed/testbed.sh
. "$here/tools/testbed/testbed.sh"
TESTBED_NET=$(testbed_net)
realm=$testbed_realm
finish() {
    local phone
    for phone in $(jobs -p); do pkill -P "$phone"; done
    testbed_stop pcscf scscf edge pdp
    [ -n "${KEEP:-}" ] || rm -rf "$TESTBED_DIR"
}
trap finish EXIT
fail() {
    echo "FAILED: $*"
    tail -n 15 "$TESTBED_DIR"/*.log "$TESTBED_DIR"/*.out 2>/dev/null
    exit 1
}

for sample in "$here"/conf/*.yaml; do testbed_config "$sample" >/dev/null; done
testbed_set "$TESTBED_DIR/pcscf.yaml" security.ipsec false && testbed_set "$TESTBED_DIR/pcscf.yaml" security.require_ipsec false &&
    testbed_set "$TESTBED_DIR/pcscf.yaml" gm.timers rfc3261 && testbed_set "$TESTBED_DIR/scscf.yaml" auth.avoid_nul_res true ||
    fail "the sample files do not have the options"
for name in pdp edge scscf pcscf; do testbed_start $name || fail "$name does not start"; done

# alice has a card, bob a password.
# (sipp takes the octets of K for text of the scenario: no brackets in them.)
K=30313233343536373839616263646566 OP=66656463626139383736353433323130
{
    imsctl subscriber add --impi "alice@$realm" --impu "sip:alice@$realm" --k $K --op $OP &&
        imsctl subscriber add --impi "bob@$realm" --impu "sip:bob@$realm" --password secret
} >"$TESTBED_DIR/imsctl.log" 2>&1 || fail "subscribers cannot be added"
printf 'SEQUENTIAL\nalice;alice@%s;[authentication username=alice@%s aka_OP=0x%s aka_K=0x%s aka_AMF=0x8000]\n' \
    "$realm" "$realm" $OP $K >"$TESTBED_DIR/alice.csv"
printf 'SEQUENTIAL\nbob;bob@%s;[authentication username=bob@%s password=secret]\n' "$realm" "$realm" >"$TESTBED_DIR/bob.csv"
printf 'SEQUENTIAL\nalice;bob;\n' >"$TESTBED_DIR/call.csv"

phone() { # IP SCENARIO CSV NAME [sipp options...]
    local ip=$1 scenario=$2 csv=$3 name=$4
    shift 4
    sipp "$TESTBED_NET.10:5060" -i "$ip" -p 5060 -sf "$scenarios/$scenario.xml" -inf "$TESTBED_DIR/$csv.csv" -key realm "$realm" \
        -key service_route ", <sip:orig@$TESTBED_NET.20:6060;lr>" -key expires 600 -m 1 -nostdin -timeout 20 -timeout_error \
        -d "${hold:-200}" -trace_err -error_file "$TESTBED_DIR/$name.log" "$@" >"$TESTBED_DIR/$name.out" 2>&1
}

phone "$TESTBED_NET.101" register alice alice || fail "alice (AKAv1-MD5) is not registered"
phone "$TESTBED_NET.102" register bob bob || fail "bob (digest) is not registered"
echo "registered: alice with AKAv1-MD5, bob with digest"
phone "$TESTBED_NET.102" uas_call bob bob-uas &
uas=$!
phone "$TESTBED_NET.101" uac_call call alice-uac || fail "the call failed"
wait $uas || fail "the called side of the call failed"
echo "called: alice bob"
phone "$TESTBED_NET.102" uas_message bob bob-uasm &
uas=$!
phone "$TESTBED_NET.101" uac_message call alice-uacm || fail "the MESSAGE failed"
wait $uas || fail "the receiving side of the MESSAGE failed"
echo "MESSAGE: from alice to bob"
records() { # PATTERN N: waits until N records have it
    local i
    for ((i = 0; i < 50; i++)); do
        imsctl cdr export --format json >"$TESTBED_DIR/cdr.json" 2>/dev/null
        [ "$(grep -cE "$1" "$TESTBED_DIR/cdr.json")" -ge "$2" ] && return 0
        sleep 0.1
    done
    return 1
}
records '"role' 2 || fail "there are no two records of the call"
echo "records: of both halves"

phone "$TESTBED_NET.102" uas_call bob bob-uask &
uas=$!
hold=15000 phone "$TESTBED_NET.101" uac_call call alice-uack &
uac=$!
for ((i = 0; i < 100; i++)); do
    [ "$(imsctl calls 2>/dev/null | grep -c answered)" -eq 2 ] && break
    sleep 0.1
done
[ "$(imsctl calls | grep -c answered)" -eq 2 ] || fail "the call to be interrupted is not answered"
kill -9 "$(cat "$testbed_run/scscf.pid")"
wait "$(cat "$testbed_run/scscf.pid")" 2>/dev/null
rm -f "$testbed_run/scscf.pid"
testbed_start scscf || fail "the S-CSCF does not start again"
records '"incomplete": ?true' 2 || fail "the interrupted call has no two records"
echo "records: of the call that an S-CSCF was killed in"
pkill -P $uac
pkill -P $uas
wait $uac $uas
exit 0
