#!/bin/sh
# kensho: says on the first serial port what this system started from. It is here for one proof, on an
# overlay that is thrown away; the machine's own disks do not have it.
set -u
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL
port=${KENSHO_PORT:-/dev/ttyS0}
wait=${KENSHO_WAIT:-45}
again="3 6" # seconds after which it is said once more
[ "$wait" -gt 0 ] || again=

# Under emulation a process more costs a tenth of a second, so there are few here.
# The drivers from a device up to its bus, nearest first: vda is "virtio_blk,virtio-pci".
drivers() {
    at=$(readlink -f "$1")
    found=
    while [ -n "$at" ] && [ "$at" != /sys ]; do
        if [ -e "$at/driver" ]; then
            name=$(readlink "$at/driver")
            found=${found:+$found,}${name##*/}
        fi
        at=${at%/*}
    done
    echo "$found"
}

# The disk that the root is on, below device mapper and RAID. A kernel without an initramfs calls it
# /dev/root, which is not there, and btrfs has a number that no disk has: by number, then by name.
disk_of_root() {
    set -- $(awk '$5 == "/" { for (i = 7; i < NF; i++) if ($i == "-") print $3, $(i + 2) }' \
        /proc/self/mountinfo | tail -n 1)
    source=${2:-}
    at=/sys/dev/block/${1:-}
    [ -e "$at" ] || at=/sys/class/block/$(basename "$(readlink -f "${source%%\[*}")")
    for level in 1 2 3 4; do
        for under in "$at"/slaves/*; do
            [ -e "$under" ] && at=$under && break
        done
    done
    echo "$source $at"
}

addressed() {
    for net in /sys/class/net/*; do
        [ -e "$net/device" ] || continue
        case "$(ip -4 -o addr show dev "${net##*/}" 2>/dev/null)" in *inet*) return 0 ;; esac
    done
    return 1
}

driven() {
    for net in /sys/class/net/*; do
        [ -e "$net/device" ] && return 0
    done
    return 1
}

# By the clock, for a guest that gets little of a processor takes longer than it sleeps.
seconds() {
    read -r since _ </proc/uptime
    echo "${since%%.*}"
}

# Without a driver for any adapter there will be no address: ten seconds are enough for one to come.
begun=$(seconds)
while spent=$(($(seconds) - begun)) && [ "$spent" -lt "$wait" ] && ! addressed; do
    sleep 1
    [ "$spent" -lt 10 ] || driven || break
done
set -- $(disk_of_root)
firmware=bios
[ -d /sys/firmware/efi ] && firmware=uefi
report() {
    echo "system kernel=$(uname -r) firmware=$firmware"
    echo "root source=${1:-} drivers=$(drivers "${2:-/}")"
    for net in /sys/class/net/*; do
        [ -e "$net/device" ] || continue
        name=${net##*/}
        mac=
        state=
        read -r mac <"$net/address"
        read -r state <"$net/operstate"
        address=$(ip -4 -o addr show dev "$name" 2>/dev/null | awk '{ print $4; exit }')
        echo "nic name=$name drivers=$(drivers "$net/device")" \
            "mac=$mac state=$state address=$address"
    done
    if command -v systemctl >/dev/null 2>&1; then
        systemctl --failed --no-legend --plain 2>/dev/null | awk '{ print "failed unit=" $1 }'
    fi
}

# The checksum of cksum(1), 0 where there is none.
sum() {
    set -- $(printf '%s' "$1" | cksum 2>/dev/null)
    echo "${1:-0}"
}

# Others write to the port, too, and in between: each line has a checksum of its own, that of the whole
# report, its number, and how many there are.
numbered() {
    whole=$(sum "$1")
    total=$(echo "$1" | wc -l)
    number=0
    echo
    echo "$1" | while read -r line; do
        number=$((number + 1))
        line="$whole $number/$((total)) $line"
        echo "kensho-report $(sum "$line") $line"
    done
    echo "kensho-report end"
}

# Whoever asks for a login there hangs the port up first (vhangup(2)), and what was being said is lost.
for pause in 0 $again; do
    sleep "$pause"
    said=$(numbered "$(report "$@")")
    { echo "$said"; } >"$port" 2>/dev/null
done
exit 0
