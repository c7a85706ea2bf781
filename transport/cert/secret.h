/* secret: the cluster's secret: 32 random bytes that every host of a cluster has and nobody else. It keys the
 * fingerprints by which duplicate pages are found, so that what crosses the wire of them says nothing to
 * whoever lacks it. As a file: 64 hexadecimal digits and a line feed, which can be carried by any means and
 * whose loss of a byte is seen. */
#pragma once
#include "base/err.h"
#include <stdint.h>

#define HB_SECRET_SIZE 32u
#define HB_SECRET_FILE "cluster.secret"

/* Writes dir/cluster.secret, 0600. -EEXIST: there is one, which is never replaced. */
int hb_secret_make(const char *dir, struct hb_err *e);
/* -EACCES: the file is another user's (neither ours nor root's), or others than its owner may read or write
 * it. -EBADMSG: it holds something else. */
int hb_secret_load(const char *path, uint8_t ret[HB_SECRET_SIZE], struct hb_err *e);
