"""What a JPEG is made of, told before any decoder is called (ITU-T T.81, annex B; Adobe's marker: T.872)."""

import re
import struct
from dataclasses import dataclass, field

from lightprobe.errors import DamagedImageError, UnsupportedImageError

_SOI, _EOI, _SOS, _DNL, _APP1 = 0xD8, 0xD9, 0xDA, 0xDC, 0xE1
# Frames: all of C0 to CF that are not tables (C4, CC) or reserved (C8); F7 is that of JPEG-LS.
_FRAMES = frozenset((*range(0xC0, 0xD0), 0xF7)) - {0xC4, 0xC8, 0xCC}
_TABLES = frozenset((0xC4, 0xCC, 0xDB, 0xDD))
_METADATA = frozenset((*range(0xE0, 0xF0), 0xFE))

# Encoders make 10 scans of a progressive file, the most thorough some 20; each costs time for every block.
MOST_SCANS = 100
# 200 megapixels with depth maps and a film in their metadata have some 1,000.
MOST_SEGMENTS = 20_000

# Between segments FF may be repeated, and FF 00 is no marker.
_MARKER = re.compile(rb"\xff[^\x00\xff]")
# Within a scan FF is followed by 00 (it means FF), by a restart marker, or by more FF.
_END_OF_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")

# Version 1.01, no density, no thumbnail: all that matters is that it is there.
_JFIF = b"\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"


