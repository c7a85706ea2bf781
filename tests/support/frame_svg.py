#!/usr/bin/env python3
"""A terminal's screen as a picture: reads what `tmux capture-pane -e -p` prints, writes SVG.

frame_svg.py [--title TEXT] [--size 100x30] < screen > picture.svg

Text stays text (it can be read aloud, searched and copied); block characters are drawn, since fonts differ in them. The picture
brings its own background, so that it looks the same on light and dark pages.
"""
import argparse
import re
import sys
import unicodedata
from xml.sax.saxutils import escape, quoteattr

CELL_W, CELL_H, FONT, PAD = 8.4, 18, 14, 14
FORE, BACK, FRAME = "#d8dee9", "#16191f", "#2b303b"
SIXTEEN = ["#16191f", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#c8ccd4",
           "#7f848e", "#ff7b86", "#b5e890", "#ffd68a", "#82c4ff", "#de9bf0", "#7fd5df", "#ffffff"]
SGR = re.compile(r"\x1b\[([0-9;:]*)m")
OTHER = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()][A-Z0-9]|.)")


class Look:
    def __init__(self):
        self.reset()

    def reset(self):
        self.fg = self.bg = None
        self.bold = self.dim = self.underline = self.reverse = False

    def key(self):
        fg, bg = self.fg or FORE, self.bg or BACK
        if self.reverse:
            fg, bg = bg, fg
        return fg, bg, self.bold, self.dim, self.underline

    def apply(self, codes):
        numbers = [int(c) if c else 0 for c in re.split("[;:]", codes)] if codes else [0]
        while numbers:
            n = numbers.pop(0)
            if n == 0:
                self.reset()
            elif n in (1, 2, 4, 7):
                setattr(self, {1: "bold", 2: "dim", 4: "underline", 7: "reverse"}[n], True)
            elif n == 22:
                self.bold = self.dim = False
            elif n == 24:
                self.underline = False
            elif n == 27:
                self.reverse = False
            elif 30 <= n <= 37 or 90 <= n <= 97:
                self.fg = SIXTEEN[n - 30 if n < 90 else n - 82]
            elif 40 <= n <= 47 or 100 <= n <= 107:
                self.bg = SIXTEEN[n - 40 if n < 100 else n - 92]
            elif n == 39:
                self.fg = None
            elif n == 49:
                self.bg = None
            elif n in (38, 48):
                color = indexed(numbers)
                if n == 38:
                    self.fg = color
                else:
                    self.bg = color


