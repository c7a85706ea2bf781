/* source: the bytes of a foreign trace: a file, a pipe or standard input, or memory; unpacked on the way when
 * they are zstd (known by their first bytes). Streaming: one buffer whatever the length. One thread. */
#pragma once
#include "base/err.h"
#include <stddef.h>
#include <stdint.h>

typedef struct hb_source hb_source;

#define HB_SOURCE_MOST (64u * 1024) /* the longest line or record that can be asked for */

/* path "-": standard input. Directories are refused; pipes and devices are read as they come. */
int hb_source_open(const char *path, hb_source **ret, struct hb_err *e);
/* `data` stays the caller's and must outlive the source. */
int hb_source_memory(const void *data, size_t size, hb_source **ret, struct hb_err *e);
hb_source *hb_source_free(hb_source *s);

/* stop_fd: readable ends every further read with -EINTR (-1: none). tick, before each read, may end it too by
 * a negative return, which is passed on. */
void hb_source_watch(hb_source *s, int stop_fd, int (*tick)(void *arg), void *arg);

/* Shows what lies ahead: at least `want` (<= HB_SOURCE_MOST) bytes, fewer only at the end. *ret is good until
 * the next call. 0, or an error with *e. */
int hb_source_peek(hb_source *s, size_t want, const uint8_t **ret, size_t *ret_n, struct hb_err *e);
void hb_source_take(hb_source *s, size_t n); /* n <= what was shown */

uint64_t hb_source_at(const hb_source *s);     /* bytes taken, unpacked */
uint64_t hb_source_loaded(const hb_source *s); /* bytes read from the file, as they lie there */
uint64_t hb_source_size(const hb_source *s);   /* of the file; 0: not known (a pipe) */
int hb_source_packed(const hb_source *s);      /* it is zstd; known after the first peek */
