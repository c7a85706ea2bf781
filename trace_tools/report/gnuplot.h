/* gnuplot: a script in, a drawing out. The child gets a clean environment, 10 s of processor time and 20 s in
 * all, and no more than HB_SVG_MOST bytes are taken. Blocks until it has ended. */
#pragma once
#include "base/bytes.h"
#include "base/err.h"

/* `program` as in hb_report_options. -ENOENT: there is none; -ETIMEDOUT, -EIO: it did not do well. */
int hb_gnuplot_run(const char *program, const struct hb_buf *script, struct hb_buf *out, struct hb_err *e);
