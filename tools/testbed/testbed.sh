# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# tools/testbed/testbed.sh: the network of the lab and of the integration tests, as functions to source.
#
# Runs as root of a kernel of its own (tools/uml/run). Every daemon and every phone has a network namespace; two bridges in
# the namespace `wire` join them, so that every packet crosses a veth pair and can be captured there:
#
#   gm  10.46.1.0/24   phones .101 ..., P-CSCF .10, edge (access media) .36
#   mw  10.46.2.0/24   P-CSCF .11, S-CSCF .20, PDP .30, edge (ng .35, core media .37)
#
# TESTBED_BIN    where the programs are
# TESTBED_DIR    where logs and results go
# TESTBED_LOCAL  1: no namespaces; the daemons run on the loopback addresses of the sample files (no IPsec), as any user
# TESTBED_NET    with it: "127.1.2" instead of 127.0.0, so that several testbeds run at a time (testbed_net finds one)

if [ "${TESTBED_LOCAL:-0}" = 1 ]; then
    testbed_run=$TESTBED_DIR/run
else
    testbed_run=/run/portcullis
fi

# testbed_join NAMESPACE BRIDGE ADDRESS...: one interface named after the bridge, with all the addresses.
testbed_join() {
    local ns=$1 bridge=$2 port=$1-$2 a
    shift 2
    ip netns list | grep -qw "$ns" || { ip netns add "$ns" && ip -n "$ns" link set lo up; }
    ip -n wire link add "$port" type veth peer name "$bridge" netns "$ns"
    ip -n wire link set "$port" master "$bridge" up
    for a in "$@"; do ip -n "$ns" address add "$a/24" dev "$bridge"; done
    ip -n "$ns" link set "$bridge" up
}

testbed_up() {
    mkdir -p "$testbed_run" "$TESTBED_DIR"
    ip netns add wire
    ip -n wire link set lo up
    ip -n wire link add gm type bridge
    ip -n wire link add mw type bridge
    ip -n wire link set gm up
    ip -n wire link set mw up
    testbed_join pcscf gm 10.46.1.10
    testbed_join pcscf mw 10.46.2.11
    testbed_join scscf mw 10.46.2.20
    testbed_join pdp mw 10.46.2.30
    testbed_join edge mw 10.46.2.35 10.46.2.37
    testbed_join edge gm 10.46.1.36
}

# testbed_net: a loopback network of this process's own: no fixed ports that another test may have.
testbed_net() { echo "127.$((64 + ($$ >> 8) % 190)).$(($$ & 255))"; }

# testbed_config SAMPLE: the sample file with the lab's addresses in place of the loopback ones, and its own folders.
testbed_config() {
    local out=$TESTBED_DIR/$(basename "$1") addresses=()
    [ -z "${TESTBED_NET:-}" ] || addresses=(-e "s/127\\.0\\.0\\.\\([1-9][0-9]*\\)\\b/$TESTBED_NET.\\1/g")
    [ "${TESTBED_LOCAL:-0}" = 1 ] || addresses=(
        -e 's/127\.0\.0\.10\b/10.46.1.10/g' -e 's/127\.0\.0\.11\b/10.46.2.11/g'
        -e 's/127\.0\.0\.20\b/10.46.2.20/g' -e 's/127\.0\.0\.30\b/10.46.2.30/g'
        -e 's/127\.0\.0\.35\b/10.46.2.35/g' -e 's/127\.0\.0\.36\b/10.46.1.36/g'
        -e 's/127\.0\.0\.37\b/10.46.2.37/g')
    sed "${addresses[@]}" -e "s#/var/lib/portcullis#$testbed_run/state#g" -e "s#/run/portcullis#$testbed_run#g" \
        -e "s#/etc/portcullis#$TESTBED_DIR#g" "$1" >"$out"
    case ${TESTBED_LOCAL:-0}:$out in
    0:*/edge.yaml) testbed_set "$out" ng.allow '[10.46.2.0/24]' ;;
    0:*/[ps]cscf.yaml) testbed_set "$out" mw.allow '[10.46.2.0/24]' ;;
    esac
    echo "$out"
}

