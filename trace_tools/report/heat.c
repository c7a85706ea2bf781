/* heat: pages over time as one path a level, so that a map of thousands of fields stays some tens of
 * kilobytes and takes its colours from the page. The trace is read again; one that is gone or another by now
 * is said so. */
#include "look/heat.h"
#include "report/parts.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LEVELS 8u
#define FIELD  4u /* units of the drawing */
#define LEFT   74u
#define BOTTOM 34u

static void level_path(struct hb_page *p, const struct hb_heatmap *m, const uint64_t scale[2],
                       unsigned level) {
        for (uint32_t y = 0; y < m->height; y++)
                for (uint32_t x = 0; x < m->width;) {
                        uint32_t from = x;

                        while (x < m->width &&
                               hb_heatmap_level_between(hb_heatmap_at(m, HB_HEATMAP_ALL, x, y), scale[0],
                                                        scale[1], LEVELS) == level)
                                x++;
                        if (x == from) {
                                x++;
                                continue;
                        }
                        hb_html_f(p->out, "M%u %uh%uv%uh-%uz", LEFT + from * FIELD, y * FIELD,
                                  (x - from) * FIELD, FIELD, (x - from) * FIELD);
                }
}

static void levels(struct hb_page *p, const struct hb_heatmap *m, const uint64_t scale[2]) {
        for (unsigned level = 1; level <= LEVELS; level++) {
                size_t before = p->out->len, head;

                hb_html_f(p->out, "<path class=\"h%u\" d=\"", level);
                head = p->out->len;
                level_path(p, m, scale, level);
                if (p->out->len == head)
                        p->out->len = before; /* no field of this level */
                else
                        hb_html_put(p->out, "\"/>\n");
        }
}

static void axes(struct hb_page *p, const struct hb_heatmap *m) {
        unsigned right = LEFT + m->width * FIELD, low = m->height * FIELD;

        hb_html_f(p->out, "<rect class=\"frame\" x=\"%u\" y=\"0\" width=\"%u\" height=\"%u\"/>\n", LEFT,
                  m->width * FIELD, low);
        for (unsigned i = 0; i <= 4; i++) {
                uint64_t page = m->first_page + m->npages * i / 4;
                uint32_t x = m->width * i / 4;
                uint64_t at = i == 4 ? m->end_ns : m->begins_ns[x < m->width ? x : m->width - 1];

                hb_html_f(p->out, "<text class=\"tick\" text-anchor=\"end\" x=\"%u\" y=\"%u\">%llu</text>\n",
                          LEFT - 6, i == 0 ? 10 : low * i / 4, (unsigned long long)page);
                if (at != UINT64_MAX)
                        hb_html_f(p->out,
                                  "<text class=\"tick\" text-anchor=\"%s\" x=\"%u\" y=\"%u\">%.0f s</text>\n",
                                  i == 0   ? "start"
                                  : i == 4 ? "end"
                                           : "middle",
                                  LEFT + (right - LEFT) * i / 4, low + 16, (double)at / 1e9);
        }
        hb_html_f(p->out, "<text class=\"tick\" x=\"0\" y=\"%u\">page</text>\n", low + 16);
}

static void legend(struct hb_page *p, const uint64_t scale[2]) {
        hb_html_put(p->out, "<p class=\"legend\">few ");
        for (unsigned i = 1; i <= LEVELS; i++)
                hb_html_f(p->out,
                          "<svg class=\"key\" viewBox=\"0 0 12 12\" aria-hidden=\"true\"><rect class=\"h%u\" "
                          "width=\"12\" "
                          "height=\"12\"/></svg>",
                          i);
        hb_html_f(p->out,
                  " many: %llu and fewer to %llu and more accesses in a field, on a logarithmic scale; "
                  "blank: none.</p>\n",
                  (unsigned long long)scale[0], (unsigned long long)scale[1]);
}

