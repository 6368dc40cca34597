#!/usr/bin/env bash
# Puts a real Asterisk 22 of Debian's unstable packages into a folder: tests/asterisk.sh FOLDER
#
# Does nothing if it is there already; several at once wait for the first. Needs mmdebstrap, and root or user name
# spaces. Ends with 0 if it is there, with 3 if it can't be had and why on standard error.
set -uo pipefail

root=${1:?which folder}
mkdir -p "$(dirname "$root")" || exit 3
exec 9>"$root.lock"
flock 9

program=$root/usr/sbin/asterisk
[[ -x $program ]] && exit 0

none() {
    echo "$1" >&2
    exit 3
}

command -v mmdebstrap >/dev/null || none "mmdebstrap is missing"
new=$root.new
rm -rf "$new"
# Unstable's word on how long it is valid is not asked for, since a mirror may lag; its signature is.
mmdebstrap --quiet --variant=minbase --aptopt='Acquire::Check-Valid-Until "false"' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --include=asterisk,asterisk-core-sounds-en-wav,ca-certificates \
    sid "$new" >"$root.log" 2>&1 || none "no package of Asterisk to be had: $(tail -n 1 "$root.log")"
[[ -x $new/usr/sbin/asterisk ]] || none "the package asterisk brought no program"
mv "$new" "$root"
