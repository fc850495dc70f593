"""Files on web servers, read in place with range requests (RFC 9110, sections 13 and 14).

The standard library's client: a connection per thread kept open is all that is
needed, and a package such as httpx costs more at start-up than most commands take.
What other clients give besides is here: redirects, proxies from the environment,
bounded retries. The file must stay the same while it is read: size, ETag and date
are compared in every answer.
"""

from __future__ import annotations

import base64
import dataclasses
import email.utils
import http.client
import ssl
import threading
import time
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING

from kensho import __version__
from kensho.model.errors import CorruptError, LocatorError, NotFoundError, UnsupportedError
from kensho.model.extent import Extent
from kensho.storage._cache import BlockCache
from kensho.storage.reading import all_data, check_range, read_new

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kensho.storage.base import WriteBuffer

_TIMEOUT = 30.0
_TRIES = 5
_PAUSE = 0.2  # seconds before the second try, doubled each time
_MAX_PAUSE = 10.0
_REDIRECTS = 5
_TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_MOVED = frozenset({301, 302, 303, 307, 308})
_SMALL = 8 << 20  # a descriptor, not a disk: read whole from servers that know no ranges
_EXPIRED = frozenset({401, 403, 404, 410})


@dataclasses.dataclass(frozen=True, slots=True)
class _Place:
    """Where a request goes: ``path`` with its query, ``login`` as an Authorization value."""

    scheme: str
    host: str
    port: int | None
    path: str
    login: str


@dataclasses.dataclass(frozen=True, slots=True)
class _Version:
    """What tells that a file is still the same one."""

    size: int
    etag: str
    modified: str


