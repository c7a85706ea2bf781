/* arguments: what follows the plugin's name on the emulator's command line:
 *
 *   out=fd:N | out=PATH        where the windows go (frame.h): an open descriptor, or a file or fifo
 *   accesses=N | ms=N | instructions=N    a window's length (program: accesses=4000000, whole guest: ms=1000)
 *   ram=BYTES                  whole guest: its memory; addresses beyond are devices', firmware's, a
 * display's below4g=BYTES              whole guest larger than this: the share of its memory below the PCI
 * hole; the rest begins at 4 GiB space=block | physical     what the emulator calls an address; by default
 * told from its version */
#pragma once
#include "plugin/windows.h"

struct hb_address_space {
        uint64_t ram, below4g; /* below4g 0: addresses are offsets into the guest's memory already */
};

struct hb_arguments {
        struct hb_windows_options windows;
        struct hb_address_space space;
};

/* -EINVAL, or what opening gave, with a sentence in `why`. */
int hb_arguments_parse(int argc, char *const *argv, bool whole_guest, int api, struct hb_arguments *ret,
                       char *why, size_t size);
