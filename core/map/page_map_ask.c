/* page_map_ask: what a page map is asked. Changes nothing of the map.
 * Cost: what is asked about; for newer pages, one number a block and the records of the blocks that have
 * any. */
#include "base/clock.h"
#include "map/heat.h"
#include "map/page_map_priv.h"
#include <math.h>

#define AHEAD 12u /* records on their way before they are needed */

/* Seconds from `epoch` until now_ns; older than the ring counts as the oldest time known, which can only
 * overstate heat that has all but gone by then. */
double hb_page_map_seconds_since(const hb_page_map *m, uint32_t epoch, uint64_t now_ns) {
        uint64_t t = hb_page_map_epoch_time_ns(m, epoch);

        if (epoch > m->f.header->epoch)
                return 0.0; /* left by an interrupted epoch, which is being applied again */
        if (t == 0 && m->f.header->epoch >= HB_MAP_RING)
                t = m->f.ring[(m->f.header->epoch + 1) % HB_MAP_RING];
        return now_ns > t ? (double)(now_ns - t) / (double)HB_NS_PER_S : 0.0;
}

/* ---- questions ---- */

static const struct hb_map_record *record(const hb_page_map *m, uint64_t gfn) {
        static const struct hb_map_record none;

        return hb_bitmap_test(&m->known, gfn) ? &m->f.records[gfn] : &none;
}

/* Reads are sampled, so silence is no evidence: the last estimate holds, until it is older than the ring. */
static float read_heat(const hb_page_map *m, const struct hb_map_record *r) {
        return hb_page_map_epoch_time_ns(m, r->read_epoch) ? hb_heat_unpack(r->read_heat) : 0.0f;
}

void hb_page_map_get(const hb_page_map *m, uint64_t gfn, struct hb_page_info *ret) {
        const struct hb_map_record *r = record(m, gfn);
        uint64_t now_ns = hb_page_map_epoch_time_ns(m, m->f.header->epoch);
        double since = r->version ? hb_page_map_seconds_since(m, r->version, now_ns) : 0.0;

        *ret = (struct hb_page_info){
                .version = r->version,
                .last_access = r->last_access,
                .write_heat = hb_heat_unpack(r->write_heat) * hb_decay(since, HB_HEAT_TAU_S),
                .read_heat = read_heat(m, r),
                .writes = r->writes,
                .reads = r->reads,
                .read_write_ratio = r->writes ? (float)r->reads / (float)r->writes : INFINITY,
                .version_time_ns = hb_page_map_epoch_time_ns(m, r->version),
                .last_access_time_ns = hb_page_map_epoch_time_ns(m, r->last_access),
                .resident = hb_bitmap_test(&m->resident, gfn),
        };
}

/* Write heat as of the last access: on from the last write, or, where lost state raised the version without a
 * write, back. */
static float heat_at_access(const hb_page_map *m, const struct hb_map_record *r) {
        float heat = hb_heat_unpack(r->write_heat), k;

        if (heat == 0.0f || r->last_access == r->version)
                return heat;
        if (r->last_access > r->version)
                return heat * hb_decay(hb_page_map_seconds_since(
                                               m, r->version, hb_page_map_epoch_time_ns(m, r->last_access)),
                                       HB_HEAT_TAU_S);
        k = hb_decay(hb_page_map_seconds_since(m, r->last_access, hb_page_map_epoch_time_ns(m, r->version)),
                     HB_HEAT_TAU_S);
        return k > 1e-6f ? heat / k : 0.0f;
}

static void brief(const hb_page_map *m, uint64_t gfn, struct hb_map_brief *ret) {
        const struct hb_map_record *r = record(m, gfn);

        *ret = (struct hb_map_brief){
                .version = r->version,
                .last_access = r->last_access,
                .write_q = r->write_heat ? hb_heat_q(heat_at_access(m, r)) : 0,
                .read_q = r->read_heat ? hb_heat_q(read_heat(m, r)) : 0,
                .resident = hb_bitmap_test(&m->resident, gfn),
        };
}

void hb_page_map_briefs(const hb_page_map *m, const uint32_t *gfn, uint32_t n, struct hb_map_brief *ret) {
        for (uint32_t i = 0; i < n; i++) {
                if (i + AHEAD < n)
                        __builtin_prefetch(&m->f.records[gfn[i + AHEAD]]);
                brief(m, gfn[i], &ret[i]);
        }
}

/* Pages of one word of `known` with a newer version. */
static uint64_t since_word(const hb_page_map *m, uint64_t word, uint32_t since) {
        uint64_t out = 0;

        for (uint64_t bits = m->known.words[word]; bits; bits &= bits - 1)
                if (m->f.records[word * 64 + (unsigned)__builtin_ctzll(bits)].version > since)
                        out |= bits & -bits;
        return out;
}

uint64_t hb_page_map_since(const hb_page_map *m, uint32_t since, struct hb_bitmap *out) {
        uint64_t words = (m->known.bits + 63) / 64, pages = 0;

        for (uint64_t w = 0; w < words; w++) {
                uint64_t newer;

                if (hb_page_map_newest(m, w * 64)->version <= since) {
                        w |= HB_BLOCK_PAGES / 64 - 1;
                        continue;
                }
                newer = since_word(m, w, since);
                if (newer)
                        out->words[w] |= newer;
                pages += (unsigned)__builtin_popcountll(newer);
        }
        return pages;
}

uint32_t hb_page_map_block(const hb_page_map *m, uint64_t block, uint32_t ret[HB_BLOCK_PAGES]) {
        uint64_t words = (m->known.bits + 63) / 64, from = block * (HB_BLOCK_PAGES / 64);
        uint32_t n = 0;

        for (uint64_t w = from; w < words && w < from + HB_BLOCK_PAGES / 64; w++)
                for (uint64_t bits = m->known.words[w] | m->resident.words[w]; bits; bits &= bits - 1)
                        ret[n++] = (uint32_t)(w * 64 + (unsigned)__builtin_ctzll(bits));
        return n;
}

bool hb_page_map_untouched(const hb_page_map *m, uint64_t block) {
        uint64_t words = (m->known.bits + 63) / 64, from = block * (HB_BLOCK_PAGES / 64);

        if (m->newest[block].access != 0)
                return false;
        for (uint64_t w = from; w < words && w < from + HB_BLOCK_PAGES / 64; w++)
                if (m->resident.words[w] & ~m->known.words[w])
                        return false;
        return true;
}
