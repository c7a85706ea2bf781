/* exit_code: the one table from error codes to the command's exit codes. */
#pragma once
#include "cli/cli.h"
#include <stddef.h>

struct hb_exit_row {
        int code; /* negative errno */
        enum hb_cli_exit exit;
};
const struct hb_exit_row *hb_cli_exit_rows(size_t *ret_count);
/* 0 -> HB_EXIT_OK; what is not in the table -> HB_EXIT_FAILED. */
enum hb_cli_exit hb_cli_exit_of(int code);
const char *hb_cli_exit_text(enum hb_cli_exit exit); /* "no such guest, host or file" */
