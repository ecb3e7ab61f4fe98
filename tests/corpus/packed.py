"""Compressed files of every kind."""

import bz2
import gzip
import lzma
from pathlib import Path

import pyarrow as pa


def two_frames(content: bytes) -> bytes:
    """As parallel compressors and `cat` make them."""
    half = len(content) // 2
    return b"".join(bytes(pa.compress(part, "zstd")) for part in (content[:half], content[half:]))


COMPRESS = {"": bytes, ".gz": gzip.compress, ".xz": lzma.compress, ".bz2": bz2.compress, ".zst": two_frames}


def compress(path: Path, suffix: str) -> Path:
    compressed = path.with_name(path.name + suffix)
    compressed.write_bytes(COMPRESS[suffix](path.read_bytes()))
    path.unlink()
    return compressed
