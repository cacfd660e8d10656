#!/bin/sh
# Install, upgrade or roll back the gateway on Debian 12 or 64-bit Raspberry Pi OS. Run as root.
#
#   deploy/install.sh                install or upgrade from this folder
#   deploy/install.sh --rollback     go back to the release before
#
# Running it again changes nothing. A release is built beside the running one, tried, and only then put in
# its place; if the service does not come up with it, the release before takes over again.
# What belongs to the site is never touched: /etc/zhijiao, /etc/udev, /etc/systemd, /var/lib/zhijiao.
set -eu
umask 022

usage() {
    cat <<'TEXT'
usage: install.sh [options]
       install.sh --rollback [--root DIR]

  --wheel FILE    the gateway's wheel (default: the only dist/zhijiao_gateway-*.whl)
  --lock FILE     its dependencies with hashes (default: requirements/runtime.lock)
  --wheels DIR    take the dependencies from this folder, use no network
  --python FILE   Python 3.11 or newer (default: /usr/bin/python3)
  --root DIR      install below DIR for an image or a test: starts and asks nothing of this machine
  --observe S     seconds the service must stay up after an upgrade (default: 30)
TEXT
}

say() { printf '%s\n' "install.sh: $*"; }
die() {
    printf '%s\n' "install.sh: $*" >&2
    exit 1
}

here=$(cd "$(dirname "$0")" && pwd)
source_dir=$(dirname "$here")
root='' wheel='' wheels='' python=/usr/bin/python3 observe_s=30 action=install
lock=$source_dir/requirements/runtime.lock

while [ $# -gt 0 ]; do
    case $1 in
    --rollback) action=rollback ;;
    --help | -h) usage && exit 0 ;;
    --wheel | --lock | --wheels | --python | --root | --observe)
        [ $# -ge 2 ] || die "$1 needs a value"
        case $1 in
        --wheel) wheel=$2 ;;
        --lock) lock=$2 ;;
        --wheels) wheels=$2 ;;
        --python) python=$2 ;;
        --root) root=$2 ;;
        --observe) observe_s=$2 ;;
        esac
        shift
        ;;
    *)
        usage >&2
        exit 2
        ;;
    esac
    shift
done

if [ -n "$root" ]; then
    mkdir -p "$root"
    root=$(cd "$root" && pwd)
fi
app=$root/usr/lib/zhijiao
releases=$app/releases

# --- what is needed --------------------------------------------------------------------------------------

check_machine() {
    [ "$(id -u)" = 0 ] || die "run it as root: sudo $0"
    case $(uname -m) in
    aarch64 | x86_64) ;;
    *) die "$(uname -m): needs a 64-bit system (Raspberry Pi OS 64-bit); there are no wheels for others" ;;
    esac
    for program in systemd-sysusers systemd-tmpfiles sha256sum; do
        command -v "$program" >/dev/null || die "$program is missing: this is for Debian 12 or newer"
    done
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        die "$python is missing or older than 3.11: this is for Debian 12 or newer"
    "$python" -c 'import pip, venv' 2>/dev/null ||
        die "$python has no pip: apt-get install --no-install-recommends python3-pip"
}

