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
trap 'testbed_stop alice bob pcscf scscf edge pdp; rm -rf "$TESTBED_DIR"' EXIT

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

# ---- the self-test: what is not there, and what is not needed ----
# tested PATTERN: all the P-CSCF's self-test says.
tested() {
    local said
    said=$("$TESTBED_BIN/pcscf" --self-test --config pcscf.yaml 2>&1)
    # shellcheck disable=SC2053  # the pattern is one
    [[ $said == $1 ]] || {
        echo "$said"
        return 1
    }
}
net=$TESTBED_NET
holds "what is not needed is not called ok" tested "*CAP_NET_ADMIN: not needed: security.ipsec is false
*kernel ESP: not needed: security.ipsec is false*"
holds "peers that are not there are named" tested "*PDP: missing: pdp.address (*): nobody answers at TCP $net.30:3868:*
    start it, *edge: missing: media.edge (*): nobody answers at UDP $net.35:2223: Connection refused
    start it, *core: missing: mw.core (*): nobody answers at TCP $net.20:6060:*
    start it, *"

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

# ---- imsctl: what it says, and its status ----
# asked STATUS PATTERN WORD...: imsctl's whole answer, as a pattern of bash.
asked() {
    local status=$1 pattern=$2 said rc
    shift 2
    said=$(imsctl "$@" 2>&1)
    rc=$?
    # shellcheck disable=SC2053  # the pattern is one
    [ $rc = "$status" ] && [[ $said == $pattern ]] || {
        printf 'imsctl %s: status %s\n%s\n' "$*" $rc "$said"
        return 1
    }
}
versions() {
    local p
    for p in pcscf scscf pdp edge imsctl ue; do
        [[ $("$TESTBED_BIN/$p" --version) == "$p (Portcullis) "[0-9]* ]] && "$TESTBED_BIN/$p" -h | grep -q -- --version || return 1
    done
}
alice=(--impi alice@$realm --password pw)
holds "help is help" asked 0 "imsctl: asks*--media audio,video,text,other*Exit status:*" -h
holds "an unknown command is named, once" asked 2 "imsctl: there is no command 'frob'
    'commands' lists what can be asked" frob
holds "an unknown command has no answer in JSON" asked 2 "imsctl: there is no command 'frob'
    'commands' lists what can be asked" --json frob
holds "those that have a command answer it" asked 0 "-- pdp
peer *" peers
holds "and they alone in JSON" asked 0 "{
  \"pdp\": \\[*\\]
}" --json peers
holds "half a command is told what follows" asked 2 "imsctl: 'cdr' is half a command
    choose of: cdr list, cdr export" cdr
holds "the same of all is said once" asked 2 "imsctl: 'log' is half a command
    choose of: log level" log
holds "a role that is none is wrong use" asked 2 "imsctl: there is no role 'foo'
    choose of: pcscf, scscf, pdp, edge" --role foo status
holds "where nobody runs is named" asked 3 "imsctl: no program runs here: there is no socket in $here/conf
    *" --run-dir "$here/conf" status
holds "what is missing is wrong use" asked 2 "imsctl: --impu is missing
    usage: subscriber add --impi VALUE *" subscriber add "${alice[@]}"
holds "so is what is not known" asked 2 "imsctl: calls has no argument 'frob'*" calls --frob
holds "so is a value that is none" asked 2 "imsctl: media does not know \"smell\"
    choose, separated by commas, of: audio video text other" \
    subscriber add "${alice[@]}" --impu sip:alice@$realm --media smell
holds "so is an identity of others" asked 2 "imsctl: impu sip:bob@other.net: other.net is not a home domain of this network
    *" subscriber add "${alice[@]}" --impu sip:bob@other.net
holds "a file that cannot be read is named" asked 2 "imsctl: nokey cannot be read: No such file or directory
    @FILE must be *" subscriber add "${alice[@]}" --impu sip:alice@$realm --k @nokey
holds "hyphens and underscores" asked 0 "*barred_impu   tel:+15550001
*" subscriber add "${alice[@]}" --impu sip:alice@$realm --impu tel:+15550001 --display-name Alice --barred_impu tel:+15550001
holds "identities are a list" asked 0 "*\"impu\": \\[
    \"sip:alice@$realm\",
    \"tel:+15550001\"
  \\]*" --json subscriber show tel:+15550001
