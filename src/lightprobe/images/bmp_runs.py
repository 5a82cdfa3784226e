"""BMP run lengths of 4 bits rewritten as those of 8 bits, which Pillow reads right."""

import struct


def as_rle8(bmp: bytes) -> bytes:
    """Return a BMP of compression BI_RLE4 as BI_RLE8, its pixels and palette the same.

    Runs and escapes are the same in both; only the indices within a run are packed two a byte in one, a byte
    each in the other (Microsoft, "Bitmap Compression"). What is cut off stays cut off.
    """
    start = int.from_bytes(bmp[10:14], "little")
    runs = bytearray()
    place = start
    while place + 1 < len(bmp):
        count, value = bmp[place], bmp[place + 1]
        place += 2
        if count:  # one pair of indices, in turn
            high, low = value >> 4, value & 15
            runs += bytes((count, high)) if high == low else bytes((1, high, 1, low)) * (count // 2)
            if high != low and count % 2:
                runs += bytes((1, high))
        elif value > 2:  # as many indices, padded to words
            packed = bmp[place : place + (value + 1) // 2]
            place += (value + 3) // 4 * 2
            indices = [nibble for byte in packed for nibble in (byte >> 4, byte & 15)][:value]
            runs += b"".join(bytes((1, index)) for index in indices)
        else:
            runs += bytes((0, value))
            if value == 1:
                break
            if value == 2:  # right and up
                runs += bmp[place : place + 2]
                place += 2
    head = bytearray(bmp[:start])
    colours = int.from_bytes(head[46:50], "little") or 16
    head[2:6] = struct.pack("<I", start + len(runs))
    head[28:38] = struct.pack("<HII", 8, 1, len(runs))
    head[46:50] = struct.pack("<I", colours)
    return bytes(head + runs)
