#!/usr/bin/env bash
# Made by kensho: creates this machine on a Proxmox VE host (7.2 or later). Run it as root,
# in the folder it lies in together with the disk files:
#
#     bash web01-import.sh [VMID] [STORAGE] [BRIDGE]
#
# VMID     number of the new machine; the next free one when left out
# STORAGE  where the disks go; local-lvm when left out
# BRIDGE   where the network adapters are plugged in; vmbr0 when left out
set -euo pipefail

HERE=$(CDPATH="" cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
for file in web01-disk1.qcow2 web01-disk2.qcow2; do
  if [[ ! -f $HERE/$file ]]; then
    echo "missing beside this script: $file" >&2
    exit 1
  fi
done
for tool in qm; do
  command -v "$tool" >/dev/null || { echo "$tool is not installed" >&2; exit 1; }
done

VMID=${1:-$(pvesh get /cluster/nextid)}
STORAGE=${2:-local-lvm}
BRIDGE=${3:-vmbr0}
if [[ $HERE == *,* ]]; then
  echo "qm cannot read files from a folder with a comma in its name: $HERE" >&2
  exit 1
fi

# The machine itself, its processors, memory and network adapters.
qm create "$VMID" \
  --name web01 \
  --ostype l26 \
  --memory 2048 \
  --sockets 2 \
  --cores 2 \
  --cpu host \
  --bios seabios \
  --vga std,memory=16 \
  --scsihw virtio-scsi-pci \
  --smbios1 uuid=564d1234-5678-9abc-def0-1234567890ab \
  --serial0 socket \
  --description 'Made for tests' \
  --net0 virtio=00:50:56:01:02:03,bridge="$BRIDGE" \
  --net1 virtio,bridge="$BRIDGE",tag=12,link_down=1
trap 'echo "stopped; to remove what was made: qm destroy $VMID" >&2' ERR

# The drives: files are copied into the storage.
qm set "$VMID" --scsi0 "$STORAGE:0,import-from=$HERE/"web01-disk1.qcow2,discard=on
qm set "$VMID" --scsi1 "$STORAGE:0,import-from=$HERE/"web01-disk2.qcow2,discard=on
qm set "$VMID" --ide0 none,media=cdrom

# What to start from.
qm set "$VMID" --boot order=scsi0

echo "machine $VMID is ready: qm start $VMID"
