/* summary_priv: the object behind hb_summary_encoder, shared by its files. Internal to the room.
 *
 * summary.c         life, what is due, whose turn it is
 * summary_pages.c   format 1: runs of pages within the budget
 * summary_blocks.c  format 2: words of blocks, and which pages are unlike them */
#pragma once
#include "map/map_watch.h"
#include "map/summary.h"

#define HB_SUMMARY_STEPS      2u /* heat classes a page must have moved by: a quarter of its rate */
#define HB_SUMMARY_WORD_STEPS 8u /* and must differ by from its block's word: an octave */
#define HB_SUMMARY_CLASSES    256u
#define HB_SUMMARY_TURN       255u /* class of a block whose turn it is; a page has none so high */
#define HB_SUMMARY_ENTRY_MOST                                                                                \
        23u /* bytes: two varints of a gfn's 33 bits, flags, two heat classes, two epochs */
#define HB_SUMMARY_ENTRY_USUAL 6u

struct hb_summary_word { /* what the target takes a page for that it was not told of */
        uint32_t access;
        uint8_t write_q, read_q;
};

enum hb_summary_pick { HB_PICK_NOT, HB_PICK_HOT, HB_PICK_TURN };

struct hb_summary_encoder {
        hb_page_map *map;
        struct hb_map_watch watch;       /* news not looked at yet */
        uint8_t *sent_write, *sent_read; /* heat class + 1; 0: not sent, the block's word holds */
        struct hb_bitmap sent_resident;
        struct hb_bitmap due; /* looked at: the target's belief is wrong */
        uint64_t due_total, blocks;
        struct hb_summary_block {
                uint32_t since; /* epoch since which something is due */
                uint16_t due;   /* pages */
                uint8_t class;  /* of the hottest of them when they were looked at, or HB_SUMMARY_TURN */
                uint8_t pick;   /* enum hb_summary_pick, for the summary under way */
        } * block;
        struct hb_summary_word *word; /* NULL: not told by blocks */
        bool coarse;                  /* wanted from the next reset on */
        uint64_t summed;       /* blocks before it have their word; `blocks` when done, or never begun */
        uint64_t cursor;       /* page where the class that did not fit goes on */
        uint64_t turn;         /* block whose turn is next, whatever its class */
        uint64_t credit;       /* bytes saved up for turns */
        uint32_t looked_epoch; /* looks are bounded for each epoch */
        uint64_t looked;
};

/* ---- summary.c ---- */
/* Whether the target, left to itself, takes the page for what it is. */
bool hb_summary_believed(const hb_summary_encoder *s, uint64_t gfn, const struct hb_map_brief *b);
void hb_summary_set_due(hb_summary_encoder *s, uint64_t gfn, const struct hb_map_brief *b, uint32_t epoch);
void hb_summary_clear_due(hb_summary_encoder *s, uint64_t gfn);
/* As of `epoch`: of one that was interrupted nothing is told. */
void hb_summary_briefs(const hb_summary_encoder *s, uint32_t epoch, const uint32_t *gfn, uint32_t n,
                       struct hb_map_brief *ret);
static inline unsigned hb_summary_distance(unsigned a, unsigned b) {
        return a > b ? a - b : b - a;
}
static inline unsigned hb_summary_class(const struct hb_map_brief *b) {
        return b->write_q > b->read_q ? b->write_q : b->read_q;
}
static inline uint8_t *hb_summary_put_varint(uint8_t *to, uint64_t v) {
        for (; v >= 0x80; v >>= 7)
                *to++ = (uint8_t)(v | 0x80);
        *to++ = (uint8_t)v;
        return to;
}
/* Room for head and `body` bytes, the head written. False: no memory. */
bool hb_summary_begin(const hb_summary_encoder *s, uint8_t format, uint32_t epoch, uint64_t body,
                      struct hb_buf *out);

/* ---- summary_pages.c ---- */
/* Writes due pages of the picked blocks. `whole`: all of it is sure to fit. Bytes appended, -ENOMEM. */
int64_t hb_summary_pages(hb_summary_encoder *s, uint32_t epoch, uint64_t budget, bool whole,
                         struct hb_buf *out);

/* ---- summary_blocks.c ---- */
#define HB_SUMMARY_LOOKS                                                                                     \
        (1ull << 26) /* pages' records looked at for words in one epoch; others count fourfold */
/* Writes the words of the next blocks. Bytes appended, -ENOMEM. */
int64_t hb_summary_words(hb_summary_encoder *s, uint32_t epoch, uint64_t budget, struct hb_buf *out);
/* The page is as the word says, heat for heat. */
bool hb_summary_like_word(const struct hb_summary_word *w, const struct hb_map_brief *b);
