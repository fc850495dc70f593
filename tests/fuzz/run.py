"""Fuzz one reader: ``python tests/fuzz/run.py vhdx --seconds 3600``. See docs/fuzzing.md.

``--shrink FILE`` makes an input that fails smaller and prints it for tests/fuzz/regressions.
"""

import argparse
import hashlib
import random
import re
import resource
import struct
import sys
import traceback
from pathlib import Path

import atheris

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]

with atheris.instrument_imports(include=["kensho"]):
    from packed import REPAIR, SELF, SIBLINGS, load
    from targets import TARGETS, run_one

_MEMORY = 1 << 30
_NUMBERS = (0, 1, 2, 7, 8, 255, 256, 511, 512, 4096, 65535, 65536, (1 << 20) - 1, 1 << 20)
_WIDTHS = "BHIQ"
_SIGNS = (
    b"\0", b"\xff", b"\xed\xa0\x80", b"\xe2\x80\xae", b"\x1b[2J", b"\n", b"\r", b"\t", b'"', b"'", b"\\", b"#", b"%", b"=", b":",
    b"/../", b"*", b"[", b"]", b"{", b"}", b"(", b")", b"$(", b"`", b";", b",", b"<", b"&", b"\xc2\xb2", b"\xd9\xa1", b"\xc4\xb0",
)  # fmt: skip


