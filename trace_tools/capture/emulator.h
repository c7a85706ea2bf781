/* emulator: the command line under which a command is recorded. Internal to the room. */
#pragma once
#include "capture/capture.h"
#include "capture/program.h"
#include "capture/sink.h"

struct hb_emulator {
        char **argv; /* NULL-ended; argv[0] is the file to run */
        bool whole_guest;
        struct hb_capture_shape shape; /* points into what follows */
        char guest[HB_NAME_MAX], region[HB_NAME_MAX], note[256];
        char path[PATH_MAX], spec[PATH_MAX + 256];
        struct hb_program program;
};

/* out_fd: where the windows will go in the command's process. Everything that can be known to be in the way
 * is refused here, with a word. */
int hb_emulator_open(const struct hb_capture_options *o, int out_fd, struct hb_emulator *ret,
                     struct hb_err *e);
void hb_emulator_close(struct hb_emulator *m);
