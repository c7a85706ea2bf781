/* settings: one table of options (section, key, type, range, default, help), from which parsing, --check, the
 * man page and examples/settings are made. INI by libinih. Unknown sections or keys, and values out of range,
 * are errors with line numbers. */
#pragma once
#include "base/err.h"
#include "base/shape.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct hb_host_settings { /* [host.NAME] */
        char name[HB_NAME_MAX], address[128], rdma_address[128];
        char may_pull[128]; /* glob list: guests this host may receive from us; "" none */
        char may_push[128]; /* guests it may place here */
};
struct hb_guest_settings { /* [guest.NAME] */
        char name[HB_NAME_MAX];
        char incoming_command[1024], incoming_qmp[256], incoming_process[256];
};
#define HB_MAX_HOSTS  1024
#define HB_MAX_GUESTS 256

typedef struct hb_settings {
        /* [host] */
        char name[HB_NAME_MAX], state_dir[256], run_dir[256], image_dir[256];
        uint64_t image_ram_bytes; /* 0: no limit */
        char spill_dir[256];      /* "": images stay in memory */
        /* [control] */
        char control_socket[256], control_group[64];
        /* [peer] */
        char listen[128], ca[256], cert[256], key[256], secret[256];
        /* [policy] */
        char policy_dir[256], predictor[64], scorer[64], threshold[64];
        double horizon_s;
        char judge[8];   /* auto, yes, no */
        char model[256]; /* "": policy_dir/models/default.hbm */
        bool finetune;
        bool watch;
        double canary, auto_promote; /* share of the guests; margin of the value. 0: not */
        int auto_lessons;
        /* [tracking] */
        char backend[16];
        int epoch_ms;
        double budget;
        int grace_ms; /* -1: auto */
        /* [transport] */
        uint64_t cap_bytes_per_s, summary_bytes_per_s, summary_blocks_bytes, window_bytes;
        int connections, zstd_level; /* 0: auto; HB_ZSTD_AUTO/OFF as in transport/tcp.h */
        bool kernel_tls;
        char zstd_producer[256];       /* "": zstd finds its matches itself */
        char rdma[8], rdma_device[64]; /* auto, yes, no; "": the one the address leads to */
        uint64_t rdma_pinned_bytes;
        /* [duplicates] */
        bool find_duplicates;
        double fingerprint_budget; /* share of one core */
        uint64_t duplicate_index_bytes, keep_bytes;
        char duplicate_files[1024], keep_dir[256]; /* "": state_dir/kept */
        /* [migration] */
        int max_downtime_ms, timeout_s;
        bool verify; /* full fingerprint comparison while frozen (costs downtime) */
        /* [trace] */
        char trace_dir[256]; /* "": state_dir/traces */
        uint64_t trace_queue_bytes, trace_rotate_bytes;
        int trace_rotate_s;
        unsigned nhosts, nguests;
        struct hb_host_settings *hosts;
        struct hb_guest_settings *guests;
} hb_settings;

int hb_settings_load(const char *path, hb_settings **ret,
                     struct hb_err *e); /* checks everything, names path:line */
/* The same from memory; `path` is only for messages. */
int hb_settings_parse(const char *text, size_t len, const char *path, hb_settings **ret, struct hb_err *e);
hb_settings *hb_settings_free(hb_settings *s);
const struct hb_host_settings *hb_settings_host(const hb_settings *s, const char *name);
const struct hb_guest_settings *hb_settings_guest(const hb_settings *s, const char *name);
bool hb_settings_allows(const char *globs, const char *guest);
void hb_settings_print_reference(FILE *out); /* the commented example file, from the table; loads as it is */
void hb_settings_print_man(FILE *out);       /* harbingerd.ini(5), the same in roff */
/* A changed value that a reload cannot apply (name, listen, dirs): the first such key, NULL if none. */
const char *hb_settings_fixed_difference(const hb_settings *a, const hb_settings *b);