def indexed(numbers):
    """What follows 38 or 48: 5;N or 2;R;G;B."""
    kind = numbers.pop(0) if numbers else 0
    if kind == 2 and len(numbers) >= 3:
        return "#%02x%02x%02x" % tuple(numbers.pop(0) for _ in range(3))
    n = numbers.pop(0) if kind == 5 and numbers else 7
    if n < 16:
        return SIXTEEN[n]
    if n >= 232:
        return "#%02x%02x%02x" % ((8 + (n - 232) * 10,) * 3)
    n -= 16
    return "#%02x%02x%02x" % tuple(0 if v == 0 else 55 + 40 * v for v in (n // 36, n // 6 % 6, n % 6))


def width(ch):
    return 2 if unicodedata.east_asian_width(ch) in "WF" else 1


def cells(line, look):
    """(column, character, look) of each character of a line."""
    at = column = 0
    while at < len(line):
        m = SGR.match(line, at)
        if m:
            look.apply(m.group(1))
            at = m.end()
            continue
        m = OTHER.match(line, at)
        if m:
            at = m.end()
            continue
        yield column, line[at], look.key()
        column += width(line[at])
        at += 1


def block(ch):
    """(x, y, width, height, opacity) of a block character in its cell, as shares; None: not one."""
    n = ord(ch)
    if 0x2581 <= n <= 0x2588:
        share = (n - 0x2580) / 8
        return 0, 1 - share, 1, share, 1
    if 0x2589 <= n <= 0x258F:
        return 0, 0, (0x2590 - n) / 8, 1, 1
    if 0x2591 <= n <= 0x2593:
        return 0, 0, 1, 1, (n - 0x2590) / 4
    return {0x2580: (0, 0, 1, .5, 1), 0x2590: (.5, 0, .5, 1, 1)}.get(n)


def rect(x, y, w, h, fill, opacity=1):
    tail = "" if opacity == 1 else ' fill-opacity="%g"' % opacity
    return '<rect x="%.1f" y="%.1f" width="%.2f" height="%.2f" fill="%s"%s/>' % (x, y, w, h, fill, tail)


def text(x, y, run, key):
    fg, _, bold, dim, underline = key
    style = ' font-weight="bold"' * bold + ' fill-opacity="0.65"' * dim + ' text-decoration="underline"' * underline
    return '<text x="%.1f" y="%.1f" fill="%s"%s textLength="%.1f">%s</text>' % (
        x, y, fg, style, sum(width(c) for c in run) * CELL_W, escape(run))


def draw_line(row, line, look, out):
    y = PAD + row * CELL_H
    run, start, key = "", 0, None
    shapes, words = [], []

    def flush():
        nonlocal run
        shown = run.strip()
        if shown:
            skipped = len(run) - len(run.lstrip())
            words.append(text(PAD + (start + skipped) * CELL_W, y + FONT, shown, key))
        run = ""

    for column, ch, now in cells(line, look):
        if now[1] != BACK:
            shapes.append(rect(PAD + column * CELL_W, y, width(ch) * CELL_W + .3, CELL_H, now[1]))
        part = block(ch)
        if now != key or part or (run.endswith("  ") and ch != " "):
            flush()
            start, key = column, now
        if part:
            px, py, pw, ph, opacity = part
            shapes.append(rect(PAD + (column + px) * CELL_W, y + py * CELL_H, pw * CELL_W + .2, ph * CELL_H, now[0], opacity))
            start = column + 1
        else:
            run += ch
    flush()
    out.extend(merge(shapes) + words)


def merge(parts):
    """Neighbouring rectangles of one look as one: pictures of heat maps are half as large."""
    pattern = re.compile(r'<rect x="([\d.]+)" (y="[\d.]+") width="([\d.]+)" (height="[\d.]+" fill="[^"]+"[^/]*)/>')
    out = []
    for part in parts:
        now = pattern.match(part)
        last = pattern.match(out[-1]) if out else None
        if now and last and (now[2], now[4]) == (last[2], last[4]) and \
                abs(float(last[1]) + float(last[3]) - float(now[1])) < .45:
            wide = float(now[1]) + float(now[3]) - float(last[1])
            out[-1] = '<rect x="%s" %s width="%.2f" %s/>' % (last[1], last[2], wide, last[4])
        else:
            out.append(part)
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--title", default="a terminal")
    parser.add_argument("--size", help="columns x rows; default: as large as the text")
    options = parser.parse_args()
    lines = sys.stdin.read().split("\n")
    if lines and lines[-1] == "":
        lines.pop()
    plain = [OTHER.sub("", SGR.sub("", line)) for line in lines]
    columns, rows = (int(n) for n in options.size.split("x")) if options.size else (
        max((sum(map(width, line)) for line in plain), default=1), len(lines))
    look, out = Look(), []
    for row, line in enumerate(lines[:rows]):
        draw_line(row, line, look, out)
    w, h = columns * CELL_W + 2 * PAD, rows * CELL_H + 2 * PAD
    print('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" width="%.0f" height="%.0f" role="img" aria-label=%s>'
          % (w, h, w, h, quoteattr(options.title)))
    print("<title>%s</title>" % escape(options.title))
    print('<rect width="100%%" height="100%%" rx="8" fill="%s" stroke="%s"/>' % (BACK, FRAME))
    print('<g font-family="ui-monospace, \'DejaVu Sans Mono\', Menlo, Consolas, monospace" font-size="%d" xml:space="preserve">' % FONT)
    print("\n".join(out))
    print("</g>\n</svg>")


if __name__ == "__main__":
    main()
