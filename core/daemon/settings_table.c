/* settings_table: every option of harbingerd, once. The parser, the reference file, the manual page and the
 * reload check read these rows; a new option is one row and one field. */
#include "daemon/settings_table.h"
#include "daemon/settings.h"
#include <stddef.h>

#define AT(field)     offsetof(struct hb_settings, field), sizeof(((struct hb_settings *)0)->field)
#define AT_HOST(f)    offsetof(struct hb_host_settings, f), sizeof(((struct hb_host_settings *)0)->f)
#define AT_GUEST(f)   offsetof(struct hb_guest_settings, f), sizeof(((struct hb_guest_settings *)0)->f)
#define SECTION_COUNT (sizeof(hb_setting_sections) / sizeof(hb_setting_sections[0]))

const struct hb_setting_section hb_setting_sections[] = {
        {"host", NULL, false, "This host."},
        {"control", NULL, false, "The socket that harbinger, the command, talks to."},
        {"peer", NULL, false,
         "The other hosts: where they reach this one, and how both sides prove who they are."},
        {"policy", NULL, false,
         "What to fetch ahead: Lua files, POLICY_DIR/{predict,score,threshold}/NAME.lua."},
        {"tracking", NULL, false, "How the memory of this host's guests is watched."},
        {"transport", NULL, false, "How pages travel."},
        {"duplicates", NULL, false,
         "Pages whose bytes the target has already, and which are therefore not sent."},
        {"migration", NULL, false,
         "Limits of the move itself; `harbinger migrate` can set other ones for one move."},
        {"trace", NULL, false, "Recordings of what guests do, as `harbinger trace record` makes them."},
        {"host.*", "b", false, "One section for each other host, called as in its certificate."},
        {"guest.*", "vm1", true,
         "One section for each guest that may arrive here: how its virtual machine is started, or where it "
         "already waits."},
};
const size_t hb_setting_section_count = SECTION_COUNT;

