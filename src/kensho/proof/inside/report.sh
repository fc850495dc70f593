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

# The drivers from a device up to its bus, nearest first: vda is "virtio_blk,virtio-pci".
drivers() {
    at=$(readlink -f "$1")
    found=
    while [ -n "$at" ] && [ "$at" != / ] && [ "$at" != /sys ]; do
        if [ -e "$at/driver" ]; then
            name=$(basename "$(readlink -f "$at/driver")")
            found=${found:+$found,}$name
        fi
        at=$(dirname "$at")
    done
    echo "$found"
}

# The disk that the root is on, below device mapper and RAID.
disk_of_root() {
    source=$(awk '$5 == "/" { for (i = 7; i < NF; i++) if ($i == "-") print $(i + 2) }' \
        /proc/self/mountinfo | tail -n 1)
    at=/sys/class/block/$(basename "$(readlink -f "${source%%\[*}")")
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
        case "$(ip -4 -o addr show dev "$(basename "$net")" 2>/dev/null)" in *inet*) return 0 ;; esac
    done
    return 1
}

while [ "$wait" -gt 0 ] && ! addressed; do
    sleep 1
    wait=$((wait - 1))
done
set -- $(disk_of_root)
firmware=bios
[ -d /sys/firmware/efi ] && firmware=uefi
report() {
    echo
    echo "kensho-report system kernel=$(uname -r) firmware=$firmware"
    echo "kensho-report root source=${1:-} drivers=$(drivers "${2:-/}")"
    for net in /sys/class/net/*; do
        [ -e "$net/device" ] || continue
        name=$(basename "$net")
        address=$(ip -4 -o addr show dev "$name" 2>/dev/null | awk '{ print $4; exit }')
        echo "kensho-report nic name=$name drivers=$(drivers "$net/device")" \
            "mac=$(cat "$net/address") state=$(cat "$net/operstate") address=$address"
    done
    if command -v systemctl >/dev/null 2>&1; then
        systemctl --failed --no-legend --plain 2>/dev/null |
            awk '{ print "kensho-report failed unit=" $1 }'
    fi
    echo "kensho-report end"
}

# Whoever asks for a login there hangs the port up first (vhangup(2)), and what was being said is lost.
for pause in 0 $again; do
    sleep "$pause"
    said=$(report "$@")
    { echo "$said"; } >"$port" 2>/dev/null
done
exit 0