holds "the state forbids it: refused" asked 1 "imsctl: subscriber alice@$realm is there already*" \
    subscriber add "${alice[@]}" --impu sip:alice@$realm

holds "no call yet" asked 1 "imsctl: no call was recorded yet*" ladder

# ---- calls: one that comes to nothing, one with media; what is found of them, and what is recorded ----
# phone NAME LAST: subscriber NAME's, at the address that ends in LAST.
phone() {
    mkfifo "$1.in"
    "$TESTBED_BIN/ue" --impi "$1@$realm" --impu "sip:$1@$realm" --realm $realm --password pw --no-ipsec \
        --local "$net.$2" --pcscf "$net.10" <>"$1.in" >"$1.log" 2>&1 &
    echo $! >"$testbed_run/$1.pid"
    echo register >"$1.in"
    logged "$1" registered
}
imsctl subscriber add --impi bob@$realm --password pw --impu sip:bob@$realm >/dev/null
holds "a list that may go on says so" asked 0 "*
1 rows; --after goes on behind the last" subscriber list --limit 1
holds "a list that ends does not" asked 0 "!(* rows; *)" subscriber list --limit 3
holds "alice registers" phone alice 101
holds "bob registers" phone bob 102
echo "call tel:+15550002" >alice.in
holds "nobody has that number" logged alice 404
holds "the ladder is found by the number" asked 0 "*INVITE tel:+15550002*404 *" ladder tel:+15550002
echo "call sip:bob@$realm 1" >alice.in
holds "bob is called" logged pcscf '"event":"session.call_ended"'
cdrs() { asked 0 "$1" cdr export --format json; }
recorded() {
    local i
    for ((i = 0; i < 100; i++)); do
        cdrs "$1" >/dev/null && return 0
        sleep 0.1
    done
    cdrs "$1"
}
holds "the attempt has one record, the call two with its media" recorded "{*\"role_of_node\":0*\"called\":\"tel:+15550002\"*\"sip_status\":404*}
{*\"role_of_node\":0*\"media\":\\[{\"media\":\"audio\",\"codec\":\"*}
{*\"role_of_node\":1*\"media\":\\[{\"media\":\"audio\",*}"
holds "--after goes on behind a record" asked 0 "record_type,*
sCSCFRecord,2,*
sCSCFRecord,3,*" cdr export --after 1
testbed_stop alice bob || failed=$((failed + 1))

holds "any identity names whom to delete" asked 0 "deleted  alice@$realm" subscriber delete tel:+15550001
holds "records as JSON are records" asked 0 "{*}
{*}
{*\"crc\":\"*}" --json cdr export
holds "records as CSV have a head" asked 0 "record_type,sequence,*" cdr export
holds "a format that is none" asked 2 "imsctl: no format 'xml'*" cdr export --format xml
holds "all options with what they take" asked 0 "*cdr export *--after VALUE*      icid          only of this call*" \
    --role scscf commands
holds "each program says its version" versions
holds "the P-CSCF found its peers" asked 0 "*PDP * ok *edge * ok *core * ok *" --role pcscf selftest
holds "four run" asked 0 "-- edge*-- pcscf*-- pdp*-- scscf*" status

testbed_stop edge || failed=$((failed + 1))
holds "as JSON it is null" asked 3 "*\"pcscf\": {*\"edge\": null*" --json status
holds "who does not run is told" asked 3 "-- pcscf*-- scscf*-- edge
not running: there is no *run/edge.sock" status
testbed_set edge.yaml identity edge.ims.example || exit 1
testbed_start edge || exit 1
holds "the edge says that the PDP does not know it" logged edge \
    "pdp.$realm refuses our capabilities: it does not know our identity edge.ims.example"
holds "so does the PDP" logged pdp "refused peer edge.ims.example, which is not in our realm $realm"

testbed_stop pcscf edge scscf pdp || failed=$((failed + 1))
grep -hE 'Sanitizer|runtime error' ./*.log && failed=$((failed + 1))

echo "$held hold, $failed faults"
[ $failed = 0 ]
