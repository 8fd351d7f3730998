#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# tests/integration/bad_start.sh BIN: what the four daemons say when they cannot start. Each fault ends the program with a
# status and one message that says what is wrong, where (FILE:LINE:COLUMN) and how to mend it; what is no reason not to
# start is a warning. On loopback, as any user.
set -u
shopt -s extglob
here=$(cd "$(dirname "$0")/../.." && pwd)
TESTBED_DIR=$(mktemp -d "${TMPDIR:-/tmp}/portcullis-test.XXXXXX") || exit 1
export TESTBED_BIN=$1 TESTBED_DIR TESTBED_LOCAL=1
# shellcheck source=tools/testbed/testbed.sh
. "$here/tools/testbed/testbed.sh"
TESTBED_NET=$(testbed_net)
net=$TESTBED_NET
cd "$TESTBED_DIR" || exit 1
held=0 failed=0
trap 'testbed_stop pcscf scscf edge pdp; rm -rf "$TESTBED_DIR"' EXIT

for sample in "$here"/conf/*.yaml; do testbed_config "$sample" >/dev/null; done
testbed_set pcscf.yaml security.ipsec false && testbed_set pcscf.yaml security.require_ipsec false || exit 1
mkdir run state

# says STATUS PATTERN COMMAND...: the program's whole word on standard error (its self-test's good news aside). In the pattern of
# bash, @ is a line and column of x.yaml.
says() {
    local status=$1 pattern=${2//@/x.yaml:+([0-9]):+([0-9])} said rc
    shift 2
    timeout 20 "$@" >/dev/null 2>said
    rc=$?
    said=$(grep -v '"event":"selftest\.' said)
    # shellcheck disable=SC2053  # the pattern is one
    if [ $rc = "$status" ] && [[ $said == $pattern ]]; then
        held=$((held + 1))
    else
        printf 'FAILED: %s\n  ended with %s and said\n%s\n  instead of %s and\n%s\n' "$*" $rc "$said" "$status" "$pattern"
        failed=$((failed + 1))
    fi
}

# faulty PROGRAM PATTERN OPTION VALUE [OPTION VALUE...]: with its good configuration but for that.
faulty() {
    local program=$1 pattern=$2
    shift 2
    cp "$program.yaml" x.yaml
    while [ $# -ge 2 ]; do
        testbed_set x.yaml "$1" "$2" || failed=$((failed + 1))
        shift 2
    done
    says 1 "$pattern" "$TESTBED_BIN/$program" --config x.yaml
}

# written PROGRAM PATTERN: with x.yaml as it is.
written() { says 1 "$2" "$TESTBED_BIN/$1" --config x.yaml; }

# ---- the command line and the file, the same for all ----
for p in pcscf scscf pdp edge; do
    bin=$TESTBED_BIN/$p
    says 2 "$p: --bogus is not an argument; --help lists the arguments" "$bin" --bogus
    says 2 "$p: --config needs a value; --help lists the arguments" "$bin" --config
    says 1 "nothere.yaml: cannot be read: No such file or directory
    \`$p --sample\` prints one; --config FILE names another" "$bin" --config nothere.yaml
    says 1 "state: cannot be read: Is a directory
    name a file in it" "$bin" --config state
    [ -e /etc/portcullis ] || says 1 "/etc/portcullis/$p.yaml: cannot be read: No such file or directory
    \`$p --sample\` prints one; --config FILE names another" "$bin"
    { cat $p.yaml && echo 'frobnicate: 3'; } >x.yaml
    written $p "x.yaml:$(wc -l <x.yaml):1: there is no option frobnicate
    remove it; --dump-options lists all options"
    sed 's/^log:/log:\n  levle: debug\n  rate: fast/' $p.yaml >x.yaml
    written $p "@: there is no option log.levle
    did you mean log.level\\?
@: log.rate: 'fast' is not a whole number
    write a whole number"
    { cat $p.yaml && echo 'log: ['; } >x.yaml
    written $p "@: this is not YAML: *
    look at the indentation, quotes and brackets there and just before"
    { cat $p.yaml && printf '# caf\xe9 au lait\n'; } >x.yaml
    written $p "x.yaml:$(wc -l <x.yaml):[67]: this is not text: invalid trailing UTF-8 octet
    write the file as UTF-8 without control characters; \`iconv -f latin1 -t utf8\` converts one"
    truncate -s 40M x.yaml
    written $p "x.yaml: cannot be read: File too large
    it must be below 32 MiB: is it the right file\\?"
    cp $p.yaml x.yaml
    says 0 "$p: the configuration is good" "$bin" --check --config x.yaml
    says 0 "*$p: self-test: *: ok*" "$bin" --self-test --config x.yaml
    faulty $p "$p: log.file (@): the log /nonexistent/log cannot be opened: No such file or directory
    make its directory, let the user we run as write there, or name another" log.file /nonexistent/log
    faulty $p "@: log.identity_key: ./nokey: No such file or directory
    make the file, or name another" log.identity_key nokey
    faulty $p "$p: ops.socket (@): the control socket /nonexistent/a/b.sock cannot be opened: No such file or directory
    make its directory, or give --socket PATH" ops.socket /nonexistent/a/b.sock
    faulty $p "$p: ops.metrics (@): the metrics at TCP 192.0.2.1:9 cannot be offered: Cannot assign requested address
    give an address of this machine and a free port" ops.metrics 192.0.2.1:9
done

# ---- values ----
faulty pcscf "@: gm.port_ps: 99999 is out of range
    it must be between 1 and 65535" gm.port_ps 99999
faulty pcscf "@: gm.address: 'localhost:5060' is not an IP address and port such as *
    write an IP address and port such as *" gm.address localhost:5060
faulty pcscf "@: media.timeout: '2' has no unit
    write the unit: us, ms, s, min, h or d" media.timeout 2
faulty pcscf "@: mw.core: '$net.20' is not a SIP URI
    Write sip:HOST:PORT, or \"\" for DNS." mw.core "$net.20"
faulty pcscf "@: pdp.our_identity: 'a b' is not a host or domain name such as *
    write a host or domain name such as *" pdp.our_identity "a b"
faulty pcscf "@: IPsec is required of phones but switched off here
    Set security.ipsec: true, or security.require_ipsec: false." security.require_ipsec true
faulty edge "@: there is no even port with its odd neighbour in it
    Give a range such as 30000-39999." ports 30001

# ---- addresses that are not here, directories and files ----
faulty pcscf "pcscf: self-test: ports: FAILED: gm.address (@): UDP 192.0.2.1:5060 cannot be bound: Cannot assign requested address
    no interface has it; \`ip address\` shows what there is: take one of them, or add it" gm.address 192.0.2.1:5060
faulty edge "edge: self-test: media addresses: FAILED: core.address (@): UDP 192.0.2.1 cannot be bound: *
    no interface has it; *" core.address 192.0.2.1
faulty scscf "scscf: self-test: directories: FAILED: cdr.directory (@): the directory /nonexistent/a cannot be used: No such *
    \`install -d -m 750 -o USER '/nonexistent/a'\` makes it for the USER we run as, or name another" \
    cdr.directory /nonexistent/a
: >state/file
faulty scscf "scscf: self-test: directories: FAILED: cdr.directory (@): the directory *state/file cannot be used: Not a directory
    it is a file: move it away, or name another directory" cdr.directory "$TESTBED_DIR/state/file"
faulty pdp "@: the policy ./nothere.yaml cannot be read: No such file or directory
    make it, or name another file" policy nothere.yaml
echo 'frob: 1' >state/policy.yaml
faulty pdp "@: *state/policy.yaml:1:1: there is no option frob
    remove it; the sample policy.yaml shows all options" policy "$TESTBED_DIR/state/policy.yaml"
faulty pdp "pdp: token.previous_key (@): the token key ./nothere cannot be read: No such file or directory
    Put the key there, or take the option away." token.previous_key nothere
echo short >state/short && chmod 600 state/short
faulty pdp "pdp: token.key (@): the token key *state/short has 5 octets; it takes 16 to 256
    Remove it, and a good one is made at the next start." token.key "$TESTBED_DIR/state/short"
chmod 644 state/short
faulty pdp "pdp: token.key (@): the token key *state/short can be read by others
    chmod 600 it, and use another key if someone may have read it." token.key "$TESTBED_DIR/state/short"
head -c 9000 /dev/zero | tr '\0' x >state/noise.db
mkdir state/dir.db
for option in scscf:subscribers.path pdp:database; do
    faulty ${option%:*} "${option%:*}: ${option#*:} (@): *state/noise.db: damaged, or no SQLite database *
    stop, move *state/noise.db and its -wal away and put a copy back, or save what is readable: *" \
        ${option#*:} "$TESTBED_DIR/state/noise.db"
    faulty ${option%:*} "${option%:*}: ${option#*:} (@): *state/dir.db: cannot be opened *
    *state/dir.db must be a file, or not exist, in a directory that does" ${option#*:} "$TESTBED_DIR/state/dir.db"
done

# ---- the kernel ----
cp pcscf.yaml x.yaml
testbed_set x.yaml security.ipsec true && testbed_set x.yaml security.require_ipsec true || failed=$((failed + 1))
without=()
[ "$(id -u)" != 0 ] || without=(setpriv --bounding-set=-net_admin --inh-caps=-net_admin)
says 1 "*pcscf: self-test: CAP_NET_ADMIN: FAILED: the process lacks CAP_NET_ADMIN
    start it as root, or with AmbientCapabilities=CAP_NET_ADMIN in its unit, or in a network namespace of its own*" \
    "${without[@]}" "$TESTBED_BIN/pcscf" --config x.yaml
if ip xfrm state add src 127.255.1.1 dst 127.255.1.2 proto esp spi 0x1234 mode transport enc 'ecb(cipher_null)' '' 2>/dev/null; then
    ip xfrm state delete src 127.255.1.1 dst 127.255.1.2 proto esp spi 0x1234
    echo "not tried: a kernel without ESP (this one has it)"
elif unshare -Urn true 2>/dev/null; then
    says 1 "*pcscf: self-test: kernel ESP: FAILED: *the kernel has no ESP: Protocol not supported
    \`modprobe esp4\` (a kernel with CONFIG_INET_ESP); or do without, for phones that can: security.ipsec: false and *" \
        unshare -Urn sh -c "ip link set lo up && exec $TESTBED_BIN/pcscf --config x.yaml"
else
    echo "not tried: a kernel without ESP (no namespaces here)"
fi

# ---- beside a system that runs: ports, sockets and files that are taken ----
for p in pdp edge scscf pcscf; do testbed_start $p || exit 1; done
faulty pdp "pdp: self-test: Diameter port: FAILED: diameter.listen (@): TCP $net.30:3868 cannot be bound: Address already in use
    another program has it; \`ss -lnpt 'sport = :3868'\` shows which"
faulty edge "edge: self-test: control port: FAILED: ng.address (@): UDP $net.35:2223 cannot be bound: Address already in use
    another program has it; \`ss -lnpu 'sport = :2223'\` shows which"
faulty scscf "scscf: self-test: port: FAILED: mw.address (@): UDP $net.20:6060 cannot be bound: Address already in use
    another program has it; \`ss -lnpu *"
faulty scscf "scscf: self-test: port: FAILED: mw.address (@): TCP $net.30:3868 cannot be bound: Address already in use
    another program has it; \`ss -lnpt *" mw.address "$net.30:3868"
faulty pcscf "pcscf: self-test: ports: FAILED: gm.address (@): UDP $net.10:5060 cannot be bound: Address already in use
    another program has it; \`ss -lnpu *"
faulty pcscf "pcscf: self-test: ports: FAILED: gm.address (@): TCP $net.30:3868 cannot be bound: Address already in use
    another program has it; \`ss -lnpt *" gm.address "$net.30:3868"
faulty pcscf "pcscf: self-test: ports: FAILED: mw.address (@): TCP $net.30:3868 cannot be bound: Address already in use
    another program has it; \`ss -lnpt *" gm.address "$net.40:5060" mw.address "$net.30:3868"
faulty edge "edge: ops.socket (@): the control socket *run/edge.sock cannot be opened: Address already in use
    another one is running; end it, or give --socket PATH" ng.address "$net.40:2223"
faulty edge "edge: ops.metrics (@): the metrics at TCP $net.30:3868 cannot be offered: Address already in use
    another program has the port (\`ss -lnpt\` shows which); end it, or take another" \
    ng.address "$net.40:2223" ops.socket "$TESTBED_DIR/run/other.sock" ops.metrics "$net.30:3868"
faulty pdp "pdp: database (@): *state/pdp.db: locked by another process *
    only one process may use it: find the other with \`fuser *state/pdp.db\` and stop it" diameter.listen "$net.40:3868"
faulty scscf "scscf: subscribers.path (@): *state/scscf.db: locked by another process *
    only one process may use it: find the other with \`fuser *state/scscf.db\` and stop it" mw.address "$net.40:6060"
faulty scscf "scscf: cdr.directory (@): charging records in *state/cdr: another process writes there
    only one may: find the other (\`fuser -v\` on the directory) and stop it, or name another directory" \
    mw.address "$net.40:6060" subscribers.path "$TESTBED_DIR/state/other.db"
testbed_stop pcscf edge scscf pdp || failed=$((failed + 1))

# ---- what is no reason not to start: a PDP that is not there ----
for p in edge pcscf; do
    testbed_start $p || failed=$((failed + 1))
    grep -q "\"event\":\"selftest.missing\",\"check\":\"PDP\",\"text\":\"nobody answers at TCP $net.30:3868: Connection refused\",\
\"remedy\":\"start it, or correct the address; we go on and connect when it is there\"" <(tail -n 20 $p.log) || {
        echo "FAILED: $p says nothing of the PDP that is not there"
        failed=$((failed + 1))
    }
done
testbed_stop pcscf edge || failed=$((failed + 1))
grep -hE 'Sanitizer|runtime error' ./*.log && failed=$((failed + 1))

echo "$held messages hold, $failed faults"
[ $failed = 0 ]