def mutate(data, most, seed):
    """Change a packed file where it matters: a field, its size, a piece, the flags."""
    rng = random.Random(seed)
    if rng.random() < 0.1:
        return atheris.Mutate(data, most)
    packed = load(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        _step(rng, packed)
    result = packed.dump()
    return result if len(result) <= most else data


def mutate_text(data, most, seed):
    """Change text where it matters: a line, a word, a number, a sign; twice, elsewhere, far too often."""
    rng = random.Random(seed)
    if not data or rng.random() < 0.3:
        return atheris.Mutate(data, most)
    for _ in range(rng.choice((1, 1, 2, 4))):
        parts = re.split(rng.choice((rb"(\n)", rb"([^\w.-]+)", rb'([{}\[\]",:=<>\s]+)')), data)
        at = rng.randrange(len(parts))
        data = b"".join((*parts[:at], _part(rng, parts, at), *parts[at + 1 :]))[:most]
    return data


def _part(rng, parts, at):
    part, other = parts[at], rng.choice(parts)
    number = rng.choice((*_NUMBERS, 2**31, 2**32, 2**63, 2**64, 10**20))
    return rng.choice(
        (
            b"",
            part + part,
            part * rng.choice((3, 100, 3000)),
            part + other,
            other,
            b"%d" % number,
            b"-%d" % number,
            b"9" * 5000,
            part + rng.choice(_SIGNS) + other,
            rng.choice(_SIGNS) + part,
            part[: rng.randrange(len(part) + 1)],
            part.swapcase(),
        )
    )


def _step(rng, packed):
    pieces = packed.pieces
    kind = rng.random()
    if kind < 0.06:
        packed.flags ^= rng.choice((REPAIR, SIBLINGS, SELF))
    elif kind < 0.14:
        packed.size = _size(rng, packed.size)
    elif not pieces or kind < 0.2:
        near = rng.choice(pieces)[0] if pieces else 0
        at = max(0, near // 512 * 512 + 512 * rng.randrange(-4, 9))
        pieces.append([at, rng.randbytes(rng.choice((1, 4, 8, 16)))])
    elif kind < 0.24:
        pieces.pop(rng.randrange(len(pieces)))
    elif kind < 0.29:
        at, piece = rng.choice(pieces)
        near = rng.choice(pieces)[0] if rng.random() < 0.5 else at
        pieces.append([max(0, near + rng.choice((-512, 0, 8, 512, 4096, 65536))), piece])
    else:
        chosen = rng.choice(pieces)
        if chosen[1]:
            chosen[1] = _piece(rng, bytearray(chosen[1]), packed.size)


def _size(rng, size):
    step = rng.choice((1, 511, 512, 4096, 65536, 1 << 20))
    return rng.choice((max(0, size - step), size + step, size // 2, size * 2, size & -512))


def _piece(rng, piece, size):
    if rng.random() < 0.4:
        start = rng.randrange(len(piece))
        length = min(rng.choice((1, 2, 4, 8, 32)), len(piece) - start)
        changed = atheris.Mutate(bytes(piece[start : start + length]), length)
        piece[start : start + length] = changed.ljust(length, b"\0")
        return bytes(piece)
    width = rng.choice([w for w in _WIDTHS if struct.calcsize("<" + w) <= len(piece)])
    form = rng.choice("<>") + width
    length = struct.calcsize(form)
    at = rng.randrange(len(piece) - length + 1)
    if rng.random() < 0.8:
        at -= at % length
    top = (1 << 8 * length) - 1
    (old,) = struct.unpack_from(form, piece, at)
    number = rng.choice(
        (
            rng.choice(_NUMBERS),
            1 << rng.randrange(8 * length),
            top - rng.choice(_NUMBERS),
            old + rng.choice((-1, 1, -512, 512, 65536)),
            old << 1,
            old >> 1,
            size // rng.choice((1, 512, 4096, 65536, 1 << 20)),
        )
    )
    struct.pack_into(form, piece, at, number & top)
    return bytes(piece)


def shrink(name, data):
    """Return a smaller input that fails at the same line."""

    def failure(candidate):
        try:
            run_one(name, candidate)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what we look for
            place = traceback.extract_tb(error.__traceback__)[-1]
            return (type(error), place.filename, place.lineno)
        return None

    wanted = failure(data)
    if wanted is None:
        sys.exit("this input does not fail")
    if not TARGETS[name].packed:
        return _shorter(data, lambda d: failure(d) == wanted)
    packed = load(data)
    for number in reversed(range(len(packed.pieces))):
        kept = packed.pieces.pop(number)
        if failure(packed.dump()) != wanted:
            packed.pieces.insert(number, kept)
    for piece in packed.pieces:

        def still(shorter, piece=piece):
            before, piece[1] = piece[1], shorter
            same = failure(packed.dump()) == wanted
            if not same:
                piece[1] = before
            return same

        piece[1] = _shorter(piece[1], still, keep_places=True)
    return packed.dump()


def _shorter(data, good, *, keep_places=False):
    """Drop the longest tail and then parts that are not needed."""
    step = len(data)
    while step:
        if step < len(data) and good(data[:-step]):
            data = data[:-step]
        else:
            step //= 2
    step = len(data) // 2 if not keep_places else 0
    while step:
        at = 0
        while at < len(data):
            if good(data[:at] + data[at + step :]):
                data = data[:at] + data[at + step :]
            else:
                at += step
        step //= 2
    return data


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("format", choices=TARGETS)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--runs", type=int, default=-1)
    parser.add_argument("--out", type=Path, default=Path("out/fuzz"))
    parser.add_argument("--shrink", type=Path)
    options = parser.parse_args()
    name = options.format
    if options.shrink:
        sys.stdout.write(shrink(name, options.shrink.read_bytes()).hex() + "\n")
        return
    corpus, found = options.out / name / "corpus", options.out / name / "found"
    for folder in (corpus, found):
        folder.mkdir(parents=True, exist_ok=True)
    # kensho imports a format's code when it is needed: it must be now, to be instrumented.
    with atheris.instrument_imports(include=["kensho"]):
        for seed in TARGETS[name].seeds():
            (corpus / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
            run_one(name, seed)
    arguments = [
        sys.argv[0],
        f"-max_total_time={options.seconds}",
        f"-runs={options.runs}",
        "-timeout=20",
        "-rss_limit_mb=1024",
        "-max_len=65536",
        "-len_control=0",
        "-print_final_stats=1",
        f"-artifact_prefix={found}/",
        str(corpus),
    ]
    if options.runs >= 0:
        arguments.insert(1, "-seed=1")
    mutator = mutate if TARGETS[name].packed else mutate_text
    atheris.Setup(arguments, lambda data: run_one(name, data), custom_mutator=mutator)
    # Memory that is asked for and never touched does not show in libFuzzer's own limit.
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + _MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
