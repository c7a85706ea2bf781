/* completion: what may stand next on a command line, for bash, zsh and fish. The scripts hold the table:
 * commands, options with their help, which operand and which option's value is a file, a guest, a host. Names
 * that only a daemon knows are asked of `harbinger help --complete WHAT` when the key is pressed. */
#pragma once
#include "cli/command.h"

enum hb_cli_shell { HB_SHELL_BASH, HB_SHELL_ZSH, HB_SHELL_FISH };
int hb_cli_shell_from_name(const char *name, enum hb_cli_shell *ret); /* -EINVAL */
void hb_cli_completion(FILE *out, enum hb_cli_shell shell);
/* What `help --complete WHAT` answers, one name a line, without those a shell might take for more than a
 * name. No daemon, or one that is slow: nothing, no error. -EINVAL: there is no such WHAT. */
int hb_cli_complete(struct hb_cli *c, const char *what, struct hb_err *e);
#define HB_COMPLETE_MS 200 /* a person has pressed a key and waits */

/* ---- for the scripts' makers ---- */
/* What completes a value: blank-separated words and sources ("@guests @files"); "-": anything goes. NULL: a
 * flag. */
const char *hb_cli_option_completes(const struct hb_cli_option *o);
const char *hb_cli_operand_completes(const struct hb_cli_operand *o);
/* First words of commands: calls for each one, with the group's first row; `group`: it needs a second word.
 */
void hb_cli_first_words(FILE *out, void (*each)(FILE *out, const char *word, size_t n,
                                                const struct hb_cli_command *row, bool group));
/* Rows of the group that begins with this row, which is the i-th of hb_cli_commands. */
bool hb_cli_begins_group(size_t i);
/* Text in single quotes, for bash and zsh ('\'') or fish (\'). */
void hb_cli_quote(FILE *out, const char *text, bool fish);
/* The `case` tables that bash and zsh both read: takes (what an option's value is), operand, second words. */
void hb_cli_shell_tables(FILE *out);
void hb_cli_completion_bash(FILE *out);
void hb_cli_completion_zsh(FILE *out);
void hb_cli_completion_fish(FILE *out);
