/* settings: the file behind the settings, and what the daemon asks of them. */
#include "daemon/settings.h"
#include "base/fault.h"
#include "daemon/settings_table.h"
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_FILE (1u << 20)

static int read_file(int fd, char *text, size_t *ret_len) {
        size_t len = 0;
        ssize_t n;

        while ((n = read(fd, text + len, MAX_FILE + 1 - len)) != 0) {
                if (n < 0 && errno != EINTR)
                        return -errno;
                len += n > 0 ? (size_t)n : 0;
                if (len > MAX_FILE)
                        return -EFBIG;
        }
        *ret_len = len;
        return 0;
}

int hb_settings_load(const char *path, hb_settings **ret, struct hb_err *e) {
        char *text = malloc(MAX_FILE + 1);
        int fd = text ? open(path, O_RDONLY | O_CLOEXEC) : -1, r;
        size_t len = 0;

        r = !text ? -ENOMEM : fd < 0 ? -errno : hb_fault("settings.read") ? -EIO : read_file(fd, text, &len);
        if (fd >= 0)
                close(fd);
        if (r < 0)
                hb_err_set(e, r, path, "harbingerd --reference > FILE writes one to begin with",
                           "cannot read the settings: %s", strerror(-r));
        else
                r = hb_settings_parse(text, len, path, ret, e);
        free(text);
        return r;
}

hb_settings *hb_settings_free(hb_settings *s) {
        if (!s)
                return NULL;
        free(s->hosts);
        free(s->guests);
        free(s);
        return NULL;
}

const struct hb_host_settings *hb_settings_host(const hb_settings *s, const char *name) {
        for (unsigned i = 0; i < s->nhosts; i++)
                if (strcmp(s->hosts[i].name, name) == 0)
                        return &s->hosts[i];
        return NULL;
}

const struct hb_guest_settings *hb_settings_guest(const hb_settings *s, const char *name) {
        for (unsigned i = 0; i < s->nguests; i++)
                if (strcmp(s->guests[i].name, name) == 0)
                        return &s->guests[i];
        return NULL;
}

bool hb_settings_allows(const char *globs, const char *guest) {
        char glob[128];

        while (*globs) {
                size_t n;

                globs += strspn(globs, " \t,");
                n = strcspn(globs, " \t,");
                if (n > 0 && n < sizeof(glob)) {
                        memcpy(glob, globs, n);
                        glob[n] = '\0';
                        if (fnmatch(glob, guest, 0) == 0)
                                return true;
                }
                globs += n;
        }
        return false;
}

const char *hb_settings_fixed_difference(const hb_settings *a, const hb_settings *b) {
        for (size_t r = 0; r < hb_setting_count; r++)
                if (hb_setting_rows[r].fixed && !hb_setting_same(&hb_setting_rows[r], a, b))
                        return hb_setting_rows[r].key;
        return NULL;
}
