#!/usr/bin/env python3
"""Writes tui/draw/text_table.c: which characters are never drawn as they are, and which take two columns.

  text_table.py > tui/draw/text_table.c

From Python's copy of the Unicode character database. Two columns: East Asian Width W and F (UAX #11). Not drawn: controls,
format characters (bidirectional overrides among them), surrogates, private and unassigned ones, whatever combines, spaces
other than U+0020, line and paragraph separators, and what terminals join with its neighbours: Hangul vowels and finals,
flags, skin tones; and blanks that are no spaces by category."""
import unicodedata

BLANKS = (0x115F, 0x2800, 0x3164, 0xFFA0)
JOINED = ((0x1160, 0x11FF), (0x1F1E6, 0x1F1FF), (0x1F3FB, 0x1F3FF))


def refused(c):
    kind = unicodedata.category(chr(c))
    if c == 0x20:
        return False
    if kind[0] in "CZ" or kind in ("Mn", "Me", "Mc") or c in BLANKS:
        return True
    return any(first <= c <= last for first, last in JOINED)


def wide(c):
    return not refused(c) and unicodedata.east_asian_width(chr(c)) in "WF"


def ranges(wanted, either=lambda c: False):
    """Runs of wanted characters; what is `either` does not end one."""
    found, first, last = [], None, None
    for c in range(0x110000):
        if wanted(c):
            first = c if first is None else first
            last = c
        elif first is not None and not either(c):
            found.append((first, last))
            first = None
    if first is not None:
        found.append((first, last))
    return found


def show(name, table):
    print(f"const struct hb_text_range {name}[] = {{")
    for i in range(0, len(table), 6):
        print("        " + " ".join(f"{{{a:#x}, {b:#x}}}," for a, b in table[i:i + 6]))
    print("};")
    print(f"const unsigned {name}_count = sizeof({name}) / sizeof({name}[0]);")


def main():
    print(f"""/* text_table: which characters are never drawn as they are, and which take two columns. Made by
 * tests/support/text_table.py from Unicode {unicodedata.unidata_version}; not to be changed by hand. Carried here because what
 * wcwidth() says depends on the locale, and under C it knows nothing. Sorted, apart from each other. */
#include "draw/text.h"

/* clang-format off */""")
    show("hb_text_refused", ranges(refused))
    print()
    show("hb_text_wide", ranges(wide, refused))


main()
