#!/usr/bin/env python3
"""A second reader and writer of libCacheSim's oracleGeneral, made from the format's public description alone.

    oracle_general.py read FILE    prints "clock,object,count" for each object of each second, in their order, and
                                   exits 1 when a record's next_access_vtime is not what the records say
    oracle_general.py write FILE   takes "clock,object" lines from standard input, a record each

The description (libCacheSim's doc and FAQ): little-endian records of 24 bytes, not padded: uint32 clock_time in
seconds, uint64 obj_id, uint32 obj_size, int64 next_access_vtime. The last is the number of the record that accesses the
object next, records being counted from 1; -1 when there is none. Files are often packed with zstd (.zst).
"""
import struct
import subprocess
import sys

RECORD = struct.Struct("<IQIq")
PAGE = 4096


def load(path):
    if path.endswith(".zst"):
        data = subprocess.run(["zstd", "-dcq", path], check=True, capture_output=True).stdout
    else:
        with open(path, "rb") as f:
            data = f.read()
    if len(data) % RECORD.size:
        sys.exit(f"{path}: {len(data)} bytes are no whole number of records")
    return list(RECORD.iter_unpack(data))


def with_next(accesses):
    """The records of (clock, object) pairs, the future looked up backwards."""
    newest, records = {}, []
    for number in range(len(accesses), 0, -1):
        clock, obj = accesses[number - 1]
        records.append((clock, obj, PAGE, newest.get(obj, -1)))
        newest[obj] = number
    return records[::-1]


def read(path):
    records = load(path)
    expected = with_next([(clock, obj) for clock, obj, _, _ in records])
    for number, (got, want) in enumerate(zip(records, expected), 1):
        if got != want:
            sys.exit(f"{path}: record {number} is {got}, expected {want}")
    counts = {}
    for number, (clock, obj, _, _) in enumerate(records):
        if number and clock < records[number - 1][0]:
            sys.exit(f"{path}: record {number + 1} goes back in time")
        counts[clock, obj] = counts.get((clock, obj), 0) + 1
    for (clock, obj), n in sorted(counts.items()):
        print(f"{clock},{obj},{n}")


def write(path):
    accesses = [tuple(map(int, line.split(","))) for line in sys.stdin]
    data = b"".join(RECORD.pack(*r) for r in with_next(accesses))
    if path.endswith(".zst"):
        data = subprocess.run(["zstd", "-qc"], input=data, check=True, capture_output=True).stdout
    with open(path, "wb") as f:
        f.write(data)


if len(sys.argv) != 3 or sys.argv[1] not in ("read", "write"):
    sys.exit(__doc__)
{"read": read, "write": write}[sys.argv[1]](sys.argv[2])
