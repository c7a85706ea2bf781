/* program: what a command's first word means, and whether it can be run under qemu-user. */
#pragma once
#include "base/err.h"
#include <limits.h>
#include <stddef.h>

#define HB_PROGRAM_SCRIPTS 4u /* a script's interpreter may be a script */

struct hb_program {
        char path[PATH_MAX]; /* the ELF file to run */
        /* Words before the command's own arguments, from scripts' first lines: interpreter options, script
         * paths. */
        char words[2 * HB_PROGRAM_SCRIPTS][PATH_MAX];
        size_t nwords;
        char name[PATH_MAX]; /* what the program sees as its argv[0] */
};

/* As a shell would find it: with a slash as it is, else in PATH. -ENOENT, -EACCES. */
int hb_program_find(const char *word, char ret[PATH_MAX], struct hb_err *e);
/* Finds it, follows scripts, and refuses what cannot be traced: set-user-ID, another architecture. */
int hb_program_open(const char *word, struct hb_program *ret, struct hb_err *e);