@dataclasses.dataclass(frozen=True, slots=True)
class _Answer:
    """``body`` is there when the server sent a small file whole instead of a range."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes | None = None


def open_http(url: str) -> HttpSource:
    """Open a URL. LocatorError when it cannot be had, UnsupportedError without ranges."""
    return HttpSource(url)


class HttpSource:
    """A file on a web server that answers range requests, or a small one on any.

    A user name and password in the URL are sent as Basic authorization, to that host
    only; ``name`` has neither them nor the query, which may hold a signature.
    """

    __slots__ = ("_cache", "_place", "_start", "_version", "_whole", "_wires", "name", "size")

    def __init__(self, url: str) -> None:
        self._start = _parse(url)
        self.name = _shown(self._start)
        self._wires = _Wires()
        self._whole: bytes | None = None
        try:
            self._place, self._version = self._resolve()
        except BaseException:
            self.close()
            raise
        self.size = self._version.size
        self._cache = BlockCache(self.size, self._fetch)

    @property
    def stamp(self) -> str:
        """What changes when the file does; empty when the server does not say."""
        return f"{self._version.etag} {self._version.modified}".strip()

    @property
    def mtime_ns(self) -> int:
        """When the server says it was changed, in ns since 1970; 0 when it does not say."""
        try:
            moment = email.utils.parsedate_to_datetime(self._version.modified)
            return int(moment.timestamp()) * 1_000_000_000
        except (ValueError, OverflowError):
            return 0

    def read_at(self, offset: int, length: int) -> bytes:
        """Return exactly ``length`` bytes from ``offset``; TruncatedError if they are not there."""
        return read_new(self, offset, length)

    def read_into(self, offset: int, buffer: WriteBuffer) -> None:
        """Fill ``buffer`` from ``offset``; CorruptError when the file changed meanwhile."""
        view = memoryview(buffer).cast("B")
        check_range(self.name, self.size, offset, len(view))
        self._cache.read_into(offset, view)

    def extents(self, start: int = 0, end: int | None = None) -> Iterator[Extent]:
        """Return the whole range as one DATA extent: HTTP knows no holes."""
        return all_data(self.size, start, end)

    def kernel_file(self) -> None:
        """Return None: there is no file here."""
        return

    def close(self) -> None:
        """Close the connections; closing twice is allowed."""
        self._wires.close()

    def _fetch(self, offset: int, view: memoryview) -> None:
        if self._whole is not None:
            view[:] = self._whole[offset : offset + len(view)]
            return
        answer = self._try(self._place, offset, view)
        if answer.status in _EXPIRED and self._place != self._start:
            # What a redirect led to was signed for a while only: ask the first place again.
            place, version = self._resolve()
            self._check(version)
            self._place = place
            answer = self._try(place, offset, view)
        if answer.status == 200:
            raise self._changed("it is sent whole now, not in ranges")
        if answer.status != 206:
            raise _refused(self.name, answer.status)
        self._check(_version_of(answer, self.name))

    def _check(self, version: _Version) -> None:
        before = self._version
        if version.size != before.size:
            raise self._changed(f"it has {version.size} bytes now, not {before.size}")
        if version.etag and before.etag and version.etag != before.etag:
            raise self._changed("its ETag is another one")
        if not before.etag and version.modified != before.modified:
            raise self._changed("its date is another one")

    def _changed(self, how: str) -> CorruptError:
        return CorruptError(
            f"the file changed while it was read: {how}",
            path=self.name,
            hint="start again once nothing writes to it",
        )

    def _resolve(self) -> tuple[_Place, _Version]:
        """Follow redirects from the first place; return where the file is and its version."""
        place = self._start
        for _ in range(_REDIRECTS + 1):
            answer = self._try(place, 0, memoryview(bytearray(1)))
            if answer.status in _MOVED:
                place = _redirected(place, answer.headers.get("Location", ""), self.name)
                continue
            if answer.status == 416:  # no first byte: the file is empty
                return place, _version_of(answer, self.name)
            if answer.status == 200 and answer.body is not None:
                self._whole = answer.body
                return place, _Version(
                    len(answer.body),
                    answer.headers.get("ETag", ""),
                    answer.headers.get("Last-Modified", ""),
                )
            if answer.status == 200:
                raise UnsupportedError(
                    "the server sends the file only whole, not in ranges",
                    path=self.name,
                    hint="fetch it first; raw disks and streamOptimized VMDK can also be piped:"
                    " curl URL | kensho disk convert - DST",
                )
            if answer.status != 206:
                raise _refused(self.name, answer.status)
            return place, _version_of(answer, self.name)
        raise LocatorError(f"more than {_REDIRECTS} redirects", path=self.name)

    def _try(self, place: _Place, offset: int, view: memoryview) -> _Answer:
        """Ask until there is an answer that does not mean "later"; the last problem is the error."""
        problem = ""
        pause = _PAUSE
        for attempt in range(_TRIES):
            if attempt:
                time.sleep(min(pause, _MAX_PAUSE))
                pause *= 2
            try:
                answer = self._wires.get(place, offset, view)
            except ssl.SSLCertVerificationError as error:
                raise LocatorError(
                    f"its certificate is not trusted: {error.verify_message}", path=self.name
                ) from None
            except (OSError, http.client.HTTPException) as error:
                self._wires.drop()
                problem = str(error) or type(error).__name__
                continue
            if answer.status not in _TRY_AGAIN:
                return answer
            problem = f"status {answer.status}"
            wish = answer.headers.get("Retry-After", "")
            pause = max(pause, float(wish)) if wish.isdigit() else pause
        raise LocatorError(
            f"no answer after {_TRIES} tries: {problem}",
            path=self.name,
            hint="check the URL and the network, then run the same command again",
        )


class _Wires:
    """One open connection per thread and place."""

    __slots__ = ("_all", "_local", "_lock")

    def __init__(self) -> None:
        self._local = threading.local()
        self._lock = threading.Lock()
        self._all: list[http.client.HTTPConnection] = []

    def get(self, place: _Place, offset: int, view: memoryview) -> _Answer:
        """Ask for ``len(view)`` bytes; fill ``view`` when just these come back."""
        wire = self._connection(place)
        headers = {
            "Range": f"bytes={offset}-{offset + len(view) - 1}",
            "Accept-Encoding": "identity",
            "User-Agent": f"kensho/{__version__}",
        }
        if place.login:
            headers["Authorization"] = place.login
        wire.request("GET", self._local.prefix + place.path, headers=headers)
        response = wire.getresponse()
        if response.status == 206:
            begin = response.headers.get("Content-Range", "").partition("-")[0].split()
            if begin[1:] != [str(offset)]:
                raise http.client.HTTPException("another range was sent than was asked for")
            done = 0
            while done < len(view):
                got = response.readinto(view[done:])
                if not got:
                    raise http.client.IncompleteRead(b"", len(view) - done)
                done += got
        body = None
        if response.status == 200 and (response.length or _SMALL + 1) <= _SMALL:
            body = response.read()
        if response.read(1) or response.will_close or response.status == 200:
            self.drop()  # more than was asked for: not read, and the connection with it
        return _Answer(response.status, response.headers, body)

    def drop(self) -> None:
        """Close this thread's connection."""
        wire = getattr(self._local, "wire", None)
        if wire is not None:
            wire.close()
            self._local.wire = None
            with self._lock:
                self._all.remove(wire)

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            for wire in self._all:
                wire.close()

    def _connection(self, place: _Place) -> http.client.HTTPConnection:
        key = (place.scheme, place.host, place.port)
        wire: http.client.HTTPConnection | None = getattr(self._local, "wire", None)
        if wire is not None and self._local.key == key:
            return wire
        self.drop()
        wire, self._local.prefix = _connect(place)
        self._local.wire, self._local.key = wire, key
        with self._lock:
            self._all.append(wire)
        return wire


