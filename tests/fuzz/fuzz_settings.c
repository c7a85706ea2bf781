/* fuzz_settings: any file is either refused with a place and a reason, or gives settings that hold every
 * promise of the table. */
#include "daemon/settings.h"
#include "daemon/settings_table.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok) {
        if (!ok)
                abort();
}

static bool ended(const char *s, size_t size) {
        return memchr(s, '\0', size) != NULL;
}

static void check_settings(const hb_settings *s) {
        check(hb_name_ok(s->name) && s->ca[0] == '/' && s->cert[0] == '/' && s->key[0] == '/');
        check(s->control_socket[0] == '/' && strlen(s->control_socket) < 108);
        check(s->epoch_ms >= 50 && s->epoch_ms <= 60000 && s->budget >= 0 && s->budget <= 0.5);
        check(s->horizon_s >= 5 && s->horizon_s <= 30 && s->connections >= 0 && s->connections <= 16);
        check(s->grace_ms >= -1 && s->window_bytes >= 262144 && s->summary_bytes_per_s >= 1000);
        check(s->nhosts <= HB_MAX_HOSTS && s->nguests <= HB_MAX_GUESTS);
        for (unsigned i = 0; i < s->nhosts; i++) {
                const struct hb_host_settings *h = &s->hosts[i];

                check(hb_name_ok(h->name) && h->address[0] && ended(h->may_pull, sizeof(h->may_pull)));
                check(hb_settings_host(s, h->name) == h && strcmp(h->name, s->name) != 0);
                hb_settings_allows(h->may_pull, "vm1");
        }
        for (unsigned i = 0; i < s->nguests; i++)
                check(hb_settings_guest(s, s->guests[i].name) == &s->guests[i] &&
                      !!s->guests[i].incoming_command[0] + !!s->guests[i].incoming_qmp[0] +
                                      !!s->guests[i].incoming_process[0] ==
                              1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        hb_settings *s;
        struct hb_err e = {0};
        int r = hb_settings_parse((const char *)data, size, "f.ini", &s, &e);

        if (r < 0) {
                check(e.code == r && e.what[0] && strncmp(e.which, "f.ini", 5) == 0);
                return 0;
        }
        check_settings(s);
        check(hb_settings_fixed_difference(s, s) == NULL);
        hb_settings_free(s);
        return 0;
}
