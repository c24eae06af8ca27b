#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# make-test-cert.sh DIR [NAME...]: makes a test CA (ca.crt, ca.key) and a server
# certificate issued by it (server.crt, server.key) in DIR, for these host names
# and IP addresses; without any for localhost, 127.0.0.1, ::1 and this host.
# What is there, for these names, and valid for another week stays as it is, and
# so does a server certificate that this script did not make.
# For tests only: the CA's key lies beside it unencrypted.
set -eu

if [ $# -eq 0 ] || [ "$1" = --help ]; then
    sed -n '4,9s/^# \{0,1\}//p' "$0"
    exit 0
fi
dir=$1
shift

days=365
week=$((7 * 24 * 3600))

command -v openssl >/dev/null 2>&1 || {
    echo "make-test-cert.sh: the openssl command is missing (apt-get install openssl)" >&2
    exit 1
}

if [ $# -eq 0 ]; then
    set -- localhost 127.0.0.1 ::1
    host=$(hostname -f 2>/dev/null || uname -n)
    case $host in
        localhost | '' | *[!A-Za-z0-9.-]*) ;;
        *) set -- "$@" "$host" ;;
    esac
fi

alt_names=
for name in "$@"; do
    case $name in
        *:* | *[0-9].*[0-9].*[0-9].*[0-9])
            case $name in
                *[!0-9a-fA-F:.]*) kind=DNS ;;
                *) kind=IP ;;
            esac
            ;;
        *) kind=DNS ;;
    esac
    case $name in
        *[!A-Za-z0-9.:*_-]* | '') echo "make-test-cert.sh: not a host name: '$name'" >&2; exit 1 ;;
    esac
    alt_names="$alt_names${alt_names:+,}$kind:$name"
done

mkdir -p "$dir"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM
# Keys are never readable to others, not even while they are being written.
umask 077

run() {
    "$@" 2>"$scratch/err" || {
        echo "make-test-cert.sh: failed: $*" >&2
        cat "$scratch/err" >&2
        exit 1
    }
}

is_valid() {
    [ -s "$1.crt" ] && [ -s "$1.key" ] && openssl x509 -in "$1.crt" -noout -checkend $week >/dev/null 2>&1
}

fingerprint() {
    cksum <"$1"
}

new_key() {
    run openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"
}

# Certificates are for everybody to read, and appear whole or not at all.
publish() {
    chmod 644 "$scratch/$1.crt"
    mv -f "$scratch/$1.key" "$dir/$1.key"
    mv -f "$scratch/$1.crt" "$dir/$1.crt"
    echo "made $dir/$1.crt"
}

# A browser tells two CAs of one name and different keys apart badly.
make_ca() {
    new_key "$scratch/ca.key"
    cat >"$scratch/ca.cnf" <<EOF
[req]
distinguished_name = dn
prompt = no
x509_extensions = ca
[dn]
O = mod_ssl test
CN = mod_ssl test CA $(openssl rand -hex 4)
[ca]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
EOF
    run openssl req -new -x509 -sha256 -days $days -config "$scratch/ca.cnf" -key "$scratch/ca.key" \
        -out "$scratch/ca.crt"
    publish ca
}

make_server() {
    new_key "$scratch/server.key"
    # Only the alternative names count for clients; a common name has 64 characters.
    cat >"$scratch/server.cnf" <<EOF
[req]
distinguished_name = dn
prompt = no
[dn]
O = mod_ssl test
CN = $(printf '%.64s' "$1")
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = $alt_names
EOF
    run openssl req -new -config "$scratch/server.cnf" -key "$scratch/server.key" -out "$scratch/server.csr"
    run openssl x509 -req -sha256 -days $days -in "$scratch/server.csr" -CA "$dir/ca.crt" -CAkey "$dir/ca.key" \
        -set_serial "0x$(openssl rand -hex 16 | sed 's/^./4/')" -extfile "$scratch/server.cnf" -extensions server \
        -out "$scratch/server.crt"
    publish server
    fingerprint "$dir/server.crt" >"$dir/server.made"
    echo "$alt_names" >>"$dir/server.made"
}

# What make_server noted about its last certificate: its fingerprint, the names.
noted() {
    sed -n "$1p" "$dir/server.made" 2>/dev/null || true
}

server_is_good() {
    is_valid "$dir/server" && [ "$(noted 2)" = "$alt_names" ] \
        && openssl verify -CAfile "$dir/ca.crt" "$dir/server.crt" >/dev/null 2>&1
}

if [ -s "$dir/server.crt" ] && [ "$(fingerprint "$dir/server.crt")" != "$(noted 1)" ]; then
    echo "kept $dir/server.crt, which someone else made"
    exit 0
fi
is_valid "$dir/ca" || make_ca
server_is_good || make_server "$1"
