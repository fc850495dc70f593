"""A manifest with all that the reader takes up, shared by tests."""

MANIFEST = """
apiVersion: v1
kind: Secret
metadata: {name: s}
---
apiVersion: kubevirt.io/v1
kind: VirtualMachine
metadata:
  name: web
  labels: {app: web}
  annotations: {description: "two\\nlines"}
spec:
  runStrategy: Always
  dataVolumeTemplates:
  - metadata: {name: web-root}
    spec:
      storage: {resources: {requests: {storage: 20Gi}}}
  template:
    metadata:
      annotations: {vm.kubevirt.io/os: debian12}
    spec:
      hostname: web
      domain:
        cpu: {sockets: 2, cores: 2, threads: 2, model: host-passthrough}
        memory: {guest: 1.5Gi}
        clock: {utc: {}}
        firmware:
          uuid: 5D307CA9-B3EF-428C-8861-06E72D69F223
          bootloader: {efi: {}}
        features: {smm: {enabled: true}}
        devices:
          tpm: {}
          watchdog: {name: w, i6300esb: {action: reset}}
          disks:
          - {name: root, disk: {bus: virtio}, bootOrder: 1}
          - {name: data, disk: {bus: virtio}}
          - {name: extra, disk: {bus: scsi}, shareable: true}
          - {name: plain}
          - {name: iso, cdrom: {bus: sata}}
          - {name: init, disk: {bus: virtio}}
          - {name: empty, disk: {bus: sata}, cache: none}
          interfaces:
          - {name: default, masquerade: {}, ports: [{port: 80}]}
          - {name: back, bridge: {}, model: e1000e, macAddress: "02-00-00-00-00-01", state: down}
      networks:
      - {name: default, pod: {}}
      - {name: back, multus: {networkName: prod/back}}
      volumes:
      - {name: root, dataVolume: {name: web-root}}
      - {name: data, persistentVolumeClaim: {claimName: web-data}}
      - {name: extra, hostDisk: {path: /var/lib/x.img, type: Disk, capacity: 1Gi}}
      - {name: plain, containerDisk: {image: "quay.io/org/cirros:1.2@sha256:00"}}
      - {name: iso, ephemeral: {persistentVolumeClaim: {claimName: tools}}}
      - {name: init, cloudInitNoCloud: {userData: "#cloud-config"}}
      - {name: empty, emptyDisk: {capacity: 2Gi}}
"""
