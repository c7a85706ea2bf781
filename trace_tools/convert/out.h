/* out: buffered bytes into a file beside, or to standard output; packed with zstd when the name ends in .zst.
 * Failures stay: what failed once is told at close. */
#pragma once
#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct hb_out hb_out;

int hb_out_new(const char *path, bool replace, hb_out **ret, struct hb_err *e); /* "-": standard output */
/* Room for n <= 4096 bytes; the caller fills it and says how many with hb_out_wrote. NULL: failed. */
void *hb_out_room(hb_out *o, size_t n);
void hb_out_wrote(hb_out *o, size_t n);
bool hb_out_failed(const hb_out *o);
int hb_out_close(hb_out *o, uint64_t *ret_bytes, struct hb_err *e); /* it is gone, also on failure */
hb_out *hb_out_free(hb_out *o);                                     /* unclosed: no file */
