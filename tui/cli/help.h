/* help: what the table says, in three dresses. */
#pragma once
#include "cli/command.h"

void hb_cli_help_all(FILE *out);
void hb_cli_help_group(FILE *out, const char *group);
void hb_cli_help_command(FILE *out, const struct hb_cli_command *cmd);
/* "harbinger place GUEST --to HOST [--wait]": form i; false past the last. */
bool hb_cli_form(const struct hb_cli_command *cmd, unsigned i, char *buf, size_t size);
/* roff: harbinger(1), or one command's page. */
void hb_cli_man(FILE *out, const struct hb_cli_command *cmd);