@dataclass(frozen=True)
class JpegStructure:
    """One JPEG picture.

    Attributes
    ----------
    frame : int
        Second byte of the frame's marker: C0 baseline, C1 extended, C2 progressive, C3 lossless, ...
    precision : int
        Bits a sample.
    width, height : int
        Pixels, as stored.
    components : tuple of (int, int, int)
        Identifier, and horizontal and vertical sampling, of each.
    exif : bytes
        The first, without its name; empty where there is none.
    n_scans : int
        Several are held in memory as coefficients, whole, until the last is read.
    n_scan_bytes : int
        What they take.
    ended : bool
        Whether its end marker is there.
    stray : int
        Bytes between segments that belong to none.
    stream : bytes
        The same picture with what a decoder needs and nothing else: no metadata, no stray bytes, an end.
    """

    frame: int
    precision: int
    width: int
    height: int
    components: tuple[tuple[int, int, int], ...]
    exif: bytes
    n_scans: int
    n_scan_bytes: int
    ended: bool
    stray: int
    stream: bytes = field(repr=False)

    @property
    def n_blocks(self) -> int:
        """Blocks of 8 × 8 samples; Huffman's code spends a bit on each, at least."""
        across, down = (max((c[axis] for c in self.components), default=1) or 1 for axis in (1, 2))
        return sum(
            (self.width * h // across + 7) // 8 * ((self.height * v // down + 7) // 8)
            for _, h, v in self.components
        )


def read_jpeg_structure(data: bytes) -> JpegStructure:
    """Walk over the segments of a JPEG.

    Bytes between segments are passed over, as libjpeg and browsers do. Where the end marker is missing, zeros
    at the end are dropped with it: broken downloads leave them, and they would decode as flat grey.

    Raises
    ------
    DamagedImageError
        No frame or no scan; a component or, without an end marker, a refinement that never comes.
    UnsupportedImageError
        More scans or segments than any encoder makes.
    """
    walk = _Walk(data)
    try:
        walk.run()
    except (IndexError, struct.error):
        raise _damaged() from None
    return walk.structure()


@dataclass
class _Walk:
    data: bytes
    parts: list[bytes] = field(default_factory=list)
    frame: tuple[int, bytes] | None = None  # marker, content
    frame_place: int = 0  # among the parts
    scans: list[bytes] = field(default_factory=list)  # their headers
    n_scan_bytes: int = 0
    lines: int = 0  # from a DNL segment
    exif: bytes = b""
    jfif: bool = False
    adobe: int | None = None
    ended: bool = False
    stray: int = 0
    n_segments: int = 0

    def run(self) -> None:
        place = 2
        while (place := self._marker(place)) >= 0:
            marker = self.data[place + 1]
            if marker == _EOI:
                self.ended = True
                return
            length = int.from_bytes(self.data[place + 2 : place + 4], "big")
            known = marker in _FRAMES or marker in _TABLES or marker in _METADATA or marker in (_SOS, _DNL)
            if not known or (marker in _METADATA and length < 2):
                # Restart markers out of place, a second start, reserved codes.
                self.stray += 2
                place += 2
                continue
            end = place + 2 + length
            if length < 2 or end > len(self.data):
                return
            content = self.data[place + 4 : end]
            if marker in _METADATA:
                self._metadata(marker, content)
            elif marker == _DNL:
                (self.lines,) = struct.unpack_from(">H", content)
            else:
                self.parts.append(self.data[place:end])
                if marker in _FRAMES:
                    if self.frame is not None:
                        raise _damaged()
                    self.frame, self.frame_place = (marker, content), len(self.parts) - 1
                elif marker == _SOS:
                    end = self._scan(content, end)
            place = end

    def _marker(self, place: int) -> int:
        """Return where the next marker starts, -1 if none does."""
        self.n_segments += 1
        if self.n_segments > MOST_SEGMENTS:
            raise UnsupportedImageError(
                f"a kind of JPEG that is not read: more than {MOST_SEGMENTS:,} segments"
            )
        found = _MARKER.search(self.data, place)
        if found is None:
            return -1
        passed_over = self.data[place : found.start()]
        # Fill bytes are allowed: every FF but those of FF 00.
        self.stray += len(passed_over) - passed_over.count(b"\xff") + passed_over.count(b"\xff\x00")
        return found.start()

    def _scan(self, header: bytes, start: int) -> int:
        found = _END_OF_SCAN.search(self.data, start)
        end = len(self.data) if found is None else found.start()
        coded = self.data[start:end]
        if found is None:
            whole = coded.rstrip(b"\0")
            if whole.endswith(b"\xff"):
                # Either FF 00, which means FF, or the first half of an end marker.
                whole = whole + b"\0" if len(whole) < len(coded) else whole[:-1]
            coded = whole
        self.scans.append(header)
        if len(self.scans) > MOST_SCANS:
            raise UnsupportedImageError(f"a kind of JPEG that is not read: more than {MOST_SCANS} scans")
        self.parts.append(coded)
        self.n_scan_bytes += len(coded)
        return end

    def _metadata(self, marker: int, content: bytes) -> None:
        if marker == _APP1 and content.startswith(b"Exif\0\0") and not self.exif:
            self.exif = content[6:]
        elif marker == 0xE0 and content.startswith(b"JFIF\0") and len(content) >= 14:
            self.jfif = True
        elif marker == 0xEE and content.startswith(b"Adobe") and len(content) >= 12:
            self.adobe = content[11]

    def structure(self) -> JpegStructure:
        if self.frame is None or not self.scans:
            raise _damaged()
        marker, content = self.frame
        try:
            precision, height, width, count = struct.unpack_from(">BHHB", content)
            components = tuple(
                (content[6 + 3 * i], content[7 + 3 * i] >> 4, content[7 + 3 * i] & 15) for i in range(count)
            )
            if not height and self.lines:
                height = self.lines
                sized = self.parts[self.frame_place]
                self.parts[self.frame_place] = sized[:5] + struct.pack(">H", height) + sized[7:]
            self._require_whole(marker, components)
        except (IndexError, struct.error):
            raise _damaged() from None
        return JpegStructure(
            marker, precision, width, height, components, self.exif,
            len(self.scans), self.n_scan_bytes, self.ended, self.stray,
            b"".join((b"\xff\xd8", *self._colour_markers(count), *self.parts, b"\xff\xd9")),
        )  # fmt: skip

    def _colour_markers(self, count: int) -> list[bytes]:
        """Say as plainly as can be what colours are stored; libjpeg warns of other versions and codes."""
        markers = [_JFIF] if self.jfif else []
        if self.adobe is not None:
            transform = 0 if self.adobe == 0 else 1 if count == 3 else 2
            markers.append(b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00" + bytes([transform]))
        return markers

    def _require_whole(self, marker: int, components: tuple[tuple[int, int, int], ...]) -> None:
        """Raise unless every component comes, and, without an end marker, to its last bit."""
        progressive = marker in (0xC2, 0xCA)
        missing = {(name, k): 14 for name, _, _ in components for k in range(64 if progressive else 1)}
        for header in self.scans:
            count = header[0]
            first, last, approximation = struct.unpack_from("BBB", header, 1 + 2 * count)
            for name in header[1 : 1 + 2 * count : 2]:
                for k in range(first, last + 1) if progressive else (0,):
                    missing[name, k] = approximation & 15 if progressive else 0
        started = all(missing[name, 0] < 14 for name, _, _ in components)
        if not started or (not self.ended and any(missing.values())):
            raise _damaged()


def _damaged() -> DamagedImageError:
    return DamagedImageError("damaged or truncated JPEG")
