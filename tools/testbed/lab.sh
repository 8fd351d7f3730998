#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# tools/testbed/lab.sh: the inside of tools/lab, run by tools/uml/run as root of a kernel with ESP.
set -u
here=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=tools/testbed/testbed.sh
. "$here/tools/testbed/testbed.sh"

bad=()
started=$SECONDS
say() { printf '%3ds  %s\n' $((SECONDS - started)) "$*"; }
# held WHAT COMMAND...: one thing that must hold.
held() {
    local what=$1
    shift
    if "$@"; then return 0; fi
    say "NOT HELD: $what"
    bad+=("$what")
    return 1
}
title() { printf '\n-- %s\n' "$*"; }

finish() {
    local n
    for ((n = 1; n <= LAB_PHONES; n++)); do testbed_stop "ue$n"; done
    held "the programs end in order" testbed_stop pcscf scscf edge pdp
    [ -z "$LAB_CAPTURE" ] || testbed_capture_stop
    [ ! -f "$TESTBED_DIR/esp_sa" ] || [ -z "$LAB_CAPTURE" ] || cp "$TESTBED_DIR/esp_sa" "$LAB_CAPTURE.esp_sa"
    echo
    if [ ${#bad[@]} = 0 ]; then
        echo "HELD: $LAB_PHONES phones registered over IPsec, called through checked tokens, and the records came out"
        exit 0
    fi
    echo "FAILED: ${bad[*]}"
    exit 1
}

# ---- up ---------------------------------------------------------------------------------------------------------------
testbed_up
say "network: phones and P-CSCF on 10.46.1.0/24, core on 10.46.2.0/24, a namespace each"
[ -z "$LAB_CAPTURE" ] || held "capture" testbed_capture "$LAB_CAPTURE" || finish
for sample in "$here"/conf/*.yaml; do testbed_config "$sample" >/dev/null; done
for name in pdp edge scscf pcscf; do
    held "$name starts" testbed_start $name || finish
    say "$name is up (pid $(cat $testbed_run/$name.pid))"
done
for ((n = 1; n <= LAB_PHONES; n++)); do
    held "subscriber $n is added" imsctl subscriber add --impi "$(testbed_imsi $n)@$testbed_realm" \
        --impu "$(testbed_impu $n)" --impu "tel:+1001010$(printf %04d $n)" --k "$(testbed_k $n)" --opc "$(testbed_opc)" \
        >>"$TESTBED_DIR/imsctl.log" 2>&1 || {
        tail -2 "$TESTBED_DIR/imsctl.log"
        finish
    }
done
say "$LAB_PHONES subscribers added with imsctl"

# ---- register -----------------------------------------------------------------------------------------------------------
for ((n = 1; n <= LAB_PHONES; n++)); do
    held "phone $n starts" testbed_phone $n --transport "$LAB_TRANSPORT" || finish
    testbed_say $n register
done
for ((n = 1; n <= LAB_PHONES; n++)); do
    held "phone $n registers" testbed_hear $n '^registered ' 40 || {
        tail -3 "$TESTBED_DIR/phone$n.log"
        continue
    }
    say "phone $n registered: $(grep -o 'sa-installed alg=[^ ]* ealg=[^ ]*' "$TESTBED_DIR/phone$n.log" | tail -1 | cut -d' ' -f2-)"
done
[ ${#bad[@]} = 0 ] || finish

# ---- call ---------------------------------------------------------------------------------------------------------------
from=$(testbed_mark 1)
testbed_say 1 "call $(testbed_impu 2) $LAB_SECONDS"
held "the call is answered" testbed_hear 1 '^call-answered' 40 "$from" || finish
say "phone 1 called phone 2 and was answered; audio for $LAB_SECONDS s"
sleep 1
imsctl gates >"$TESTBED_DIR/gates.txt" 2>&1
imsctl tokens >"$TESTBED_DIR/tokens.txt" 2>&1
ip netns exec pcscf ip -s xfrm state >"$TESTBED_DIR/xfrm.txt" 2>&1
held "phone 1 hangs up" testbed_hear 1 '^call-ended' $((LAB_SECONDS + 40)) "$from"
held "phone 2 is told" testbed_hear 2 '^call-ended' 10
say "phone 1 hung up"
for n in 1 2; do
    rtp=$(grep '^rtp ' "$TESTBED_DIR/phone$n.log" | tail -1)
    say "phone $n: ${rtp:-no media}"
    received=$(sed -n 's/.* received=\([0-9]*\).*/\1/p' <<<"$rtp")
    held "phone $n hears the other without a gap" \
        eval '[ "${received:-0}" -ge $((LAB_SECONDS * 30)) ] && [[ $rtp == *" lost=0 wrong=0" ]]'
done

# ---- the answers to: what was that? -------------------------------------------------------------------------------------
title "the call"
imsctl ladder "$(testbed_impu 1)" || bad+=("ladder")
title "security associations of the P-CSCF, while the call was up"
awk '/^src/ { split($0, w); pair = $2 " -> " $4 }
     /proto esp/ { spi = $4; sub(/\(.*/, "", spi) }
     /sel src/ { sport = dport = ""; for (i = 1; i < NF; i++) { if ($i == "sport") sport = $(i+1); if ($i == "dport") dport = $(i+1) } }
     /lifetime current/ { getline; if (spi) printf "%-26s %-12s ports %5s -> %-5s %8s %-10s %s %s\n", pair, spi, sport, dport, $1, $2, $3, $4; spi = "" }' \
    "$TESTBED_DIR/xfrm.txt" | tr -d '(),'
title "authorization tokens, while the call was up"
cat "$TESTBED_DIR/tokens.txt"
title "gates, while the call was up"
cat "$TESTBED_DIR/gates.txt"
title "charging records"
for ((i = 0; i < 100; i++)); do
    imsctl cdr list >"$TESTBED_DIR/cdr.txt" 2>&1
    imsctl cdr export --format json >"$TESTBED_DIR/cdr.json" 2>&1
    [ "$(grep -c '"role' "$TESTBED_DIR/cdr.json")" -ge 2 ] && break
    sleep 0.1
done
cat "$TESTBED_DIR/cdr.txt"
held "there is a record of each half" eval '[ "$(grep -c "\"role" "$TESTBED_DIR/cdr.json")" -ge 2 ]'
held "no key went to a phone" eval '! grep -q "^violation" "$TESTBED_DIR"/phone*.log'
held "each leg's phone was given a token" eval '[ "$(cat "$TESTBED_DIR"/phone[12].log | grep -c "^media-authorization")" -ge 2 ]'

if [ "$LAB_KEEP" = 1 ]; then
    title "it goes on running; leave with 'exit'"
    echo "imsctl status | registrations | calls | tokens | gates | subscriber list | cdr list | ladder $(testbed_impu 1)"
    echo "phone 1:  testbed_say 1 'call $(testbed_impu 2) 10'    its events: $TESTBED_DIR/phone1.log"
    export -f imsctl testbed_say testbed_impu testbed_imsi
    export testbed_run testbed_realm
    PS1='lab# ' bash --norc
fi

# ---- down ---------------------------------------------------------------------------------------------------------------
for ((n = 1; n <= LAB_PHONES; n++)); do testbed_say $n deregister; done
for ((n = 1; n <= LAB_PHONES; n++)); do
    held "phone $n deregisters" testbed_hear $n '^deregistered' 40 || tail -2 "$TESTBED_DIR/phone$n.log"
done
say "all phones deregistered"
finish
