/* load: a memory workload that can prove, page by page, that its memory is right.
 *
 * The memory is one block: first the generations (one 32-bit count of writes per data page), then the data
 * pages. What a data page must hold follows from its number and its generation alone, so any reader of the
 * memory can judge it. Everything else the load knows is `struct load_state`: plain bytes, no pointers, valid
 * on another host. */
#ifndef GUEST_LOAD_LOAD_H
#define GUEST_LOAD_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOAD_PAGE  4096u
#define LOAD_MAGIC 0x3164616f4c624831ull /* "1HbLoad1" */

struct load_params {
        uint64_t mb;         /* size of the memory block, generations included */
        uint64_t rate;       /* pages written per second */
        uint64_t hot;        /* per cent of the pages that are hot */
        uint64_t hot_writes; /* per cent of the writes that go to hot pages; the rest fall anywhere */
        uint64_t shift_s;    /* the hot pages move on by one eighth of their number every so many seconds; 0:
                                never */
        uint64_t reads;      /* pages read per second: half in a running sweep, half in a set of their own */
        uint64_t verify_s;   /* seconds for one verification of every page; 0: on demand only */
        uint64_t beat_ms;    /* between heartbeat lines */
        uint64_t seed;
        uint64_t renew; /* per cent of the writes before which the page is given back to the kernel: it comes
                           back in another frame, as after a balloon or free-page reporting. Shared memory
                           only */
};

struct load_fault {
        uint32_t page, want_generation, found_generation, record;
};

/* Saved and restored as bytes; fields only grow at the end, `size` tells which ones are there. */
struct load_state {
        uint64_t magic;
        uint64_t size;
        struct load_params params;
        uint64_t pages; /* data pages */
        uint64_t random;
        uint64_t writes, reads; /* since the start; `writes` is the sum of all generations, always */
        uint64_t dropped;       /* writes given up because the guest was too slow for its rate */
        uint64_t steps, beats;
        uint64_t running_ns;                         /* time seen by steps */
        uint64_t write_debt, read_debt, verify_debt; /* work due, in page-nanoseconds */
        uint64_t hot_base, sweep;
        uint64_t verify_next; /* next page of the running pass */
        uint64_t
                verify_sum; /* generations of the pages below verify_next, kept current as they are written */
        uint64_t pass_bad;  /* found by the running pass */
        uint64_t last_pass_bad;               /* by the last whole one */
        uint64_t passes, verified, bad, lost; /* lost: passes whose generations did not add up to `writes` */
        struct load_fault last_bad;
        uint64_t max_gap_ns; /* longest time between two steps since load_take_gap() */
};

struct load {
        struct load_state state;
        uint8_t *memory;  /* borrowed; state.params.mb MiB, writable for the life of the load */
        uint64_t last_ns; /* clock at the last step; 0: no step since start or resume */
};

/* Defaults for every field. */
void load_params_init(struct load_params *p);

/* "name=value" into its field. -ENOENT: no such name; -ERANGE: the value is not a number in the field's
 * range. */
int load_params_set(struct load_params *p, const char *word);

/* One "name=value" a line of help, `i` from 0; NULL at the end. */
const char *load_params_help(unsigned i, const char **ret_name);

/* Fill `memory` (params->mb MiB, any content) with generation 0 of every page. -EINVAL: too small for one
 * page. */
int load_start(struct load *l, const struct load_params *params, void *memory);

/* Go on with memory that already holds the load's pages. -EINVAL: not a state this program wrote. Does not
 * touch memory. */
int load_resume(struct load *l, const void *state, size_t bytes, void *memory);

/* Do the work due at `now_ns` (a monotonic clock, any zero); a long absence is not made up for. Returns ns
 * until the next step is due. */
uint64_t load_step(struct load *l, uint64_t now_ns);

/* Check every page now, at one moment. Returns the number of bad pages, plus one if writes were lost. */
uint64_t load_verify_all(struct load *l);

/* The gap for one heartbeat line, and forget it. */
uint64_t load_take_gap(struct load *l);

#endif
