/* guest_args: what a qemu-system command line says about the guest's memory. */
#pragma once
#include "base/err.h"
#include "base/shape.h"

struct hb_guest_args {
        char name[HB_NAME_MAX];   /* -name; "" : none */
        char region[HB_NAME_MAX]; /* the memory back-end's id, as the daemon calls it; "mem" without one */
        uint64_t ram, below4g;    /* bytes; below4g: as the machine type splits it */
};

/* argv without the program. Refuses what cannot be recorded: KVM, several memory back-ends. */
int hb_guest_args_parse(char *const *argv, struct hb_guest_args *ret, struct hb_err *e);
