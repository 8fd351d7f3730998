#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# tests/interop/ipsec_phone/phone.sh: a phone of stock parts, none of them ours: sipp speaks SIP, osmo-auc-gen is the card,
# ip xfrm installs the security associations, md5sum computes the digest. Runs in the phone's network namespace.
#
# Environment: IMPI IMPU REALM K OP LOCAL_IP PCSCF_IP SHIM (port_asymmetry.so) WORK (a writable folder)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
export LOCAL_IP PORT_UC=7004 PORT_US=7005
spi_uc=20001 spi_us=20002
keys=(-key realm "$REALM" -key impi "$IMPI" -key impu "$IMPU" -key port_uc $PORT_UC -key port_us $PORT_US
    -key spi_uc $spi_uc -key spi_us $spi_us)
cd "$WORK"

sipp "$PCSCF_IP:5060" -i "$LOCAL_IP" -p 5060 -sf "$here/challenge.xml" -m 1 -nostdin -cid_str 'ipsecphone-%s' \
    "${keys[@]}" -key out "$WORK/challenge" -timeout 20 >sipp1.out 2>&1 || { tail -5 sipp1.out; echo "phone: no usable 401"; exit 1; }
# sipp does not wait for what it runs.
for ((i = 0; i < 200; i++)); do
    [ "$(cat challenge 2>/dev/null | wc -l)" -lt 2 ] || break
    sleep 0.05
done
nonce=$(sed -n 1p challenge | tr -d '\r')
server=$(sed -n 2p challenge | tr -d '\r')
echo "Security-Server: $server"

# The first alternative that was offered: hmac-sha-1-96 with aes-cbc.
chosen=$(tr ',' '\n' <<<"$server" | grep -i 'alg=hmac-sha-1-96' | grep -i 'ealg=aes-cbc' | head -1)
value() { tr ';' '\n' <<<"$chosen" | sed -n "s/^ *$1=\"\{0,1\}\([0-9]*\).*/\1/p"; }
spi_ps=$(value spi-s) spi_pc=$(value spi-c) PORT_PS=$(value port-s) port_pc=$(value port-c)
export PORT_PS
[ -n "$spi_ps" ] && [ -n "$spi_pc" ] && [ -n "$PORT_PS" ] && [ -n "$port_pc" ] || { echo "phone: Security-Server is not usable"; exit 1; }

hex=$(base64 -d <<<"$nonce" | od -An -v -tx1 | tr -d ' \n')
aka=$(osmo-auc-gen -3 -a milenage -k "$K" -O "$OP" -f 8000 -s 0 -r "${hex:0:32}")
key() { awk -v k="$1:" '$1 == k { print $2 }' <<<"$aka"; }
res=$(key RES) ck=$(key CK) ik=$(key IK)

sa() { # SRC DST SPI SPORT DPORT DIRECTION REQID
    ip xfrm state add src "$1" dst "$2" proto esp spi "$3" reqid "$7" mode transport \
        auth-trunc 'hmac(sha1)' "0x${ik}00000000" 96 enc 'cbc(aes)' "0x$ck"
    ip xfrm policy add src "$1/32" dst "$2/32" proto 17 sport "$4" dport "$5" dir "$6" \
        tmpl src "$1" dst "$2" proto esp reqid "$7" mode transport
}
sa "$LOCAL_IP" "$PCSCF_IP" "$spi_ps" $PORT_UC "$PORT_PS" out 1
sa "$PCSCF_IP" "$LOCAL_IP" $spi_uc "$PORT_PS" $PORT_UC in 2
sa "$PCSCF_IP" "$LOCAL_IP" $spi_us "$port_pc" $PORT_US in 3
sa "$LOCAL_IP" "$PCSCF_IP" "$spi_pc" $PORT_US "$port_pc" out 4

cnonce=0a4f113b
ha1=$( (printf '%s:%s:' "$IMPI" "$REALM"; printf %b "$(sed 's/../\\x&/g' <<<"$res")") | md5sum | cut -c1-32)
ha2=$(printf 'REGISTER:sip:%s' "$REALM" | md5sum | cut -c1-32)
response=$(printf '%s:%s:00000001:%s:auth:%s' "$ha1" "$nonce" $cnonce "$ha2" | md5sum | cut -c1-32)
credentials="Digest username=\"$IMPI\",realm=\"$REALM\",uri=\"sip:$REALM\",nonce=\"$nonce\",response=\"$response\",algorithm=AKAv1-MD5,qop=auth,nc=00000001,cnonce=\"$cnonce\""

LD_PRELOAD=$SHIM sipp "$PCSCF_IP:$PORT_PS" -i "$LOCAL_IP" -p $PORT_US -sf "$here/protected.xml" -m 1 -nostdin \
    -cid_str 'ipsecphone-%s' "${keys[@]}" -key expires 600 -key credentials "$credentials" -key verify "$server" -timeout 20 \
    >sipp2.out 2>&1 || { tail -5 sipp2.out; echo "phone: the protected REGISTER was not answered with 200"; exit 1; }
echo "registered over ESP"
