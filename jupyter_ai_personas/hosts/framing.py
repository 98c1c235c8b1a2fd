"""Frames of bytes on a stream: four bytes of length, then the frame."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator

__all__ = ["read_frames", "write_frame"]

_LENGTH = struct.Struct(">I")


def write_frame(writer: asyncio.StreamWriter, frame: bytes) -> None:
    """Write a frame, without waiting."""
    writer.write(_LENGTH.pack(len(frame)))
    writer.write(frame)


async def read_frames(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Yield frames until the stream ends, also in the middle of one."""
    while True:
        try:
            (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
            frame = await reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        yield frame