/* Eight by eight sums behind the picture, for those who cannot see it. */
static void numbers(struct hb_page *p, const struct hb_heatmap *m) {
        unsigned rows = m->height < 8 ? m->height : 8, columns = m->width < 8 ? m->width : 8;

        hb_html_put(p->out, "<details><summary>The numbers: heat map</summary>\n<div "
                            "class=\"wide\"><table><caption>Accesses "
                            "by pages (rows) and epochs (columns)</caption>\n<thead><tr><th "
                            "scope=\"col\">from page</th>");
        for (unsigned c = 0; c < columns; c++)
                hb_html_f(p->out, "<th scope=\"col\">epoch %u</th>",
                          hb_heatmap_epoch_of(m, m->width * c / columns));
        hb_html_put(p->out, "</tr></thead>\n<tbody>\n");
        for (unsigned r = 0; r < rows; r++) {
                hb_html_f(p->out, "<tr><th scope=\"row\">%llu</th>",
                          (unsigned long long)hb_heatmap_page_of(m, m->height * r / rows));
                for (unsigned c = 0; c < columns; c++) {
                        uint64_t sum = 0;

                        for (uint32_t y = m->height * r / rows; y < m->height * (r + 1) / rows; y++)
                                for (uint32_t x = m->width * c / columns; x < m->width * (c + 1) / columns;
                                     x++)
                                        sum += hb_heatmap_at(m, HB_HEATMAP_ALL, x, y);
                        hb_html_f(p->out, "<td>%llu</td>", (unsigned long long)sum);
                }
                hb_html_put(p->out, "</tr>\n");
        }
        hb_html_put(p->out, "</tbody></table></div></details>\n");
}

static void draw(struct hb_page *p, const struct hb_compare_trace *t, const struct hb_heatmap *m) {
        uint64_t scale[2];

        hb_heatmap_scale(m, HB_HEATMAP_ALL, &scale[0], &scale[1]);
        hb_html_put(p->out, "<figure><figcaption>Accesses: pages over time</figcaption>\n");
        hb_html_f(p->out, "<svg class=\"map\" viewBox=\"0 0 %u %u\" role=\"img\" aria-label=\"Heat map of ",
                  LEFT + m->width * FIELD, m->height * FIELD + BOTTOM - 10);
        hb_html_text(p->out, t->name);
        hb_html_put(p->out, ": accesses of bands of pages, over time.\">\n");
        levels(p, m, scale);
        axes(p, m);
        hb_html_put(p->out, "</svg>\n");
        legend(p, scale);
        numbers(p, m);
        hb_html_put(p->out, "</figure>\n");
        p->notes.maps++;
}

static int same_trace(const struct hb_compare_trace *t, struct hb_err *e) {
        char hash[33];
        int r = hb_compare_hash_file(t->path, NULL, NULL, hash, e);

        if (r == 0 && strcmp(hash, t->hash) != 0)
                r = hb_err_set(e, -ESTALE, t->path, NULL, "the trace is another than the one compared");
        return r;
}

int hb_page_heat(struct hb_page *p, const struct hb_compare_trace *t, struct hb_err *e) {
        struct hb_heatmap_options o = {.width = p->o->heat_width ? p->o->heat_width : 160,
                                       .height = p->o->heat_height ? p->o->heat_height : 48};
        struct hb_heatmap *m = NULL;
        hb_trace_reader *reader = NULL;
        struct hb_err why = {0};
        int r = same_trace(t, &why);

        if (r == 0)
                r = hb_trace_reader_open(t->path, &reader, &why);
        if (r == 0)
                r = hb_heatmap_read(reader, &o, p->o->tick, p->o->arg, &m, &why);
        if (r == 0) {
                draw(p, t, m);
        } else if (r != -ECANCELED && r != -ENOMEM) {
                snprintf(p->notes.maps_missing, sizeof(p->notes.maps_missing), "%.80s: %.110s", t->name,
                         why.what);
                hb_html_put(p->out, "<p class=\"note\">No heat map: ");
                hb_html_text(p->out, why.what);
                hb_html_put(p->out, ".</p>\n");
                r = 0;
        } else if (e) {
                *e = why;
        }
        hb_heatmap_free(m);
        hb_trace_reader_free(reader);
        return r;
}
