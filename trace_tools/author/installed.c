/* installed: an unpacked or moved installation works, and a build is never mixed with another. */
#include "author/installed.h"
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool there(char ret[PATH_MAX], const char *dir, const char *below, const char *file) {
        char path[2 * PATH_MAX];

        if (snprintf(ret, PATH_MAX, "%s%s", dir, below) >= PATH_MAX)
                return false;
        snprintf(path, sizeof(path), "%s/%s", ret, file);
        return access(path, R_OK) == 0;
}

static int find(char ret[PATH_MAX], const char *file, const char *in_build, const char *from_bin,
                const char *installed, struct hb_err *e) {
        char self[PATH_MAX], below[PATH_MAX], *slash;
        ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

        self[n > 0 ? n : 0] = 0;
        slash = strrchr(self, '/');
        *(slash ? slash : self) = 0;
        snprintf(below, sizeof(below), "/%s", from_bin);
        if (there(ret, self, in_build, file) || there(ret, self, below, file) ||
            there(ret, installed, "", file))
                return 0;
        return hb_err_set(e, -ENOENT, file, "install Harbinger as a whole",
                          "a part of Harbinger is neither beside this program nor in %s", installed);
}

int hb_author_lua_dir(char ret[PATH_MAX], struct hb_err *e) {
        return find(ret, "harbinger.so", "/lua", HB_AUTHOR_LUA_FROM_BIN, HB_AUTHOR_LUA_DIR, e);
}

int hb_author_policies_dir(char ret[PATH_MAX], struct hb_err *e) {
        return find(ret, ".luacheckrc", "/policies", HB_AUTHOR_POLICIES_FROM_BIN, HB_AUTHOR_POLICIES_DIR, e);
}
