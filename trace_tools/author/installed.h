/* installed: where things of ours lie that are used by path: beside the program in a build folder, beside its
 * installation, or where it was configured to be installed. */
#pragma once
#include "base/err.h"
#include <limits.h>

int hb_author_lua_dir(char ret[PATH_MAX], struct hb_err *e);      /* holds harbinger.so; -ENOENT */
int hb_author_policies_dir(char ret[PATH_MAX], struct hb_err *e); /* the shipped policies, and .luacheckrc */
