from __future__ import annotations

import io
import tarfile

from hypothesis import given
from hypothesis import strategies as st

from kensho.storage.tar import BLOCK
from kensho.storage.tar_headers import HARD_LINK, SYMLINK, Member, headers

names = st.binary(min_size=1, max_size=200).map(
    lambda b: b.replace(b"\0", b"n").replace(b"/", b"s")
)


def listed(*members, data=b""):
    stream = b"".join(headers(m) + data + bytes(-len(data) % BLOCK) for m in members)
    with tarfile.open(
        fileobj=io.BytesIO(stream + bytes(1024)), errors="surrogateescape"
    ) as archive:
        return archive.getmembers()


@given(
    name=names,
    mode=st.integers(0, 0o7777),
    owner=st.tuples(st.integers(0, 2**32 - 2), st.integers(0, 2**32 - 2)),
    mtime=st.integers(-(2**40), 2**40),
    value=st.binary(max_size=300),
)
def test_the_standard_library_reads_it(name, mode, owner, mtime, value):
    member = Member(
        name,
        size=5,
        mode=mode,
        uid=owner[0],
        gid=owner[1],
        mtime=mtime,
        xattrs={"security.capability": value},
    )
    (found,) = listed(member, data=b"12345")
    assert found.name.encode(errors="surrogateescape").rstrip(b"/") == name
    assert (found.mode, found.uid, found.gid, found.size) == (mode, *owner, 5)
    assert int(found.mtime) == mtime
    text = found.pax_headers["SCHILY.xattr.security.capability"]
    assert text.encode(errors="surrogateescape") == value


@given(target=names)
def test_links(target):
    hard, soft = listed(Member(b"a", HARD_LINK, link=target), Member(b"b", SYMLINK, link=target))
    assert hard.islnk()
    assert soft.issym()
    assert soft.linkname.encode(errors="surrogateescape") == target
