/* stage_demo: what is shown to those who have nothing to show yet. */
#include "stage/stage.h"
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* In the order of the console's rows: the one that moves is the first. */
static const char *const names[] = {"demo.hbt", "sort.hbt", "redis.hbt"};
#define NAMES (sizeof(names) / sizeof(names[0]))

static bool there(char path[4096], const char *folder, const char *name) {
        return snprintf(path, 4096, "%s/%s", folder, name) < 4096 && access(path, R_OK) == 0;
}

/* As author/installed.c finds the policies: beside the program in a build folder, beside its installation, or
 * where it was configured to be installed. */
static int folders(char ret[3][PATH_MAX]) {
        char self[PATH_MAX / 2], *slash;
        ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

        self[n > 0 ? n : 0] = 0;
        slash = strrchr(self, '/');
        *(slash ? slash : self) = 0;
        snprintf(ret[0], PATH_MAX, "%s/traces", self);
        snprintf(ret[1], PATH_MAX, "%s/%s", self, HB_STAGE_TRACES_FROM_BIN);
        snprintf(ret[2], PATH_MAX, "%s", HB_STAGE_TRACES_DIR);
        return 3;
}

int hb_stage_demo_traces(char ret[HB_STAGE_DEMO_MAX][4096], struct hb_err *e) {
        char dirs[3][PATH_MAX];
        int n = folders(dirs);

        for (int i = 0; i < n; i++) {
                if (!there(ret[0], dirs[i], names[0]))
                        continue;
                for (unsigned k = 1; k < NAMES; k++)
                        if (!there(ret[k], dirs[i], names[k]))
                                return (int)k;
                return (int)NAMES;
        }
        return hb_err_set(e, -ENOENT, names[0], "install Harbinger as a whole",
                          "the traces of the demonstration are neither beside this program nor in %s",
                          HB_STAGE_TRACES_DIR);
}

void hb_stage_demo_options(struct hb_stage_options *o) {
        o->link_bytes_per_s = 9e6; /* slow enough to be watched: ready after a quarter of a minute */
        o->latency_s = 1e-3;
        o->again = true;
        o->simulated = true;
}
