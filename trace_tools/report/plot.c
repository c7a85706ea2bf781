/* plot: a drawing by gnuplot of numbers we computed. The script holds numbers and our own words only: no
 * string from a trace gets near it. */
#include "report/gnuplot.h"
#include "report/parts.h"
#include "report/svg.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define WIDTH  760
#define HEIGHT 280

static void head(struct hb_buf *s, const struct hb_plot *plot) {
        hb_html_f(s, "set terminal svg size %d,%d dynamic noenhanced font 'sans-serif,12'\n", WIDTH, HEIGHT);
        hb_html_put(s, "set border 3\nset tics nomirror\nset grid y\nset autoscale xfix\nset key outside "
                       "right top samplen 3\n");
        hb_html_f(s, "set xlabel '%s'\nset ylabel '%s'\n", plot->x_label, plot->y_label);
        hb_html_put(s, plot->boxes ? "" : "set xrange [0:*]\n");
        hb_html_put(s, plot->share ? "set yrange [0:1.02]\n" : "set yrange [0:*]\n");
}

static void data(struct hb_buf *s, const struct hb_plot *plot, unsigned i) {
        const struct hb_plot_series *d = &plot->series[i];
        double shift = plot->boxes ? ((i + 0.5) / plot->nseries - 0.5) * 0.8 : 0;

        hb_html_f(s, "$d%u << EOD\n", i);
        for (unsigned j = 0; j < d->n; j++) {
                if (isfinite(d->y[j]))
                        hb_html_f(s, "%.6g %.6g\n", d->x[j] + shift, d->y[j]);
                else
                        hb_html_f(s, "%.6g NaN\n", d->x[j] + shift);
        }
        hb_html_put(s, "EOD\n");
}

static void box_words(struct hb_buf *s, const struct hb_plot *plot) {
        hb_html_f(s, "set boxwidth %.4f\nset style fill solid 0.75\nset xrange [-0.6:%.2f]\nset xtics (",
                  0.8 / plot->nseries, plot->nwords - 0.4);
        for (unsigned i = 0; i < plot->nwords; i++)
                hb_html_f(s, "%s'%s' %u", i ? ", " : "", plot->x_words[i], i);
        hb_html_put(s, ")\n");
}

static void script(struct hb_buf *s, const struct hb_plot *plot) {
        char name[4];

        head(s, plot);
        if (plot->boxes)
                box_words(s, plot);
        for (unsigned i = 0; i < plot->nseries; i++)
                data(s, plot, i);
        for (unsigned i = 0; i < plot->nseries; i++) {
                unsigned policy = plot->series[i].policy;

                hb_html_f(s, "%s $d%u using 1:2 with %s lw 1.8 dt %u lc rgb '#%02x0000' title '%s'",
                          i ? ", " : "plot", i, plot->boxes ? "boxes" : "lines",
                          plot->boxes ? 1 : policy % 5 + 1, policy + 1, hb_html_letter(policy, name));
        }
        hb_html_put(s, "\n");
}

/* At least two points of some series: else there is nothing to draw, and gnuplot says so as an error. */
static bool worth_it(const struct hb_plot *plot) {
        for (unsigned i = 0; i < plot->nseries; i++) {
                unsigned known = 0;

                for (unsigned j = 0; j < plot->series[i].n; j++)
                        known += isfinite(plot->series[i].y[j]);
                if (known > (plot->boxes ? 0u : 1u))
                        return true;
        }
        return false;
}

static int draw(struct hb_page *p, const struct hb_plot *plot, struct hb_buf *drawing, struct hb_err *e) {
        struct hb_buf s = {0};
        int r;

        script(&s, plot);
        r = hb_gnuplot_run(p->o->gnuplot, &s, drawing, e);
        hb_buf_free(&s);
        return r;
}

int hb_plot_draw(struct hb_page *p, const struct hb_plot *plot) {
        size_t before = p->out->len;
        struct hb_buf drawing = {0};
        struct hb_err e = {0};
        int r;

        if (!worth_it(plot) || p->notes.plots_missing[0])
                return 0; /* what failed once fails again: it is noted, and the tables are there */
        r = p->o->gnuplot && !*p->o->gnuplot ? hb_err_set(&e, -ENOENT, NULL, NULL, "gnuplot was not wanted")
                                             : draw(p, plot, &drawing, &e);
        if (r == 0) {
                hb_html_f(p->out, "<svg class=\"plot\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"",
                          WIDTH, HEIGHT);
                hb_html_text(p->out, plot->about);
                hb_html_put(p->out, "\">\n");
                r = hb_svg_clean((const char *)drawing.data, drawing.len, p->out);
                if (r == -EBADMSG)
                        hb_err_set(&e, r, NULL, NULL, "gnuplot's drawing cannot be read");
        }
        hb_buf_free(&drawing);
        if (r < 0) {
                p->out->len = before;
                snprintf(p->notes.plots_missing, sizeof(p->notes.plots_missing), "%.180s", e.what);
                return r == -ENOMEM ? r : 0;
        }
        hb_html_put(p->out, "</svg>\n");
        p->notes.plots++;
        return 0;
}
