#!/usr/bin/env python3
"""Makes frames of the strips that blender.yaml renders: python3 join.py STRIPS FRAMES

STRIPS is the job's output; FRAMES gets frame-000001.png and so on. Python alone will do.
"""
import pathlib
import re
import struct
import sys
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"
NAME = re.compile(r"frame-(\d{6})-part-(\d{3})-of-(\d{3})\.png")


class Picture:
    """A PNG file: its head, what else it says, and its rows as they are stored, each behind the number of its filter."""

    def __init__(self, path):
        data = path.read_bytes()
        if not data.startswith(SIGNATURE):
            raise ValueError(f"{path} is no PNG file")
        chunks, at = [], len(SIGNATURE)
        while at < len(data):
            (size,) = struct.unpack_from(">I", data, at)
            chunks.append((data[at + 4:at + 8], data[at + 8:at + 8 + size]))
            at += 12 + size
        if chunks[-1][0] != b"IEND":
            raise ValueError(f"{path} is torn")
        self.path = path
        self.width, self.height, depth, kind, _, _, interlaced = struct.unpack(">IIBBBBB", chunks[0][1])
        if interlaced:
            raise ValueError(f"{path} is interlaced")
        self.form = (self.width, depth, kind)
        self.pixel_bytes = max(1, {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[kind] * depth // 8)
        self.row_bytes = 1 + (self.width * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[kind] * depth + 7) // 8
        self.beside = [chunk for chunk in chunks[1:-1] if chunk[0] != b"IDAT"]
        self.rows = zlib.decompress(b"".join(body for name, body in chunks if name == b"IDAT"))
        if len(self.rows) != self.height * self.row_bytes:
            raise ValueError(f"{path} has {len(self.rows)} bytes of rows, not {self.height * self.row_bytes}")

    def pixels(self):
        """Row by row, without filters."""
        before = bytes(self.row_bytes - 1)
        for at in range(0, len(self.rows), self.row_bytes):
            before = unfiltered(self.rows[at:at + self.row_bytes], before, self.pixel_bytes)
            yield before


def unfiltered(row, above, pixel_bytes):
    """The bytes of a row, of which the one above is known."""
    out = bytearray(row[1:])
    for i, _ in enumerate(out):
        left = out[i - pixel_bytes] if i >= pixel_bytes else 0
        corner = above[i - pixel_bytes] if i >= pixel_bytes else 0
        if row[0] == 1:
            guess = left
        elif row[0] == 2:
            guess = above[i]
        elif row[0] == 3:
            guess = (left + above[i]) // 2
        elif row[0] == 4:
            far = left + above[i] - corner
            guess = min((left, above[i], corner), key=lambda near: abs(far - near))
        else:
            guess = 0
        out[i] = (out[i] + guess) & 0xFF
    return bytes(out)


def join(strips, to):
    """Strips from the top down. Only the first row of each has to be read: the others refer to the row above them in
    their own strip."""
    pictures = [Picture(path) for path in strips]
    first = pictures[0]
    rows = [first.rows]
    for picture in pictures[1:]:
        if picture.form != first.form:
            raise ValueError(f"{picture.path} has another form than {first.path}")
        top = unfiltered(picture.rows[:picture.row_bytes], bytes(picture.row_bytes - 1), picture.pixel_bytes)
        rows += [b"\0" + top, picture.rows[picture.row_bytes:]]
    width, depth, kind = first.form
    head = struct.pack(">IIBBBBB", width, sum(picture.height for picture in pictures), depth, kind, 0, 0, 0)
    with open(to, "wb") as out:
        out.write(SIGNATURE)
        for name, body in [(b"IHDR", head), *first.beside, (b"IDAT", zlib.compress(b"".join(rows), 6)), (b"IEND", b"")]:
            out.write(struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)))


def main(strips, frames):
    found = {}
    for path in sorted(pathlib.Path(strips).rglob("frame-*.png")):
        match = NAME.fullmatch(path.name)
        if match:
            frame, part, parts = map(int, match.groups())
            found.setdefault((frame, parts), {})[part] = path
    if not found:
        sys.exit(f"join: there are no strips in {strips}: give the folder that the job wrote")
    frames = pathlib.Path(frames)
    frames.mkdir(parents=True, exist_ok=True)
    for (frame, parts), by_part in sorted(found.items()):
        missing = [part for part in range(parts) if part not in by_part]
        if missing:
            sys.exit(f"join: frame {frame} lacks part {missing[0]} of {parts}: run the job again, or for that task alone")
        to = frames / f"frame-{frame:06d}.png"
        try:
            join([by_part[part] for part in range(parts)], to)
        except (ValueError, IndexError, KeyError, struct.error, zlib.error) as wrong:
            sys.exit(f"join: frame {frame}: {wrong}")
        print(to)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
