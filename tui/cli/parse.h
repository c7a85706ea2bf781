/* parse: a command line against the table. */
#pragma once
#include "cli/command.h"

/* Fills c->command (NULL: none given), values, operands and the common options. -EINVAL with what is wrong
 * and the likely remedy. */
int hb_cli_parse(struct hb_cli *c, int argc, char *const *argv, struct hb_err *e);
/* The command these words name: NULL when they name none, or only a group ("guest"). *ret_used: words taken.
 */
const struct hb_cli_command *hb_cli_find(char *const *words, int n, int *ret_used);
bool hb_cli_is_group(const char *word);
/* -EINVAL "unknown command", with a suggestion. */
int hb_cli_unknown(char *const *words, int n, struct hb_err *e);
