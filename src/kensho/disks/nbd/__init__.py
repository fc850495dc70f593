"""Serve a virtual disk over the network block device protocol.

Spec: https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md.
``protocol`` has the numbers, ``negotiate`` the handshake, ``session`` the
requests of one client, ``server`` the sockets and threads.
"""

from kensho.disks.nbd.protocol import Export
from kensho.disks.nbd.server import DEFAULT_PORT, NbdServer, listen_tcp, listen_unix

__all__ = ["DEFAULT_PORT", "Export", "NbdServer", "listen_tcp", "listen_unix"]