def _connect(place: _Place) -> tuple[http.client.HTTPConnection, str]:
    """Return a connection, through the environment's proxy if any, and what paths begin with."""
    proxy = urllib.request.getproxies().get(place.scheme)
    if proxy is None or urllib.request.proxy_bypass(place.host):
        kind: type[http.client.HTTPConnection] = http.client.HTTPConnection
        if place.scheme == "https":
            kind = http.client.HTTPSConnection
        return kind(place.host, place.port, timeout=_TIMEOUT), ""
    through = urllib.parse.urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    if not through.hostname:
        raise LocatorError("the proxy in the environment makes no sense", path=_shown(place))
    if place.scheme == "https":
        wire: http.client.HTTPConnection = http.client.HTTPSConnection(
            through.hostname, through.port, timeout=_TIMEOUT
        )
        wire.set_tunnel(place.host, place.port)
        return wire, ""
    wire = http.client.HTTPConnection(through.hostname, through.port, timeout=_TIMEOUT)
    return wire, f"http://{_netloc(place)}"


def _parse(url: str) -> _Place:
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise LocatorError(f"not a URL: {error}", path=url.partition("?")[0]) from None
    scheme = parts.scheme.lower()
    if scheme not in {"http", "https"} or not parts.hostname:
        raise LocatorError("not a web address", path=url.partition("?")[0])
    login = ""
    if parts.username is not None:
        pair = (
            f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
        )
        login = "Basic " + base64.b64encode(pair.encode()).decode()
    path = urllib.parse.quote(parts.path or "/", safe="/%:@!$&'()*+,;=~")
    if parts.query:
        path += "?" + urllib.parse.quote(parts.query, safe="/%:@!$&'()*+,;=~?")
    return _Place(scheme, parts.hostname, port, path, login)


def _redirected(place: _Place, location: str, name: str) -> _Place:
    target = _parse(
        urllib.parse.urljoin(f"{place.scheme}://{_netloc(place)}{place.path}", location)
    )
    if place.scheme == "https" and target.scheme != "https":
        raise LocatorError("redirects from https to http", path=name)
    same = (target.scheme, target.host, target.port) == (place.scheme, place.host, place.port)
    return dataclasses.replace(target, login=place.login) if same else target


def _netloc(place: _Place) -> str:
    host = f"[{place.host}]" if ":" in place.host else place.host
    return host if place.port is None else f"{host}:{place.port}"


def _shown(place: _Place) -> str:
    return f"{place.scheme}://{_netloc(place)}{place.path.partition('?')[0]}"


def _version_of(answer: _Answer, name: str) -> _Version:
    total = answer.headers.get("Content-Range", "").rpartition("/")[2]
    if not (total.isascii() and total.isdigit() and len(total) < 20):
        raise UnsupportedError("the server does not say how long the file is", path=name)
    return _Version(
        int(total), answer.headers.get("ETag", ""), answer.headers.get("Last-Modified", "")
    )


def _refused(name: str, status: int) -> LocatorError:
    why = {401: "a login is needed", 403: "not allowed", 404: "nothing is there", 410: "gone"}
    kind = NotFoundError if status in {403, 404, 410} else LocatorError
    return kind(
        f"the server answers {status}: {why.get(status, http.client.responses.get(status, ''))}",
        path=name,
        hint="check the URL; a login can be given as https://USER:PASSWORD@HOST/…",
    )
