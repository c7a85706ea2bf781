/* style: how the page looks: light and dark by the reader's scheme, on paper, and without colour. Colours of
 * the policies are Okabe and Ito's, which colour-blind eyes tell apart; dashes and letters say the same. */
#include "report/parts.h"

#define COLOURS 8

static const char style[] =
        ":root{color-scheme:light "
        "dark;--fg:#1b1f24;--bg:#fff;--dim:#59636e;--line:#d1d9e0;--soft:#f3f5f7;--good:#116329;"
        "--bad:#a40e26;--heat:#a33b00;--p1:#0072b2;--p2:#b34700;--p3:#00805f;--p4:#a8307a;--p5:#6b5300;--p6:#"
        "3f3fbf;"
        "--p7:#59636e;--p0:#1b1f24}\n"
        "@media(prefers-color-scheme:dark){:root{--fg:#e6edf3;--bg:#0f141a;--dim:#9aa5b1;--line:#3a434d;--"
        "soft:#1a2027;"
        "--good:#56d364;--bad:#ff7b72;--heat:#ffa657;--p1:#56b4e9;--p2:#f0883e;--p3:#2fc79b;--p4:#e08ac0;--"
        "p5:#f0e442;"
        "--p6:#a5a5ff;--p7:#9aa5b1;--p0:#e6edf3}}\n"
        "*{box-sizing:border-box}body{margin:0 "
        "auto;max-width:68rem;padding:1.5rem;color:var(--fg);background:var(--bg);"
        "font:16px/1.5 "
        "system-ui,sans-serif}h1{font-size:1.6rem;line-height:1.25}h2{font-size:1.25rem;margin-top:2.5rem;"
        "padding-top:1rem;border-top:1px solid var(--line)}a{color:inherit}\n"
        "table{border-collapse:collapse;font-size:.85rem;font-variant-numeric:tabular-nums}"
        "caption{text-align:left;padding:.5rem 0;color:var(--dim)}th,td{padding:.2rem .5rem;text-align:right;"
        "border-bottom:1px solid var(--line);white-space:nowrap}th{font-weight:600}tbody th{font-weight:400}"
        "tbody th:nth-child(3){text-align:left}tbody+tbody{border-top:2px solid var(--dim)}tbody "
        "tr:hover{background:var(--soft)}.wide{overflow-x:auto}\n"
        ".best,.v2{color:var(--good)}.v0{color:var(--bad)}.note,.legend,figcaption{color:var(--dim);font-"
        "size:.9rem}"
        "figure{margin:1.5rem 0}svg{max-width:100%;height:auto}.plot,.map{display:block;width:100%}"
        "svg text{fill:currentColor;font-family:system-ui,sans-serif;stroke:none}.tick{font-size:12px}\n"
        ".frame{fill:none;stroke:var(--line)}.grid{stroke:var(--line)}.key{width:.9rem;height:.9rem;vertical-"
        "align:-.1rem}"
        "details{margin:.5rem "
        "0}summary{cursor:pointer;color:var(--dim);font-size:.9rem}dt{font-weight:600}dd{margin:0 0 .5rem "
        "1rem}"
        ".policies{list-style:none;padding:0}.policies "
        "b{display:inline-block;min-width:2rem}code{overflow-wrap:anywhere}\n"
        "@media print{body{max-width:none;font-size:11pt}h2{break-before:page}figure,tr{break-inside:avoid}"
        "details{display:none}}\n";

void hb_page_style(struct hb_page *p) {
        hb_html_put(p->out, "<style>\n");
        hb_html_put(p->out, style);
        for (unsigned i = 1; i <= 8; i++)
                hb_html_f(p->out, ".h%u{fill:var(--heat);fill-opacity:%.2f}", i, 0.08 + 0.92 * i / 8);
        hb_html_put(p->out, "\n");
        for (unsigned i = 1; i <= p->t->plan->npolicies; i++)
                hb_html_f(p->out, ".s%u{stroke:var(--p%u)}.f%u{fill:var(--p%u)}.c%u{color:var(--p%u)}", i,
                          i % COLOURS, i, i % COLOURS, i, i % COLOURS);
        hb_html_put(p->out, "\n</style>\n");
}
