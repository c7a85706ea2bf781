/* check_problem: messages of the host and of luacheck, taken apart. Both are text made elsewhere: what does
 * not look as expected is a problem of the file as a whole. */
#include "author/check.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>

void hb_author_locate(const struct hb_author_policy *p, const char *path, const char *message,
                      struct hb_author_problem *ret) {
        const char *folder = hb_policy_folder(p->kind), *refused = strstr(message, "refused: ");
        char own[128];
        int file_end = 0;
        unsigned line = 0;

        if (refused)
                message = refused + strlen("refused: ");
        snprintf(ret->file, sizeof(ret->file), "%s", path);
        ret->line = ret->column = 0;
        snprintf(ret->text, sizeof(ret->text), "%s", message);
        while (message[file_end] && !isspace((unsigned char)message[file_end]) && message[file_end] != ':')
                file_end++;
        if (message[file_end] != ':' || !strchr(message, '/'))
                return;
        if (sscanf(message + file_end, ":%u:", &line) == 1) {
                const char *rest = strchr(message + file_end + 1, ':');
                ret->line = line;
                snprintf(ret->text, sizeof(ret->text), "%s", rest ? rest + 1 + (rest[1] == ' ') : "");
        } else {
                snprintf(ret->text, sizeof(ret->text), "%s",
                         message + file_end + 1 + (message[file_end + 1] == ' '));
        }
        snprintf(own, sizeof(own), "%s/%s.lua", folder, p->name);
        if (strncmp(message, own, (size_t)file_end) || strlen(own) != (size_t)file_end)
                snprintf(ret->file, sizeof(ret->file), "%.3900s/%.*s", p->dir, file_end, message);
}

bool hb_author_lint_line(const char *line, struct hb_author_problem *ret) {
        const char *at = strstr(line, ".lua:");
        unsigned row, column;
        int n = 0;

        if (!at || sscanf(at, ".lua:%u:%u: %n", &row, &column, &n) != 2 || !n)
                return false;
        ret->check = "lint";
        snprintf(ret->file, sizeof(ret->file), "%.*s", (int)(at - line) + 4, line);
        ret->line = row;
        ret->column = column;
        snprintf(ret->text, sizeof(ret->text), "%s", at + n);
        return true;
}
