#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# deps.sh GROUP...: installs the Debian (or Ubuntu) packages of these groups
# that are missing; says nothing and needs no root when none is.
#
#   run      what ./apachectl needs to serve           build    ... and to build
#   test     what the test suite needs                 browser  tests with a browser
#   bench    what the benchmark compares with          dev      for those who change the module
#
# deps.sh --list GROUP... only prints the missing ones.
set -u

packages_of() {
    case $1 in
        run) echo apache2 openssl ;;
        build) echo apache2 apache2-dev libssl-dev gcc libc6-dev make openssl ;;
        test) echo libapache2-mod-perl2 liblwp-protocol-https-perl libio-socket-ssl-perl libwww-perl curl \
            nghttp2-client libnet-ssleay-perl procps gnutls-bin softhsm2 opensc libengine-pkcs11-openssl \
            memcached redis-server nginx-light haproxy nodejs ;;
        browser) echo chromium libnss3-tools ;;
        bench) echo nginx-light nghttp2-client ;;
        dev) echo clang clang-format valgrind shellcheck ;;
        *) return 1 ;;
    esac
}

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

fail() {
    echo "deps.sh: $1" >&2
    exit 1
}

only_list=no
if [ "${1-}" = --list ]; then
    only_list=yes
    shift
fi
if [ $# -eq 0 ] || [ "$1" = --help ]; then
    sed -n '4,12s/^# \{0,1\}//p' "$0"
    exit 0
fi

packages=
for group in "$@"; do
    packages="$packages $(packages_of "$group")" || fail "unknown group: $group"
done

command -v dpkg-query >/dev/null 2>&1 || fail "this is no Debian system; install by hand:$packages"
missing=
for package in $packages; do
    case " $missing " in
        *" $package "*) continue ;;
    esac
    is_installed "$package" || missing="$missing $package"
done
missing=${missing# }
if [ "$only_list" = yes ]; then
    [ -z "$missing" ] || echo "$missing"
    exit 0
fi
[ -n "$missing" ] || exit 0

[ "$(id -u)" = 0 ] || fail "these packages are missing: $missing
         run as root: apt-get install $missing"

# apt's own lock covers a single command, not the policy below.
if mkdir -p /run/lock 2>/dev/null && command -v flock >/dev/null 2>&1; then
    exec 9>/run/lock/mod_ssl-deps.lock
    flock -w 600 9 || fail "another deps.sh is running"
fi

log=$(mktemp "${TMPDIR:-/tmp}/mod_ssl-deps.XXXXXX") || exit 1

# The packages' scripts would start the system's own servers on port 80.
policy=/usr/sbin/policy-rc.d
made_policy=no
cleanup() {
    if [ "$made_policy" = yes ]; then
        rm -f "$policy"
    fi
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM
if [ ! -e "$policy" ]; then
    made_policy=yes
    printf '#!/bin/sh\n# Temporary, by mod_ssl build/deps.sh: start no services.\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi

# Neither apt nor what it starts shall keep the lock (9<&-) or wait for an answer.
apt() {
    DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=2 "$@" \
        >>"$log" 2>&1 </dev/null 9<&-
}
install_missing() {
    # shellcheck disable=SC2086
    apt install -y --no-install-recommends $missing
}

echo "Installing Debian packages: $missing"
# The lists of packages may be missing or out of date: only then fetch them.
if ! install_missing; then
    apt update
    if ! install_missing; then
        echo "deps.sh: apt-get install failed; the end of $log:" >&2
        tail -n 15 "$log" | sed 's/^/    /' >&2
        exit 1
    fi
fi
rm -f "$log"
