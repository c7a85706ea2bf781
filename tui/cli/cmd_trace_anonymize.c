/* trace anonymize: a trace that can be given away. */
#include "cli/trace_args.h"
#include "cli/trace_rewrite.h"
#include <errno.h>
#include <string.h>
#include <sys/random.h>

/* From --seed the same key each time; else one that nobody knows. */
static int make_key(const struct hb_cli *c, struct hb_look_key *key, struct hb_err *e) {
        if (hb_cli_flag(c, "seed")) {
                key->k[0] = (uint64_t)hb_cli_number(c, "seed");
                key->k[1] = 0x6861726269ull;
                return 0;
        }
        if (getrandom(key, sizeof(*key), 0) != (ssize_t)sizeof(*key))
                return hb_err_set(e, -errno, NULL, "--seed N takes a number instead", "no random numbers: %s",
                                  strerror(errno));
        return 0;
}

static int run_anonymize(struct hb_cli *c, struct hb_err *e) {
        struct hb_look_result result = {0};
        struct hb_look_key key;
        struct hb_look_output o;
        struct hb_cli_work w;
        int r = make_key(c, &key, e);

        if (r < 0)
                return r;
        hb_cli_rewrite_begin(c, &w, "anonymizing", &o);
        r = hb_look_anonymize(c->operands[0], &key, &o, &result, e);
        r = hb_cli_rewrite_end(&w, r, &o, &result, NULL, e);
        explicit_bzero(&key, sizeof(key));
        return r;
}

const struct hb_cli_command hb_cli_trace_anonymize = {
        .name = "trace anonymize",
        .summary = "make a copy that does not tell whose it is",
        .about = "Gone: the names of guest, host and regions, the note, the date and time of day, the texts "
                 "of notes and errors, what the engine was told (so no exact replay, a simulated one as "
                 "before), fingerprints. Exchanged: blocks of 512 pages (2 MiB) within each region. "
                 "STILL VISIBLE: the guest's memory size and regions; how many pages it used when, how often "
                 "they were read and written, and their order inside each 2 MiB; epoch numbers and lengths; "
                 "which policies ran, their hashes, seed and engine settings; the link's latency and rates; "
                 "decisions, transfers and their accuracy; when migrations were asked for. Someone who has "
                 "another trace of the same run can match the two.",
        .examples = {"trace anonymize vm1.hbt -o public.hbt",
                     "trace anonymize vm1.hbt -o public.hbt --seed 7  # the same exchange each time"},
        .operands = {{"FILE", HB_CLI_TEXT}},
        .options = {HB_CLI_OUTPUT_OPTIONS,
                    {"seed", 0, HB_CLI_COUNT, "N", false, 0, 9007199254740991.0,
                     "exchange blocks by this number, so that a second run gives the same; who knows it can "
                     "undo the exchange (default: a random key that is forgotten)"}},
        .run = run_anonymize,
};