const struct hb_setting hb_setting_rows[] = {
        {"host", "name", HB_SET_NAME, AT(name), 0, 0, NULL, "a", true, NULL,
         "This host's name. It must be the one in its certificate (harbinger cert host NAME)."},
        {"host", "state_dir", HB_SET_PATH, AT(state_dir), 0, 0, "/var/lib/harbinger", NULL, true, NULL,
         "What must survive a restart: history, the journal of hand-overs, placements. On a disk."},
        {"host", "run_dir", HB_SET_PATH, AT(run_dir), 0, 0, "/run/harbinger", NULL, true, NULL,
         "What need not survive a boot: the control socket, each tracker's state. On tmpfs."},
        {"host", "image_dir", HB_SET_PATH, AT(image_dir), 0, 0, "/dev/shm/harbinger", NULL, true, NULL,
         "Where the memory of guests that may come here is kept ready: a folder on tmpfs or hugetlbfs, with "
         "room for it. It becomes the "
         "guest's memory as it is."},
        {"host", "image_ram_bytes", HB_SET_BYTES, AT(image_ram_bytes), 0, 1e15, "0", NULL, false, NULL,
         "The most memory that each image may take before the move is asked for; what is coldest then waits "
         "in spill_dir. "
         "0: no limit."},
        {"host", "spill_dir", HB_SET_PATH, AT(spill_dir), 0, 0, "", "/var/lib/harbinger/spill", true, NULL,
         "Where the cold part of an image above image_ram_bytes waits: a folder on a fast disk (NVMe). Left "
         "empty: images "
         "stay in memory."},

        {"control", "socket", HB_SET_SOCKET, AT(control_socket), 0, 0, "", NULL, true, NULL,
         "Left empty: RUN_DIR/control.sock."},
        {"control", "group", HB_SET_TEXT, AT(control_group), 0, 0, "", "harbinger", true, NULL,
         "Members of this group may use the socket, root always may. Left empty: harbingerd's own group."},

        {"peer", "listen", HB_SET_LISTEN, AT(listen), 0, 0, "0.0.0.0:7311", NULL, true, NULL,
         "Address and port for other hosts: 192.0.2.1:7311, [2001:db8::1]:7311, 0.0.0.0:7311 for every IPv4 "
         "address."},
        {"peer", "ca", HB_SET_PATH, AT(ca), 0, 0, NULL, "/etc/harbinger/ca.crt", false, NULL,
         "The cluster's certificate (harbinger cert init). Its key does not belong on the hosts."},
        {"peer", "cert", HB_SET_PATH, AT(cert), 0, 0, NULL, "/etc/harbinger/a.crt", false, NULL,
         "This host's certificate."},
        {"peer", "key", HB_SET_PATH, AT(key), 0, 0, NULL, "/etc/harbinger/a.key", false, NULL,
         "Its key, readable by root alone."},
        {"peer", "secret", HB_SET_PATH, AT(secret), 0, 0, "", "/etc/harbinger/cluster.secret", true, NULL,
         "The cluster's secret (harbinger cert init), the same file on every host, readable by root alone: "
         "it keys the "
         "fingerprints by which duplicate pages are found. Left empty: none are looked for."},

        {"policy", "dir", HB_SET_PATH, AT(policy_dir), 0, 0, "/usr/share/harbinger/policies", NULL, false,
         NULL, "The folder with predict/, score/ and threshold/."},
        {"policy", "predictor", HB_SET_NAME, AT(predictor), 0, 0, "ewma", NULL, false, NULL,
         "Which pages will be used soon."},
        {"policy", "scorer", HB_SET_NAME, AT(scorer), 0, 0, "cost_benefit", NULL, false, NULL,
         "What having a page there is worth."},
        {"policy", "threshold", HB_SET_NAME, AT(threshold), 0, 0, "adaptive", NULL, false, NULL,
         "The worth above which it is fetched."},
        {"policy", "horizon_s", HB_SET_REAL, AT(horizon_s), 5, 30, "10", NULL, false, NULL,
         "How far ahead a prediction looks, in seconds."},
        {"policy", "judge", HB_SET_CHOICE, AT(judge), 0, 0, "auto", NULL, false, "auto yes no",
         "Whether the predictor of a placement is judged while it works, every 5 s. Costs some 20 ns and 16 "
         "bytes a page of the guest; auto: guests up to 4 GiB."},
        {"policy", "model", HB_SET_TEXT, AT(model), 0, 0, "", NULL, false, NULL,
         "The model that learned predictors ask, a file. Left empty: DIR/models/default.hbm."},
        {"policy", "finetune", HB_SET_BOOL, AT(finetune), 0, 0, "yes", NULL, false, NULL,
         "Whether the model of a placement is trained on by what its guest does, on a thread of the lowest "
         "priority. What a guest taught is kept in STATE_DIR/models."},
        {"policy", "watch", HB_SET_BOOL, AT(watch), 0, 0, "yes", NULL, false, NULL,
         "Whether a change of the file of a policy in use loads it into shadow: it is then judged beside the "
         "active one and decides nothing."},
        {"policy", "canary", HB_SET_REAL, AT(canary), 0, 1, "0", NULL, false, NULL,
         "The share of the guests on which `harbinger policy promote --canary`, or a promotion by itself, "
         "begins; 0: none, "
         "all at once."},
        {"policy", "auto_promote", HB_SET_REAL, AT(auto_promote), 0, 1, "0", NULL, false, NULL,
         "By how much a shadow's value must be above the active one's to be promoted by itself, and to be "
         "taken back the same way; 0: nothing is promoted by itself."},
        {"policy", "auto_lessons", HB_SET_INT, AT(auto_lessons), 1, 10000, "12", NULL, false, NULL,
         "For how many lessons in a row, one each 5 s, it must be so."},

        {"tracking", "backend", HB_SET_CHOICE, AT(backend), 0, 0, "auto", NULL, false,
         "auto present wp softdirty hash",
         "auto takes the first of present, wp, softdirty, hash that works here; harbinger doctor shows which "
         "do and what each sees."},
        {"tracking", "epoch_ms", HB_SET_INT, AT(epoch_ms), 50, 60000, "1000", NULL, false, NULL,
         "Milliseconds between two scans."},
        {"tracking", "budget", HB_SET_REAL, AT(budget), 0, 0.5, "0.01", NULL, false, NULL,
         "The share of a guest's time that watching its reads may cost; 0: writes only."},
        {"tracking", "grace_ms", HB_SET_GRACE, AT(grace_ms), 0, 60000, "auto", NULL, false, NULL,
         "How long a written page counts as still being written, for devices that write behind the page "
         "tables. auto: 2000 for guests with "
         "such devices, else 0."},

        {"transport", "cap_bytes_per_s", HB_SET_BYTES, AT(cap_bytes_per_s), 0, 1e12, "0", NULL, false, NULL,
         "The most that pages may take of the link, for each placement; 0: no limit. 125M is one Gbit/s."},
        {"transport", "summary_bytes_per_s", HB_SET_BYTES, AT(summary_bytes_per_s), 1000, 1e9, "1000000",
         NULL, false, NULL,
         "The most that summaries of what the guest does may take, for each placement. With less the target "
         "knows "
         "later, hottest pages first."},
        {"transport", "summary_blocks_from", HB_SET_BYTES, AT(summary_blocks_bytes), 0, 1e15, "17179869184",
         NULL, false, NULL,
         "Guests of at least this much memory are told by blocks of 2 MiB first and then by those pages that "
         "are "
         "unlike their block, so that a new target soon knows something of all of it."},
        {"transport", "window_bytes", HB_SET_BYTES, AT(window_bytes), 262144, 1073741824, "8388608", NULL,
         false, NULL,
         "Pages asked for and not yet here. More fills a longer line; less keeps urgent pages quick."},
        {"transport", "connections", HB_SET_COUNT, AT(connections), 1, 16, "auto", NULL, false, NULL,
         "TLS connections for pages, for each placement, as its target asks for them. The first is kept for "
         "pages that a guest "
         "waits for; each other one fills about one core on either side. auto: one for a quarter of this "
         "host's processors "
         "and the first, 2 to 8 in all. With 1, bulk and waited-for pages share it."},
        {"transport", "kernel_tls", HB_SET_BOOL, AT(kernel_tls), 0, 0, "yes", NULL, false, NULL,
         "Whether the kernel may encrypt pages on their way out, where it and OpenSSL can; harbinger doctor "
         "shows whether they "
         "do."},
        {"transport", "compression", HB_SET_ZSTD, AT(zstd_level), -7, 3, "auto", NULL, false, NULL,
         "auto compresses while that is quicker than the link; a number is zstd's level."},
        {"transport", "zstd_producer", HB_SET_PATH, AT(zstd_producer), 0, 0, "",
         "/usr/lib/x86_64-linux-gnu/libqatseqprod.so", true, NULL,
         "A shared library that finds zstd's matches: an accelerator's (Intel QAT's plugin, or any with the "
         "entry points of "
         "docs/OPERATING.md). Left empty, or when it cannot: zstd itself."},
        {"transport", "rdma", HB_SET_CHOICE, AT(rdma), 0, 0, "auto", NULL, false, "auto yes no",
         "Whether pages are read from the source's memory by RDMA. auto: where both hosts have a device and "
         "the guest's "
         "memory bears it, else TCP; yes: the same, and harbinger doctor complains where it cannot be."},
        {"transport", "rdma_device", HB_SET_TEXT, AT(rdma_device), 0, 0, "", "mlx5_0", true, NULL,
         "The device to use. Left empty: the one that the other host's address leads to."},
        {"transport", "rdma_pinned_bytes", HB_SET_BYTES, AT(rdma_pinned_bytes), 4194304, 1e15, "256Mi", NULL,
         false, NULL,
         "The most of a guest's memory that is pinned for RDMA at a time, on either side, for each "
         "placement."},

        {"duplicates", "find", HB_SET_BOOL, AT(find_duplicates), 0, 0, "yes", NULL, false, NULL,
         "Whether duplicates are looked for at all. Both hosts need the same [peer] secret."},
        {"duplicates", "budget", HB_SET_REAL, AT(fingerprint_budget), 0, 4, "0.1", NULL, false, NULL,
         "The share of one core that fingerprinting the memory of this host's guests may take, all of them "
         "together."},
        {"duplicates", "index_bytes", HB_SET_BYTES, AT(duplicate_index_bytes), 1048576, 1e12, "256Mi", NULL,
         false, NULL, "Memory for the index of what this host holds: some 24 bytes a page of it."},
        {"duplicates", "files", HB_SET_TEXT, AT(duplicate_files), 0, 0, "", "/var/lib/images/golden.raw",
         false, NULL,
         "Files to look for duplicates in, apart by blanks: the image that guests were made from, say."},
        {"duplicates", "keep_dir", HB_SET_PATH, AT(keep_dir), 0, 0, "", NULL, true, NULL,
         "Where the memory of guests that have moved away is kept in case they come back. Left empty: "
         "STATE_DIR/kept."},
        {"duplicates", "keep_bytes", HB_SET_BYTES, AT(keep_bytes), 0, 1e15, "4Gi", NULL, false, NULL,
         "The most it may take; the guest least likely to return goes first. 0: nothing is kept."},

        {"migration", "max_downtime_ms", HB_SET_INT, AT(max_downtime_ms), 1, 60000, "300", NULL, false, NULL,
         "A guest is not frozen while the estimate is above this many milliseconds."},
        {"migration", "timeout_s", HB_SET_INT, AT(timeout_s), 1, 86400, "120", NULL, false, NULL,
         "How long a move may try to get below that before it is given up."},
        {"migration", "verify", HB_SET_BOOL, AT(verify), 0, 0, "no", NULL, false, NULL,
         "Compare all memory of both sides while the guest is frozen. Costs downtime, the more the larger "
         "the guest."},

        {"trace", "dir", HB_SET_PATH, AT(trace_dir), 0, 0, "", NULL, false, NULL,
         "Where recordings are written. Left empty: STATE_DIR/traces. Only harbingerd's own user may have "
         "one "
         "written elsewhere."},
        {"trace", "queue_bytes", HB_SET_BYTES, AT(trace_queue_bytes), 1048576, 1073741824, "16Mi", NULL,
         false, NULL,
         "Memory of one recording for what the disk has not taken yet. What does not fit is left out, and "
         "the "
         "recording says so."},
        {"trace", "rotate_bytes", HB_SET_BYTES, AT(trace_rotate_bytes), 0, 1e15, "0", NULL, false, NULL,
         "Go on in another file when one has this size, unless the recording was asked for otherwise; 0: "
         "never."},
        {"trace", "rotate_s", HB_SET_INT, AT(trace_rotate_s), 0, 31536000, "0", NULL, false, NULL,
         "The same after so many seconds; 0: never."},

        {"host.*", "address", HB_SET_ADDRESS, AT_HOST(address), 0, 0, NULL, "192.0.2.2:7311", false, NULL,
         "Its [peer] listen."},
        {"host.*", "rdma_address", HB_SET_TEXT, AT_HOST(rdma_address), 0, 0, "", "198.51.100.2", false, NULL,
         "Where it is reached by RDMA, if that is another address."},
        {"host.*", "may_pull", HB_SET_TEXT, AT_HOST(may_pull), 0, 0, "", "*", false, NULL,
         "Guests of ours it may be given, as patterns: vm1 web-* *. Left empty: none."},
        {"host.*", "may_push", HB_SET_TEXT, AT_HOST(may_push), 0, 0, "", "*", false, NULL,
         "Guests of its own it may place here. Left empty: none."},

        {"guest.*", "incoming_command", HB_SET_TEXT, AT_GUEST(incoming_command), 0, 0, "",
         "exec /usr/local/sbin/vm1-incoming \"$HB_IMAGE_mem\" \"$HB_QMP\"", false, NULL,
         "Starts the machine that waits for the guest, run by /bin/sh. $HB_IMAGE_REGION is the file that "
         "holds that region's memory, "
         "$HB_BYTES_REGION its size ('-' and '.' in names become '_'), $HB_QMP the path of the QMP (or "
         "attach) socket to make."},
        {"guest.*", "incoming_qmp", HB_SET_SOCKET, AT_GUEST(incoming_qmp), 0, 0, "", "/run/harbinger/vm1.qmp",
         false, NULL, "Instead of that: the QMP socket of a QEMU that waits already."},
        {"guest.*", "incoming_process", HB_SET_SOCKET, AT_GUEST(incoming_process), 0, 0, "",
         "/run/harbinger/vm1.sock", false, NULL,
         "Instead of both: the attach socket of a process that waits already."},
};
const size_t hb_setting_count = sizeof(hb_setting_rows) / sizeof(hb_setting_rows[0]);
