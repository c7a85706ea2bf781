/* loop: in-process backend for tests: a fetcher that reads the page source directly, with injected delay,
 * loss of connection, reordering and corruption, driven by a seed. Has one thread. */
#pragma once
#include "transport/transport.h"

struct hb_loop_options {
        uint64_t delay_ns, jitter_ns;
        double reorder;         /* probability that a fetch is overtaken */
        double lose_connection; /* probability per fetch: everything in flight fails, connected again after
                                   reconnect_ns */
        double corrupt;         /* probability: fails with -EBADMSG */
        uint64_t reconnect_ns, seed;
        unsigned queue_max;
};
int hb_loop_fetcher_new(const struct hb_loop_options *o, const struct hb_page_source *src,
                        const struct hb_fetcher_callbacks *cb, hb_fetcher **ret);
void hb_loop_cut(hb_fetcher *t); /* lose the connection now */
