# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# tools/testbed/tables.sh: what the programs and the kernel tell, as rows to judge and tables to show. To be sourced. A row is a
# line of values with tabs between them; a value that is missing or empty is "-".

# rows_of_json FILE KEY...: the rows of what `imsctl --json` printed: one a line is how it writes keys and values. An object
# inside another is a row with what the outer one said before it.
rows_of_json() {
    local file=$1
    shift
    awk -v keys="$*" '
        BEGIN { n = split(keys, key, " ") }
        match($0, /^ *"[^"]*": /) {
            name = substr($0, RSTART, RLENGTH); gsub(/^ *"|": $/, "", name)
            value = substr($0, RLENGTH + 1); sub(/,$/, "", value); gsub(/^"|"$/, "", value)
            for (i = 1; i <= n; i++)
                if (key[i] == name) { is[name] = value; fresh = 1 }
        }
        /^ *}/ && fresh {
            for (i = 1; i <= n; i++)
                printf "%s%s", is[key[i]] == "" ? "-" : is[key[i]], i < n ? "\t" : "\n"
            fresh = 0
        }
        /^  }/ { split("", is) }' "$file"
}

# rows_of_xfrm FILE: of `ip -s xfrm state` at the P-CSCF: phone, direction, SPI, ports of phone and P-CSCF, algorithms, packets,
# octets. What only waits for a key (SPI 0) is no association.
rows_of_xfrm() {
    awk -v OFS='\t' '
        function put() {
            if (spi != "" && spi !~ /^0x0+$/)
                print in_ ? src : dst, in_ ? "to P-CSCF" : "to phone", spi, in_ ? sport : dport, in_ ? dport : sport,
                    auth "," enc, packets, octets
            spi = ""
        }
        /^src/ { put(); src = $2; dst = $4; in_ = dst == "10.46.1.10"; auth = enc = sport = dport = "-"; packets = octets = 0 }
        $1 == "proto" { spi = $4; sub(/\(.*/, "", spi) }
        $1 ~ /^auth/ { auth = $2 }
        $1 == "enc" || $1 == "aead" { enc = $2 }
        $1 == "sel" { for (i = 1; i < NF; i++) { if ($i == "sport") sport = $(i + 1); if ($i == "dport") dport = $(i + 1) } }
        /lifetime current/ { getline; octets = $1 + 0; packets = $2 + 0 }
        END { put() }' "$1" | sort
}

# table HEADING...: the rows of standard input under headings, aligned; columns of numbers to the right.
table() {
    local IFS=$'\t'
    { echo "$*"; cat; } | awk -F '\t' '
        { for (i = 1; i <= NF; i++) {
            cell[NR, i] = $i
            if (length($i) > width[i]) width[i] = length($i)
            if (NR > 1 && $i !~ /^[0-9-]+$/) words[i] = 1 }
          columns = NF }
        END {
            for (r = 1; r <= NR; r++) {
                line = ""
                for (i = 1; i <= columns; i++) line = line sprintf("%" (words[i] ? "-" : "") width[i] "s  ", cell[r, i])
                sub(/ +$/, "", line); print line
            }
            if (NR == 1) print "none" }'
}
