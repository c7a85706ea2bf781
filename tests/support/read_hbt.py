#!/usr/bin/env python3
"""read_hbt.py FILE: a second reader of .hbt traces, written from docs/TRACE_FORMAT.md alone.

Prints the header, every epoch with its records and every event with its body in hex, one a line, and last how the file
ended. A test holds this against what the C reader finds. Blocks are unpacked by the zstd command."""
import struct
import subprocess
import sys


def crc32c(data, table=[]):
    if not table:
        for n in range(256):
            for _ in range(8):
                n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
            table.append(n)
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


class Bytes:
    def __init__(self, data):
        self.data, self.at = data, 0

    def raw(self, n):
        assert self.at + n <= len(self.data), "past the end"
        self.at += n
        return self.data[self.at - n:self.at]

    def num(self, kind):
        return struct.unpack("<" + kind, self.raw(struct.calcsize("<" + kind)))[0]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.num("B")
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def str(self):
        return self.raw(self.num("H"))


class Column:
    def __init__(self, tokens, bits):
        self.tokens, self.place = iter(tokens), 0
        self.bits = int.from_bytes(bits, "little")

    def next(self):
        token = next(self.tokens)
        if token < 16:
            return token
        n, m = token >> 2, token & 3
        low = self.bits >> self.place & ((1 << n - 2) - 1)
        self.place += n - 2
        return 1 << n | m << n - 2 | low


def header(data):
    assert data[:8] == b"\x89HBT\r\n\x1a\n", "no trace"
    major, _minor, length = struct.unpack("<HHI", data[8:16])
    assert major == 1, "another major version"
    assert crc32c(data[:length - 4]) == struct.unpack("<I", data[length - 4:length])[0], "damaged header"
    b = Bytes(data[16:length - 4])
    fields = [b.num(kind) for kind in "IIIIQQQ"] + [b.str().hex() for _ in range(3)]
    for _ in range(b.num("B")):
        fields += [b.str().hex(), b.num("Q"), b.num("I")]
    fields += [b.str().hex() for _ in range(10)]
    print("header", *fields, b.raw(b.num("H")).hex())
    return length


def epochs(head, section, columns):
    """Yields (epoch, time, records)."""
    number, time = head["before"], head["first_ns"]
    b = Bytes(section)
    for _ in range(head["epochs"]):
        number += b.varint()
        time += b.varint()
        n, how = b.varint(), b.num("B")
        runs = b.varint() if how & 1 else n
        reads = b.varint() if how & 2 else None
        writes = b.varint() if how & 4 else None
        pages, last = [], -1
        gaps = [columns[2].next() for _ in range(runs)]
        for gap in gaps:
            first = last + 1 + gap
            last = first + (columns[4].next() if how & 1 else 0)
            pages += range(first, last + 1)
        assert len(pages) == n and last < head["pages"], "records do not add up"
        column_r = [columns[6].next() if reads is None else reads for _ in range(n)]
        column_w = [columns[8].next() if writes is None else writes for _ in range(n)]
        yield number, time, list(zip(pages, column_r, column_w))


def block(head, packed):
    assert crc32c(packed) == head["crc"], "damaged block"
    raw = subprocess.run(["zstd", "-dcq"], input=packed, stdout=subprocess.PIPE, check=True).stdout
    assert len(raw) == head["raw"], "another length"
    b, section = Bytes(raw), {kind: b"" for kind in range(1, 15)}
    while b.at < len(raw):
        kind, length = b.num("B"), b.num("I")
        section[kind] = b.raw(length)
    columns = {kind: Column(section[kind], section[kind + 1]) for kind in (2, 4, 6, 8)}
    after, times, sizes, bodies = (Bytes(section[kind]) for kind in (11, 12, 13, 14))
    coming, time, epoch = epochs(head, section[1], columns), head["first_ns"], head["before"]

    def tell_epoch():
        nonlocal time, epoch
        epoch, time, records = next(coming)
        print("epoch", epoch, time, *("%d:%d:%d" % record for record in records))

    left = head["epochs"]
    for stream in section[10]:
        for _ in range(after.varint()):
            tell_epoch()
            left -= 1
        time += times.varint()
        print("event", epoch, time, stream, bodies.raw(sizes.varint()).hex())
    for _ in range(left):
        tell_epoch()


def main():
    with open(sys.argv[1], "rb") as f:
        data = f.read()
    at = header(data)
    names = "number packed raw crc codec epochs before first last first_ns last_ns records pages".split()
    while data[at:at + 4] == b"HBTB":
        raw = data[at:at + 144]
        assert crc32c(raw[:140]) == struct.unpack("<I", raw[140:])[0], "damaged head"
        head = dict(zip(names, struct.unpack("<9I4Q", raw[4:72])))
        block(head, data[at + 144:at + 144 + head["packed"]])
        at += 144 + head["packed"]
    if data[at:at + 4] == b"HBTI":
        mark = Bytes(data[-24:])
        assert mark.raw(8) == b"HBTEND\r\n" and mark.num("Q") == at and mark.num("I") == len(data) - 24 - at
        assert mark.num("I") == crc32c(data[-24:-4])
        length, crc = struct.unpack("<II", data[at + 4:at + 12])
        assert crc == crc32c(data[at + 12:at + 12 + length])
        print("end indexed", struct.unpack("<I", data[at + 12:at + 16])[0])
    else:
        print("end", len(data) - at)


if __name__ == "__main__":
    main()
