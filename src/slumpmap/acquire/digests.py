"""Checksums as the providers give them: MD5 and SHA-256 in Planet's manifests, multihashes in STAC."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from slumpmap.errors import InputError

_CHUNK = 1 << 20
# Codes of the multihash table that hashlib has.
_MULTIHASH = {
    0x11: "sha1",
    0x12: "sha256",
    0x13: "sha512",
    0x14: "sha3_512",
    0x16: "sha3_256",
    0x20: "sha384",
    0xD5: "md5",
}


@dataclass(frozen=True)
class Digest:
    """A checksum.

    Args:
        name: of the method, as hashlib calls it.
        value: lower-case hexadecimal digits.
    """

    name: str
    value: str

    def of(self, path: Path) -> str:
        """What the method gives for a file."""
        return file_digest(path, self.name)


def file_digest(path: Path, name: str = "sha256") -> str:
    """Checksum of a file, hexadecimal."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, name).hexdigest()


def from_multihash(text: str, source: str) -> Digest | None:
    """The checksum that a multihash holds (STAC's `file:checksum`); None for a method that Python does not have.

    Args:
        text: hexadecimal: varint code, varint length, digest.
        source: what it belongs to, for the message.

    Raises:
        InputError: it is no multihash.
    """
    try:
        raw = bytes.fromhex(text)
        code, rest = _varint(raw)
        length, digest = _varint(rest)
    except (ValueError, IndexError):
        length, digest, code = -1, b"", 0
    if length != len(digest):
        raise InputError(source, f"checksum {text[:80]!r} is no multihash", "report it to the provider")
    return Digest(_MULTIHASH[code], digest.hex()) if code in _MULTIHASH else None


def _varint(raw: bytes) -> tuple[int, bytes]:
    """An unsigned LEB128 number and what follows it."""
    value = 0
    for place, byte in enumerate(raw):
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value, raw[place + 1 :]
    raise ValueError
