/* repl_pages: helpers that the session's commands share. Internal to the REPL. */
#pragma once
#include "cli/cmd_trace_repl.h"

/* null for what is no number. */
json_t *hb_repl_real(double v);
/* Prints an answer, as lines or as one object. Steals it; NULL: out of memory. */
int hb_repl_tell(struct hb_repl *l, json_t *o, struct hb_err *e);
/* A whole number among the words; `otherwise` < 0: it must be there. */
int hb_repl_number(struct hb_repl *l, unsigned word, double otherwise, double most, double *ret,
                   struct hb_err *e);
