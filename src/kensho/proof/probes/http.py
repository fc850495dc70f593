"""What status a web server answers with. Spec: RFC 9112, 4.

Certificates are not verified: their names are another machine's here. Redirections are an answer, and
not followed.
"""

from __future__ import annotations

import re
import ssl
import warnings
from contextlib import closing
from socket import socket

from kensho.proof.probes.answer import Answer, bad, connect, plain, read_until, why

_MOST = 4 << 10
_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})(?: ([^\r\n]*))?\r?\n")


def status_of(address: tuple[str, int], path: str, until: float, *, tls: bool) -> Answer:
    """Ask for a path; 2xx and 3xx are well."""
    request = (
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: kensho\r\n"
        "Accept: */*\r\nConnection: close\r\n\r\n"
    )
    try:
        with closing(connect(address, until)) as plain_connection:
            connection: socket = plain_connection
            if tls:
                connection = _unverified().wrap_socket(plain_connection)
            with closing(connection):
                connection.sendall(request.encode("ascii"))
                data = read_until(connection, lambda d: b"\n" in d, _MOST, until)
    except ssl.SSLError as error:
        return bad(f"no TLS: {plain(error.reason or str(error))}")
    except OSError as error:
        return bad(why(error))
    found = _STATUS.match(data)
    if found is None:
        return bad(f"no HTTP: {plain(data)}" if data else "it says nothing")
    return Answer(found[1][:1] in {b"2", b"3"}, plain(found[0]))


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    # A guest of ten years ago is a guest, too; nothing secret is sent.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context
