/* heat_view: a heat map as text: pages downwards, time to the right, the logarithm of the accesses as five
 * levels. Every level has a glyph of its own; colour only repeats what the glyph says. */
#pragma once
#include "cli/command.h"
#include "draw/glyphs.h"
#include "look/heat.h"

#define HB_HEAT_LEVELS 5u

#define HB_HEAT_MARKS 256u

struct hb_heat_marks { /* what happened when; more than these are left out */
        unsigned n;
        struct {
                uint32_t epoch;
                enum hb_trace_mark kind;
        } mark[HB_HEAT_MARKS];
};

struct hb_heat_view {
        enum hb_glyphs glyphs;
        enum hb_heatmap_what what;
        unsigned width; /* of the whole picture; narrower than HB_HEAT_NARROWEST is drawn at that */
        unsigned rows;  /* of characters */
        bool counts;    /* the trace counts accesses; else the sums are touched pages over epochs */
        const struct hb_heat_marks *marks; /* NULL: none */
};

#define HB_HEAT_NARROWEST 30u

/* Columns and rows that a matrix should have to fill the picture. */
void hb_heat_view_size(const struct hb_heat_view *v, uint32_t *ret_width, uint32_t *ret_height);
/* For hb_heatmap_options.mark, with a struct hb_heat_marks: notes the kinds that have a letter. */
void hb_heat_marks_add(void *marks, uint32_t epoch, enum hb_trace_mark kind, uint64_t value);
/* Picture, axes and legend. */
void hb_heat_view_print(struct hb_cli *c, const struct hb_heat_view *v, const struct hb_heatmap *m);