# testbed_set FILE OPTION VALUE: gives an option of a sample file ("security.ipsec") another value.
testbed_set() {
    local section=${2%.*} key=${2##*.}
    [ "$section" != "$2" ] || section=
    awk -v section="$section" -v key="$key" -v value="$3" '
        /^[a-z_]+:/ { in_section = ($0 ~ "^" section ":") }
        section == "" && $0 ~ "^#? ?" key ":" { print key ": " value; done = 1; next }
        section != "" && in_section && $0 ~ "^ +#? ?" key ":" { print "  " key ": " value; done = 1; next }
        { print }
        END { exit !done }' "$1" >"$1.new" && mv "$1.new" "$1" || { echo "testbed: $1 has no $2" >&2; return 1; }
}

# testbed_exec NAMESPACE COMMAND...: becomes it, there, or here without namespaces; for the background.
testbed_exec() {
    local ns=$1
    shift
    [ "${TESTBED_LOCAL:-0}" = 1 ] || exec ip netns exec "$ns" "$@"
    exec "$@"
}

# testbed_start DAEMON: in its namespace, from conf/DAEMON.yaml; waits until its control socket answers.
testbed_start() {
    local name=$1 i
    mkdir -p "$testbed_run/state"
    testbed_exec "$name" "$TESTBED_BIN/$name" --config "$TESTBED_DIR/$name.yaml" >>"$TESTBED_DIR/$name.log" 2>&1 &
    echo $! >"$testbed_run/$name.pid"
    for ((i = 0; i < 200; i++)); do
        "$TESTBED_BIN/imsctl" --socket "$testbed_run/$name.sock" status >/dev/null 2>&1 && return 0
        kill -0 "$(cat "$testbed_run/$name.pid")" 2>/dev/null || break
        sleep 0.05
    done
    echo "$name did not start:" >&2
    tail -5 "$TESTBED_DIR/$name.log" >&2
    return 1
}

# testbed_stop NAME...: each is asked to end; a non-zero status when one had to be killed or ended with an error.
testbed_stop() {
    local name pid i bad=0
    for name in "$@"; do
        [ -f "$testbed_run/$name.pid" ] || continue
        pid=$(cat "$testbed_run/$name.pid")
        rm -f "$testbed_run/$name.pid"
        kill "$pid" 2>/dev/null
        for ((i = 0; i < 200; i++)); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.05
        done
        kill -9 "$pid" 2>/dev/null
        wait "$pid" || {
            echo "$name ended with status $?" >&2
            bad=1
        }
    done
    return $bad
}

# ---- phones -----------------------------------------------------------------------------------------------------------

testbed_realm=ims.mnc001.mcc001.3gppnetwork.org

testbed_imsi() { printf '001010000000%03d' "$1"; }
testbed_impu() { echo "sip:$(testbed_imsi "$1")@$testbed_realm"; }
# Keys made up from the number; made for the lab, worth nothing anywhere else.
testbed_k() { printf '465b5ce8b199b49faa5f0a2ee2%06x' "$1"; }
testbed_opc() { echo cd63cb71954a9f4e48a5994e37a02baf; }

# testbed_phone N [ue options...]: switches phone N on; its events go to phoneN.log, commands are given with testbed_say.
testbed_phone() {
    local n=$1 ns=ue$1 address=10.46.1.$((100 + $1))
    shift
    ip netns list | grep -qw "$ns" || testbed_join "$ns" gm "$address"
    rm -f "$testbed_run/$ns.in"
    mkfifo "$testbed_run/$ns.in"
    # Opened for reading and writing: the phone never sees an end of input.
    ip netns exec "$ns" "$TESTBED_BIN/ue" --impi "$(testbed_imsi "$n")@$testbed_realm" --impu "$(testbed_impu "$n")" \
        --realm "$testbed_realm" --local "$address" --pcscf 10.46.1.10 --k "$(testbed_k "$n")" \
        --opc "$(testbed_opc)" --esp-keys "$TESTBED_DIR/esp_sa" "$@" \
        <>"$testbed_run/$ns.in" >>"$TESTBED_DIR/phone$n.log" 2>&1 &
    echo $! >"$testbed_run/$ns.pid"
    testbed_hear "$n" '^ready' 10
}

# Without a phone that reads it, the pipe would hold us for ever.
testbed_say() {
    local n=$1
    shift
    kill -0 "$(cat "$testbed_run/ue$n.pid" 2>/dev/null)" 2>/dev/null || {
        echo "phone $n does not run" >&2
        return 1
    }
    echo "$*" >"$testbed_run/ue$n.in"
}

# testbed_pause SECONDS: a pipe in which nothing ever comes costs no process.
testbed_pause() {
    local nothing
    [ -n "${testbed_never:-}" ] || exec {testbed_never}<> <(:)
    read -rt "$1" -u "$testbed_never" nothing
    return 0
}

# testbed_until SECONDS COMMAND...: repeats it until it holds; non-zero when the time is up.
testbed_until() {
    local end=$((${EPOCHREALTIME/[.,]/} + $1 * 1000000))
    shift
    until "$@"; do
        [ "${EPOCHREALTIME/[.,]/}" -lt $end ] || return 1
        testbed_pause 0.1
    done
}

# testbed_hear N REGEX SECONDS [FROM [UNLESS]]: waits for an event line at or behind line FROM of the phone's log. Gives up
# when the time is over, the phone has ended, or a line matches UNLESS. $testbed_heard is the line, or why there is none.
testbed_hear() {
    local log=$TESTBED_DIR/phone$1.log end=$((${EPOCHREALTIME/[.,]/} + $3 * 1000000)) line='' part='' at=0 fd alive now status=1
    testbed_heard="nothing came in $3 s"
    exec {fd}<>"$log"
    while :; do
        now=${EPOCHREALTIME/[.,]/}
        alive=1
        kill -0 "$(<"$testbed_run/ue$1.pid")" 2>/dev/null || alive=0
        while IFS= read -r -u "$fd" part; do
            line+=$part
            if [ $((++at)) -ge "${4:-1}" ]; then
                if [[ $line =~ $2 ]]; then
                    testbed_heard=$line status=0
                    break 2
                elif [ -n "${5:-}" ] && [[ $line =~ $5 ]]; then
                    testbed_heard=$line
                    break 2
                fi
            fi
            line=''
        done
        line+=$part # what there is of the next line
        if [ $alive = 0 ]; then
            testbed_heard="phone $1 has ended"
            break
        fi
        [ "$now" -lt $end ] || break
        testbed_pause 0.05
    done
    exec {fd}<&-
    return $status
}

# The next line number of a phone's log: what is heard from here on is new.
testbed_mark() { echo $(($(wc -l <"$TESTBED_DIR/phone$1.log") + 1)); }

imsctl() { "$TESTBED_BIN/imsctl" --run-dir "$testbed_run" "$@"; }

# testbed_tap NAME NAMESPACE DUMPCAP-OPTION...: a capture of some interfaces into $TESTBED_DIR/NAME.pcapng. dumpcap gives up its
# rights before it opens a file, so the shell opens it.
testbed_tap() {
    local name=$1 ns=$2 file=$TESTBED_DIR/$1.pcapng
    shift 2
    ip netns exec "$ns" dumpcap -q "$@" -w - >"$file" 2>"$TESTBED_DIR/dumpcap-$name.log" &
    echo $! >"$testbed_run/dumpcap-$name.pid"
    testbed_until 10 eval "[ -s '$file' ] || ! kill -0 $! 2>/dev/null"
    [ -s "$file" ] || {
        echo "the capture did not start: $(grep -v '^Capturing\|^File:' "$TESTBED_DIR/dumpcap-$name.log" | tail -n 2)" >&2
        return 1
    }
}

# testbed_capture: both bridges, and what the edge sends to itself: when both halves of a call have their media at the same
# edge, its core address talks to itself, and that never comes to a wire.
testbed_capture() { testbed_tap wire wire -i gm -i mw && testbed_tap edge edge -i lo -f 'host 10.46.2.37'; }

# testbed_capture_stop FILE: all of it in the order of time.
testbed_capture_stop() {
    testbed_pause 0.3 # let dumpcap read what the kernel has queued
    testbed_stop dumpcap-wire dumpcap-edge && mergecap -w - "$TESTBED_DIR/wire.pcapng" "$TESTBED_DIR/edge.pcapng" >"$1"
}

# testbed_profile DIR: a Wireshark profile that reads the capture: the phones' ESP keys, SIP on the protected ports.
testbed_profile() {
    local port
    mkdir -p "$1" && cp "$TESTBED_DIR/esp_sa" "$1/esp_sa" &&
        printf 'esp.enable_encryption_decode: TRUE\nesp.enable_authentication_check: TRUE\nrtp.heuristic_rtp: TRUE\n' \
            >"$1/preferences" &&
        for port in 5062 5063 5064 5065 5066; do
            printf 'decode_as_entry: %s.port,%d,(none),SIP\n' udp $port tcp $port
        done >"$1/decode_as_entries"
}
