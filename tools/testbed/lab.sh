#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# tools/testbed/lab.sh: the inside of tools/lab, run by tools/testbed/enter as root of a kernel with ESP.
set -u
here=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=tools/testbed/testbed.sh
. "$here/tools/testbed/testbed.sh"
# shellcheck source=tools/testbed/tables.sh
. "$here/tools/testbed/tables.sh"

bad=()
started=$SECONDS
dir=$TESTBED_DIR
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

# What the programs complained of, the latest last; slow callbacks are this machine's.
warnings() {
    local name
    for name in pcscf scscf pdp edge; do
        [ -f "$dir/$name.log" ] && grep -E '"level":"(warn|error)"' "$dir/$name.log" | grep -v '"event":"loop.slow"' | tail -n 3
    done
}

finish() {
    local n all warned=''
    [ ${#bad[@]} = 0 ] || warned=$(warnings) # before the end has its own
    for ((n = 1; n <= LAB_PHONES; n++)); do testbed_stop "ue$n"; done
    held "the programs end in order" testbed_stop pcscf scscf edge pdp
    if [ -n "$LAB_CAPTURE" ]; then
        held "the capture is written" testbed_capture_stop "$LAB_CAPTURE"
        [ ! -f "$dir/esp_sa" ] || held "the keys are written" testbed_profile "$LAB_CAPTURE.wireshark"
    fi
    if [ ${#bad[@]} != 0 ]; then
        title "the programs' last warnings"
        echo "${warned:-none}"
    fi
    echo
    if [ ${#bad[@]} = 0 ]; then
        echo "HELD: $LAB_PHONES phones registered over IPsec, called through checked tokens, and the records came out"
        exit 0
    fi
    printf -v all '%s; ' "${bad[@]}"
    echo "FAILED: ${all%; }"
    exit 1
}

# The call did not come about: what there is to see of it.
no_call() {
    say "phone 1: $testbed_heard"
    title "the call"
    imsctl ladder "$(testbed_impu 1)"
    finish
}

# ---- what must be true ------------------------------------------------------------------------------------------------
# All of it reads what was shown to the user: files in $dir.

# ask NAME WORD...: the answer to an imsctl command, as NAME.json.
ask() { imsctl --json "${@:2}" >"$dir/$1.json" 2>>"$dir/imsctl.log"; }
is_empty() { [ "$(tr -d ' \n' <"$dir/$1.json")" = '[]' ]; }

look() { ask tokens tokens && ask gates gates; }
tokens() { rows_of_json "$dir/tokens.json" token icid subscriber state edge flows; }
gates() { rows_of_json "$dir/gates.json" call_id flow gate at from packets refused token; }
associations() { rows_of_xfrm "$dir/xfrm.txt"; }
records() { rows_of_json "$dir/cdr.json" number half calling called seconds status reason icid; }

# Of two halves of a call, each its own token, agreed, for its own phone, and the edge has asked the PDP about it.
tokens_hold() {
    [ "$(tokens | cut -f 3-5 | sort)" = "$(printf '%s\tagreed\tedge.%s\n' \
        "$(testbed_impu 1)" $testbed_realm "$(testbed_impu 2)" $testbed_realm)" ]
}
# What carried packets is up for a token that the PDP knows.
gates_hold() {
    { tokens; echo; gates; } | awk -F '\t' '!/./ { now = 1; next }
        !now { known[$1] = 1; next }
        $6 > 0 && ($3 != "up" || !($8 in known)) { exit bad = 1 } END { exit bad }'
}
# Both directions, both halves, one token a half: all four carry.
media_flows() {
    [ "$(gates | awk -F '\t' '$3 == "up" && $6 > 0 && $2 ~ /media/ { print $8, $2 }' | sort -u | wc -l)" = 4 ]
}
media_is_up() { look && media_flows; }
# Of phone N: the four SPIs its registration names are the four in the kernel, and packets went in both directions.
associations_hold() {
    local address=10.46.1.$((100 + $1))
    [ "$(associations | awk -F '\t' -v a="$address" '$1 == a { print $3 }' | sort)" = \
        "$(rows_of_json "$dir/registrations.json" impi spi_uc spi_us spi_pc spi_ps | grep "^$(testbed_imsi "$1")@" |
            cut -f 2- | tr '\t' '\n' | sort)" ] &&
        [ "$(associations | awk -F '\t' -v a="$address" '$1 == a && $7 > 0 { print $2 }' | sort -u | wc -l)" = 2 ]
}
nothing_is_left() {
    look && is_empty tokens && ! gates | cut -f 3 | grep -qv '^down$'
}
records_are_there() { ask cdr cdr list && [ "$(records | wc -l)" -ge 2 ]; }
# One of each half, of this call (the ICID of its tokens), with both ends and as long as it was.
records_hold() {
    local want
    printf -v want '%s\t%s\t%s\n' originating "$(testbed_impu 1)" "$(testbed_impu 2)" terminating "$(testbed_impu 1)" \
        "$(testbed_impu 2)"
    [ "$(records | cut -f 2-4 | sort)" = "${want%$'\n'}" ] &&
        [ "$(records | cut -f 8 | sort -u)" = "$(cut -f 2 "$dir/tokens.rows" | sort -u)" ] &&
        records | awk -F '\t' -v from="$least" -v to="$most" '$5 < from || $5 > to || $6 != 200 || $7 != "BYE caller" { exit bad = 1 }
            END { exit bad }'
}
media_is_whole() { [ "${received:-0}" -ge $((LAB_SECONDS * 30)) ] && [ "${lost:-1}" = 0 ] && [ "${wrong:-1}" = 0 ]; }
registrations_are_gone() { ask registrations registrations && is_empty registrations; }

# ---- up ---------------------------------------------------------------------------------------------------------------
testbed_up
say "network: phones and P-CSCF on 10.46.1.0/24, core on 10.46.2.0/24, a namespace each"
[ -z "$LAB_CAPTURE" ] || held "capture" testbed_capture || {
    LAB_CAPTURE=''
    finish
}
for sample in "$here"/conf/*.yaml; do testbed_config "$sample" >/dev/null; done
for name in pdp edge scscf pcscf; do
    held "$name starts" testbed_start $name || finish
    say "$name is up (pid $(cat $testbed_run/$name.pid))"
done
for ((n = 1; n <= LAB_PHONES; n++)); do
    held "subscriber $n is added" imsctl subscriber add --impi "$(testbed_imsi $n)@$testbed_realm" \
        --impu "$(testbed_impu $n)" --impu "tel:+1001010$(printf %04d $n)" --k "$(testbed_k $n)" --opc "$(testbed_opc)" \
        >>"$dir/imsctl.log" 2>&1 || {
        tail -n 2 "$dir/imsctl.log"
        finish
    }
done
say "$LAB_PHONES subscribers added with imsctl"

# ---- register -----------------------------------------------------------------------------------------------------------
waiting=()
# Tells of those that have registered since it was last asked.
registered() {
    local n still=()
    for n in "${waiting[@]}"; do
        if testbed_hear $n '^registered ' 0; then
            say "phone $n registered: $(sed -n 's/^sa-installed \(alg=[^ ]* ealg=[^ ]*\).*/\1/p' "$dir/phone$n.log" | tail -n 1)"
        else
            still+=($n)
        fi
    done
    waiting=("${still[@]}")
    [ ${#waiting[@]} = 0 ]
}
for ((n = 1; n <= LAB_PHONES; n++)); do
    held "phone $n starts" testbed_phone $n --transport "$LAB_TRANSPORT" || {
        say "phone $n: $testbed_heard"
        finish
    }
    testbed_say $n register
    waiting+=($n)
    registered
done
testbed_until 40 registered
for n in "${waiting[@]}"; do
    held "phone $n registers" false
    tail -n 3 "$dir/phone$n.log"
done
[ ${#bad[@]} = 0 ] || finish

# ---- call ---------------------------------------------------------------------------------------------------------------
from=$(testbed_mark 1)
now() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); } # milliseconds
called=$(now)
testbed_say 1 "call $(testbed_impu 2)"
held "the call is answered" testbed_hear 1 '^call-answered' 40 "$from" '^call-ended' || no_call
answered=$(now)
say "phone 1 called phone 2 and was answered; audio for $LAB_SECONDS s"
testbed_until 10 media_is_up
left=$((answered + LAB_SECONDS * 1000 - $(now)))
[ $left -le 0 ] || {
    testbed_pause "$((left / 1000)).$(printf %03d $((left % 1000)))"
    look
}
ip netns exec pcscf ip -s xfrm state >"$dir/xfrm.txt" 2>&1
ask registrations registrations
tokens >"$dir/tokens.rows"
tokens_text=$(cut -f 1,3- "$dir/tokens.rows" | table token subscriber state edge flows)
gates_text=$(gates | table call flow gate at from packets refused token)
held "the call stays until it is hung up" eval '! testbed_hear 1 "^call-ended" 0 "$from"' || say "phone 1: $testbed_heard"
# The S-CSCF saw the answer between `called` and `answered`, and sees the end between here and `ended`.
least=$((($(now) - answered) / 1000))
testbed_say 1 hangup
held "phone 1 hangs up" testbed_hear 1 '^call-ended' 40 "$from" || say "phone 1: $testbed_heard"
most=$((($(now) - called) / 1000))
say "phone 1 hung up"
held "each half of the call has a token that the edge has asked about" tokens_hold
held "media passes only gates that are up for a token of the PDP's" gates_hold
held "media passes in both directions at both halves" media_flows
for ((n = 1; n <= LAB_PHONES; n++)); do
    held "phone $n has its four security associations, and both directions are used" associations_hold $n
done
held "phone 2 is told" testbed_hear 2 '^call-ended' 10 || say "phone 2: $testbed_heard"
held "no token is left and every gate is down" testbed_until 5 nothing_is_left
for n in 1 2; do
    other=$((3 - n))
    read -r sent received lost wrong < <(sed -n 's/^rtp sent=\([0-9]*\) received=\([0-9]*\) lost=\([0-9]*\) wrong=\([0-9]*\)$/\1 \2 \3 \4/p' \
        "$dir/phone$n.log" | tail -n 1)
    sent=$(sed -n 's/^rtp sent=\([0-9]*\) .*/\1/p' "$dir/phone$other.log" | tail -n 1)
    say "phone $n heard ${received:-0} of the ${sent:-0} RTP packets of phone $other: ${lost:-?} lost, ${wrong:-?} wrong on the way, the" \
        "others came before the gates were up or after the end"
    held "phone $n hears the other without a gap" media_is_whole
done

# ---- the answers to: what was that? -------------------------------------------------------------------------------------
title "the call"
held "imsctl ladder knows the call" imsctl ladder "$(testbed_impu 1)"
title "security associations of the P-CSCF, while the call was up"
associations | awk -F '\t' -v OFS='\t' '{ sub(/10\.46\.1\./, "", $1); $1 = "phone " ($1 - 100); print }' |
    table phone direction spi "phone's port" "P-CSCF's" algorithms packets octets
title "authorization tokens, while the call was up"
echo "$tokens_text"
title "gates, while the call was up"
echo "$gates_text"
title "charging records"
held "there is a record of each half" testbed_until 10 records_are_there
records | table number half calling called seconds status reason icid
held "the records say who called whom and for how long" records_hold
echo
held "no key went to a phone" eval '! grep -q "^violation" "$dir"/phone*.log'
held "each leg's phone was given a token" eval '[ "$(cat "$dir"/phone[12].log | grep -c "^media-authorization")" -ge 2 ]'

if [ "$LAB_KEEP" = 1 ]; then
    title "it goes on running; leave with 'exit'"
    echo "imsctl status | registrations | calls | tokens | gates | subscriber list | cdr list | ladder $(testbed_impu 1)"
    echo "phone 1:  testbed_say 1 'call $(testbed_impu 2) 10'    its events: $dir/phone1.log"
    export -f imsctl testbed_say testbed_impu testbed_imsi
    export testbed_run testbed_realm
    PS1='lab# ' bash --norc
fi

# ---- down ---------------------------------------------------------------------------------------------------------------
gone=1
for ((n = 1; n <= LAB_PHONES; n++)); do
    mark[n]=$(testbed_mark $n)
    testbed_say $n deregister
done
for ((n = 1; n <= LAB_PHONES; n++)); do
    held "phone $n deregisters" testbed_hear $n '^deregistered' 40 "${mark[n]}" || {
        gone=0
        tail -n 2 "$dir/phone$n.log"
    }
done
held "the P-CSCF knows no registration any more" testbed_until 5 registrations_are_gone || gone=0
[ $gone = 0 ] || say "all phones deregistered"
finish
