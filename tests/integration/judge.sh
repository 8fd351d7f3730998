#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# tests/integration/judge.sh CAPTURE PHONES: tshark judges a capture of tools/lab; ESP is read with the profile CAPTURE.wireshark.
# One line for each thing that must hold; a non-zero status when one does not.
set -u
capture=$1 phones=$2
keys=$capture.wireshark/esp_sa
bad=0

check() { # WHAT GOT WANTED
    if [ "$2" = "$3" ]; then
        echo "ok    $1: $2"
    else
        echo "WRONG $1: got '$2', wanted '$3'"
        bad=1
    fi
}
at_least() { # WHAT GOT WANTED
    if [ "${2:-0}" -ge "$3" ]; then
        echo "ok    $1: $2"
    else
        echo "WRONG $1: got '$2', wanted at least $3"
        bad=1
    fi
}

[ -s "$capture" ] && [ -s "$keys" ] || {
    echo "judge: $capture or $keys is missing" >&2
    exit 2
}
# The profile as a user has it for what the two ends see; an empty one for what anybody on the wire sees.
profile=$(mktemp -d)
trap 'rm -rf "$profile"' EXIT
export HOME=$profile

# What tshark refuses (a field it does not know) counts as nothing found: the last check says so.
look() {
    WIRESHARK_CONFIG_DIR=$1 tshark -n -r "$capture" "${@:2}" -T fields 2>"$profile/said" ||
        { tr '\n' ' ' <"$profile/said" && echo "${@:2}"; } >>"$profile/refused"
}
outside() { look "$profile" -o esp.enable_null_encryption_decode_heuristic:FALSE -Y "$@"; }
inside() { look "$capture.wireshark" -Y "$@"; }
count() { grep -c . || true; }
gm='ip.addr==10.46.1.0/24'

# ---- nothing of SIP outside ESP but the first REGISTER and its 401 ----------------------------------------------------
check "SIP on Gm outside ESP that is not REGISTER or its 401" \
    "$(outside "sip && $gm && !(sip.CSeq.method == \"REGISTER\" && (sip.Method == \"REGISTER\" || sip.Status-Code == 401 || sip.Status-Code == 100))" -e frame.number | count)" 0
check "phones whose first REGISTER was seen in clear" \
    "$(outside "sip.Method == \"REGISTER\" && $gm" -e ip.src | sort -u | count)" "$phones"
check "clear REGISTERs with an answer to the challenge" \
    "$(outside "sip.Method == \"REGISTER\" && $gm && sip.auth.digest.response matches \"[0-9a-f]{8}\"" -e frame.number | count)" 0
at_least "ESP packets" "$(outside "esp" -e frame.number | count)" $((phones * 6))
check "SPIs in use (4 for each phone)" "$(outside "esp" -e esp.spi | sort -u | count | awk -v n="$phones" '{ print ($1 >= 2 * n && $1 <= 4 * n) ? "yes" : $1 }')" yes

# ---- inside ESP --------------------------------------------------------------------------------------------------------
check "ESP packets whose integrity check fails" "$(inside "esp.icv_bad == 1" -e frame.number | count)" 0
at_least "ESP packets whose integrity check is good" "$(inside "esp.icv_good == 1" -e frame.number | count)" $((phones * 6))
at_least "SIP messages read inside ESP" "$(inside "esp && sip" -e frame.number | count)" $((phones * 4))
check "ck or ik on Gm" "$(inside "sip && $gm && sip.WWW-Authenticate matches \"[, ](ck|ik)=\"" -e frame.number | count)" 0
at_least "ck and ik on Mw (where they belong)" \
    "$(inside "sip && !($gm) && sip.WWW-Authenticate matches \"[, ]ck=\"" -e frame.number | count)" "$phones"
check "Security headers on Mw" \
    "$(inside 'sip && !('"$gm"') && (sip.Security-Client || sip.Security-Verify || sip.Security-Server)' -e frame.number | count)" 0

# ---- nothing malformed ---------------------------------------------------------------------------------------------------
check "malformed frames" "$(inside '_ws.malformed' -e frame.number -e _ws.col.Info | count)" 0
check "Diameter frames with errors" "$(inside 'diameter && _ws.expert.severity == 8388608' -e frame.number | count)" 0
check "SIP frames with errors" "$(inside 'sip && _ws.expert.severity == 8388608' -e frame.number -e _ws.expert.message | count)" 0
at_least "RTP packets on the phones' side" "$(inside "rtp && $gm" -e frame.number | count)" 200
at_least "RTP packets between the two halves" "$(inside "rtp && !($gm)" -e frame.number | count)" 200
check "RTP packets with errors" "$(inside 'rtp && _ws.malformed' -e frame.number | count)" 0

# ---- one token, the same everywhere ---------------------------------------------------------------------------------------
hex() { tr -d ':' | tr 'A-F' 'a-f' | tr ',' '\n' | grep . | sort -u; }
issued=$(inside 'diameter.cmd.code == 265 && diameter.flags.request == 0' -e diameter.Authorization-Token | hex)
# QoS-Authorization-Data: a field that tshark 4.0 does not know yet must not be asked for by its name.
named=$(tshark -G fields 2>/dev/null | cut -f3 | grep -x 'diameter.QoS-Authorization-Data')
# tshark has no name for QoS-Authorization-Data: among what it shows raw, the token is what begins as one (RFC 3520 2).
asked=$(inside 'diameter.cmd.code == 326 && diameter.flags.request == 1' -e "${named:-diameter.avp.unknown}" | tr '\t' '\n' | hex)
given=$(inside 'sip.P-Media-Authorization' -e sip.P-Media-Authorization | hex)
at_least "tokens in AAA" "$(count <<<"$issued")" 2
check "tokens the edge asked about" "$(echo $asked)" "$(echo $issued)"
# RFC 3313 5: the policy element without its Length (the first four hex digits).
without_length() { sed 's/^00..0004/0004/' | sort -u; }
check "tokens the phones were given" "$(without_length <<<"$given" | tr '\n' ' ')" "$(without_length <<<"$issued" | tr '\n' ' ')"
check "questions tshark refused" "$(cat "$profile/refused" 2>/dev/null)" ""
exit $bad
