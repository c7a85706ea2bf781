/* caps: what each backend sees and cannot see, in the words doctor and status show. Kept in one place so that
 * they can be read side by side and held against the tests. */
#include "track/backend.h"
#include <string.h>

#define BLIND_COMMON                                                                                         \
        "Not seen: writes through another mapping of the same memory (vhost-user back-ends; found by the "   \
        "mapper check) or by write() on its file, RDMA or device DMA (VFIO) into pages pinned before the "   \
        "scan, and direct I/O still in flight during it (see `grace`); [migration] verify = yes finds "      \
        "them at the hand-over. "

const struct hb_tracker_caps hb_caps_wp = {
        .name = "wp",
        .exact_writes = true,
        .survives_restart = true,
        .sees = "every page written by the guest's process: vCPUs (TCG and KVM), its I/O threads, system "
                "calls into guest memory, kernel "
                "vhost; and every page discarded (balloon, free-page reporting)",
        .blind = BLIND_COMMON
        "Also not seen: a page discarded and read again, without a write, between two scans."};

const struct hb_tracker_caps hb_caps_present = {
        .name = "present",
        .exact_writes = true,
        .reads = true,
        .survives_restart = true,
        .sees = "what wp sees, and for a rotating sample of pages every access, reads too; the sample's cost "
                "is kept inside the budget "
                "(under KVM an access to a sampled page also refills the nested page table, which is "
                "counted)",
        .blind = BLIND_COMMON "Also not seen: a page discarded and read again, without a write, between two "
                              "scans; reads of pages that are "
                              "not in the sample."};

const struct hb_tracker_caps hb_caps_softdirty = {
        .name = "softdirty",
        .exact_writes = true,
        .survives_restart = true,
        .sees = "every page written by the guest's process, vCPUs and I/O threads and system calls, and "
                "every page discarded; the guest is "
                "stopped for the instant in which the marks are read and cleared",
        .blind = BLIND_COMMON "Also not seen: writes by io_uring and kernel vhost workers in that instant "
                              "(they cannot be stopped), a page "
                              "written and swapped out between two scans (keep guest memory out of swap), "
                              "and anything while another tool "
                              "(CRIU) clears the same marks."};

const struct hb_tracker_caps hb_caps_hash = {
        .name = "hash",
        .exact_writes = false,
        .survives_restart = true,
        .sees = "every page whose bytes differ from those at the last scan, whoever wrote them and through "
                "whatever mapping; the whole guest is "
                "read each scan",
        .blind = "Not seen: a page changed and changed back between two scans (so a copy read in between may "
                 "be wrong: hand over with "
                 "--verify), a write that stored the same bytes, and, once in 2^64 changed pages, a change "
                 "with the same 64-bit hash."};

const struct hb_tracker_caps hb_caps_hash_rotating = {
        .name = "hash",
        .exact_writes = false,
        .survives_restart = true,
        .sees = "pages whose bytes differ from those at their last look, whoever wrote them; a part of the "
                "guest is read each scan, so a write may "
                "be reported some scans late; the final scan of a hand-over reads everything",
        .blind = "Not seen in time: writes to the part whose turn it is not. Never seen: a page changed and "
                 "changed back between two looks (hand over "
                 "with --verify), a write that stored the same bytes, and, once in 2^64 changed pages, a "
                 "change with the same 64-bit hash."};

static const struct hb_tracker_caps *const all[] = {&hb_caps_present, &hb_caps_wp, &hb_caps_softdirty,
                                                    &hb_caps_hash};

const struct hb_tracker_caps *hb_tracker_caps_of(const char *name) {
        for (unsigned i = 0; i < sizeof all / sizeof *all; i++)
                if (strcmp(all[i]->name, name) == 0)
                        return all[i];
        return NULL;
}