check_sources() {
    if [ -z "$wheel" ]; then
        set -- "$source_dir"/dist/zhijiao_gateway-*.whl
        [ $# = 1 ] || die "dist/ holds $# wheels of the gateway; name one with --wheel"
        wheel=$1
    fi
    [ -f "$wheel" ] || die "$wheel: no such wheel; build it with: python3 -m pip wheel --no-deps -w dist ."
    [ -f "$lock" ] || die "$lock: no such file"
    grep -Eq '^[^#]*--hash=sha256:[0-9a-f]{64}' "$lock" || die "$lock: holds no hashes; nothing is installed unchecked"
    [ -z "$wheels" ] || [ -d "$wheels" ] || die "$wheels: no such folder"
}

check_space() {
    need_kib=409600 # a release takes some 150 MiB, twice while upgrading, and the card must not be full
    free_kib=$(df -Pk "$app" | awk 'NR == 2 { print $4 }')
    [ "$free_kib" -ge "$need_kib" ] || die "only $((free_kib / 1024)) MiB free for $app, $((need_kib / 1024)) needed"
}

# --- files of the system ---------------------------------------------------------------------------------

# put SOURCE TARGET: copy if different, owned by root, 0644. Notes it in $changed.
changed=''
put() {
    if cmp -s "$here/$1" "$root$2"; then return; fi
    install -D -m 0644 "$here/$1" "$root$2"
    changed="$changed $2"
}

install_files() {
    put systemd/zhijiao.service /usr/lib/systemd/system/zhijiao.service
    put systemd/sysusers.d/zhijiao.conf /usr/lib/sysusers.d/zhijiao.conf
    put systemd/tmpfiles.d/zhijiao.conf /usr/lib/tmpfiles.d/zhijiao.conf
    put systemd/journald.conf.d/zhijiao.conf /usr/lib/systemd/journald.conf.d/zhijiao.conf
    put udev/60-zhijiao.rules /usr/lib/udev/rules.d/60-zhijiao.rules
    put polkit/50-zhijiao.rules /usr/share/polkit-1/rules.d/50-zhijiao.rules
    put README.md /usr/share/doc/zhijiao/README.md
    put zhijiao.example.toml /usr/share/doc/zhijiao/zhijiao.example.toml
    put udev/61-zhijiao-ports.rules.example /usr/share/doc/zhijiao/61-zhijiao-ports.rules.example
    put systemd/zhijiao.service.d/10-addresses.conf.example /usr/share/doc/zhijiao/10-addresses.conf.example
}

install_config() {
    if [ ! -e "$root/etc/zhijiao/zhijiao.toml" ]; then
        install -D -m 0640 "$here/zhijiao.example.toml" "$root/etc/zhijiao/zhijiao.toml"
        say "wrote /etc/zhijiao/zhijiao.toml from the example: edit it"
    fi
}

# User, folders and modes. tmpfiles.d also sets modes of keys right that were copied by hand.
install_owners() {
    if [ -n "$root" ]; then
        systemd-sysusers --root="$root" zhijiao.conf
        systemd-tmpfiles --root="$root" --create zhijiao.conf
    else
        systemd-sysusers zhijiao.conf
        systemd-tmpfiles --create zhijiao.conf
    fi
}

# --- the program -----------------------------------------------------------------------------------------

# Version and content: another wheel, lock file or Python of the same version makes another release.
release_name() {
    version=$(basename "$wheel" | cut -d- -f2)
    content=$({
        cat "$wheel" "$lock"
        "$python" -c 'import sys; print(sys.version_info[:2])'
    } | sha256sum | cut -c1-8)
    printf '%s-%s\n' "$version" "$content"
}

build_release() {
    release=$releases/$1
    if [ -e "$release/.complete" ]; then return; fi
    say "building release $1"
    rm -rf "$release" # left by a power cut; a virtual environment cannot be moved into place
    mkdir -p "$releases"
    if ! fill_release; then
        rm -rf "$release"
        die "release $1 was not installed; nothing has changed"
    fi
    : >"$release/.complete"
    sync -f "$release"
}

fill_release() {
    "$python" -m venv --without-pip "$release" &&
        if [ -n "$wheels" ]; then
            pip_install --no-index --find-links "$wheels" --require-hashes -r "$lock"
        else
            pip_install --require-hashes -r "$lock"
        fi &&
        pip_install --no-index --no-deps "$wheel" &&
        pip check &&
        "$release/bin/zhijiao" --help >/dev/null
}

# The system's pip, working on the release: what the service can import holds no installer.
pip() { "$python" -m pip --python "$release/bin/python" --disable-pip-version-check --no-input "$@"; }

# No source packages: the box has no compiler, and an sdist runs code of its own while installing.
pip_install() { pip install --quiet --no-cache-dir --only-binary :all: "$@"; }

# point NAME TARGET: an atomic change of a link in $app.
point() {
    ln -sfn "$2" "$app/.$1.new"
    mv -T "$app/.$1.new" "$app/$1"
}

current() { basename "$(readlink "$app/venv" 2>/dev/null || true)"; }
previous() { basename "$(readlink "$app/previous" 2>/dev/null || true)"; }

switch_to() {
    was=$(current)
    [ "$was" != "$1" ] || return 0
    if [ -n "$was" ]; then point previous "releases/$was"; fi
    point venv "releases/$1"
    sync -f "$app"
}

remove_old_releases() {
    for folder in "$releases"/*; do
        case $(basename "$folder") in
        "$(current)" | "$(previous)") ;;
        *) rm -rf "$folder" ;;
        esac
    done
}

# --- the service -----------------------------------------------------------------------------------------

was_running() { [ -z "$root" ] && systemctl is-active --quiet zhijiao.service; }

# Up means: it said READY, and is still the same process after a while.
restart_and_watch() {
    systemctl restart zhijiao.service || return 1
    before=$(systemctl show --property=NRestarts --value zhijiao.service)
    sleep "$observe_s"
    systemctl is-active --quiet zhijiao.service &&
        [ "$(systemctl show --property=NRestarts --value zhijiao.service)" = "$before" ]
}

tell_system() {
    if [ -n "$root" ]; then
        systemctl --root="$root" --quiet enable zhijiao.service
        return
    fi
    systemctl daemon-reload
    systemctl --quiet enable zhijiao.service
    case $changed in
    */udev/rules.d/*)
        { udevadm control --reload && udevadm trigger --subsystem-match=tty; } ||
            say "udev did not answer; its rules count from the next boot"
        ;;
    esac
    case $changed in *journald*) systemctl try-restart systemd-journald.service ;; esac
}

warn_about_neighbours() {
    [ -z "$root" ] || return 0
    if [ -e /usr/lib/udev/rules.d/90-brltty-device.rules ]; then
        say "brltty is installed and takes CH340 adapters for Braille displays: apt-get purge brltty"
    fi
}

install_all() {
    check_machine
    check_sources
    mkdir -p "$app"
    check_space
    name=$(release_name)
    build_release "$name"

    running=no
    if was_running; then running=yes; fi
    old=$(current)
    older=$(previous)
    install_files
    install_config
    install_owners
    switch_to "$name"
    [ -e "$root/usr/bin/zhijiao" ] || {
        mkdir -p "$root/usr/bin"
        ln -s ../lib/zhijiao/venv/bin/zhijiao "$root/usr/bin/zhijiao"
    }
    tell_system
    warn_about_neighbours

    if [ "$running" = yes ] && needs_restart && ! restart_and_watch; then
        fall_back
    fi
    remove_old_releases
    say "release $name is in place"
    if [ -z "$root" ] && [ "$running" = no ]; then
        say "next: edit /etc/zhijiao/zhijiao.toml, put the keys in, then: systemctl start zhijiao"
        say "step by step: /usr/share/doc/zhijiao/README.md"
    fi
}

needs_restart() {
    [ "$old" = "$name" ] || return 0
    case $changed in */system/zhijiao.service*) return 0 ;; esac
    return 1
}

fall_back() {
    say "release $name did not stay up; its last lines:" >&2
    journalctl --unit=zhijiao --no-pager --lines=20 >&2 || true
    { [ -n "$old" ] && [ "$old" != "$name" ]; } || die "there is no release before it; the service goes on trying"
    switch_to "$old"
    if [ -n "$older" ]; then point previous "releases/$older"; else rm -f "$app/previous"; fi
    restart_and_watch || die "release $old does not stay up either: see 'An upgrade failed' in the README"
    die "went back to release $old, which runs"
}

roll_back() {
    check_machine
    target=$(previous)
    { [ -n "$target" ] && [ -e "$releases/$target/.complete" ]; } || die "there is no release to go back to"
    running=no
    if was_running; then running=yes; fi
    switch_to "$target"
    if [ "$running" = yes ]; then
        restart_and_watch || die "release $target does not stay up: see 'An upgrade failed' in the README"
    fi
    say "release $target is in place; --rollback again goes forward"
}

case $action in
install) install_all ;;
rollback) roll_back ;;
esac
