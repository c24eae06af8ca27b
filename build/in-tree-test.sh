#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds this checkout the other way: as modules/ssl of httpd's source tree, with
# httpd's own buildconf and configure --enable-ssl. The source comes from Debian
# (apt-get source, without any change to the system's package lists); the mod_ssl
# in it is not even unpacked.
#
#   in-tree-test.sh [--static] [--work DIR] [--httpd-tar FILE] [--modules DIR]
#
# --static links the module into httpd and therefore builds all of httpd.
# --modules names another folder to put in as modules/ssl (default: this checkout).
# Exit status 0: the module was built, and an httpd loads it (shared: the
# installed one, if there is one; static: the one just built).
set -u

top=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P) || exit 1
work=${TMPDIR:-/tmp}/mod_ssl-in-tree-$(id -u)
folder=$top
tarball=
linkage=shared
limit=1500

die() {
    echo "in-tree-test.sh: $1" >&2
    exit 1
}

while [ $# -gt 0 ]; do
    case $1 in
        --static) linkage=static ;;
        --work) work=$2; shift ;;
        --httpd-tar) tarball=$(realpath -e -- "$2") || exit 1; shift ;;
        --modules) folder=$(realpath -e -- "$2") || exit 1; shift ;;
        --help) sed -n '4,15s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) die "unknown option: $1" ;;
    esac
    shift
done

mkdir -p "$work" || exit 1
[ -O "$work" ] || die "$work belongs to someone else"
work=$(cd -- "$work" && pwd -P)
log=$work/log
: >"$log"

# step TEXT COMMAND...: with the time that is left; the output goes to the log.
step() {
    local text=$1 left
    shift
    left=$((limit - SECONDS))
    printf '%-44s ' "$text ..."
    if [ "$left" -gt 0 ] && timeout "$left" "$@" >>"$log" 2>&1 </dev/null; then
        echo ok
    else
        echo FAILED
        grep -nE 'error[: ]|undefined|No such file' "$log" | tail -n 20 | sed 's/^/    /' >&2
        echo "    ... all of it: $log" >&2
        exit 1
    fi
}

fetch() {
    local apt=$work/apt version
    mkdir -p "$apt"/lists/partial "$apt"/cache/archives/partial
    cat >"$apt/sources.list" <<EOF
deb-src http://deb.debian.org/debian bookworm main
deb-src http://deb.debian.org/debian-security bookworm-security main
EOF
    local options=(-q -o "Dir::Etc::sourcelist=$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null
        -o "Dir::State::lists=$apt/lists" -o "Dir::Cache=$apt/cache")
    cd "$work" || return 1
    apt-get "${options[@]}" update || return 1
    # A mirror may list a version that it does not have: then the next older one.
    for version in $(apt-cache "${options[@]}" showsrc apache2 | sed -n 's/^Version: //p' | sort -Vru); do
        if apt-get "${options[@]}" source --download-only --tar-only "apache2=$version"; then
            return 0
        fi
    done
    return 1
}

tree=$work/httpd
if [ -z "$tarball" ]; then
    tarball=$(find "$work" -maxdepth 1 -name 'apache2_*.orig.tar.*z*' ! -name '*.asc' | sort -V | tail -n 1)
fi
if [ -z "$tarball" ]; then
    export -f fetch
    export work
    step "fetch httpd's source" bash -c fetch
    tarball=$(find "$work" -maxdepth 1 -name 'apache2_*.orig.tar.*z*' ! -name '*.asc' | sort -V | tail -n 1)
    [ -n "$tarball" ] || die "apt-get source left no tarball in $work"
fi

step "packages to build with" "$top/build/deps.sh" build
for tool in autoconf libtoolize; do
    command -v $tool >/dev/null || die "$tool is missing: apt-get install autoconf automake libtool python3 libpcre2-dev"
done

rm -rf "$tree"
mkdir -p "$tree"
step "unpack $(basename "$tarball"), without modules/ssl" \
    tar -xf "$tarball" -C "$tree" --strip-components=1 --exclude='*/modules/ssl/*' --exclude='*/test/modules/*'
mkdir -p "$tree/modules/ssl"
[ -z "$(ls -A "$tree/modules/ssl")" ] || die "something was unpacked into modules/ssl"
cp "$folder"/*.c "$folder"/*.h "$tree/modules/ssl/" || exit 1
cp "$top/config.m4" "$top/Makefile.in" "$tree/modules/ssl/" || exit 1

cd "$tree" || exit 1
# With the APR that Debian's packages provide, like the installed httpd.
step buildconf ./buildconf --with-apr=apr-1-config
step "configure --enable-ssl=$linkage" ./configure --prefix="$work/inst" --enable-ssl="$linkage" \
    --enable-mods-shared=few --with-apr=/usr/bin/apr-1-config --with-apr-util=/usr/bin/apu-1-config
# Headers of the server come before the modules that include them.
if [ "$linkage" = static ]; then
    step "make (all of httpd)" make
    ./httpd -l | grep -q mod_ssl.c || die "mod_ssl.c is not in httpd -l"
    step "httpd -t with SSL directives" bash -c 'printf "ServerRoot %s\nListen 127.0.0.1:1\nErrorLog /dev/null\nSSLRandomSeed startup builtin\n" "'"$work"'" >"'"$work"'/t.conf"
        ./httpd -t -f "'"$work"'/t.conf"'
    echo "mod_ssl is linked into $tree/httpd"
    exit 0
fi
step "make in modules/ssl" make -C modules/ssl shared-build
module=$tree/modules/ssl/.libs/mod_ssl.so
[ -f "$module" ] || die "there is no $module"
exported=$(nm -D --defined-only "$module" | awk '{print $3}' | tr '\n' ' ')
[ "$exported" = "ssl_module " ] || die "exports $exported instead of ssl_module alone"
echo "built $module"
if [ -x /usr/sbin/apache2 ]; then
    step "the installed httpd loads it" bash -c 'printf "ServerRoot %s\nLoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so\nLoadModule ssl_module %s\nListen 127.0.0.1:1\nErrorLog /dev/null\nDefaultRuntimeDir %s\n" "'"$work"'" "'"$module"'" "'"$work"'" >"'"$work"'/t.conf"
        /usr/sbin/apache2 -t -f "'"$work"'/t.conf"'
fi
