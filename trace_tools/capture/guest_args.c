/* guest_args: the shares below 4 GiB are those of QEMU's pc_init1, pc_q35_init and microvm_memory_init; they
 * matter only where the plugin is told physical addresses (QEMU 8.1 and later). */
#include "capture/guest_args.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MIB 1024ull * 1024
#define GIB (1024ull * MIB)

struct walk {
        const char *machine; /* -machine's value */
        const char *memory, *name, *accel;
        bool kvm, numa;
        char *const *argv;
};

/* The value of `key` in "first,key=value,..."; "" key: the first word that has no key. False: not there. */
static bool property(const char *text, const char *key, char *out, size_t size) {
        while (text && *text) {
                size_t n = strcspn(text, ","), k = strcspn(text, ",=");
                const char *value = NULL;

                if (k == n && !key[0])
                        value = text;
                else if (k < n && k == strlen(key) && strncmp(text, key, k) == 0)
                        value = text + k + 1;
                if (value && (size_t)(text + n - value) < size) {
                        memcpy(out, value, (size_t)(text + n - value));
                        out[text + n - value] = '\0';
                        return true;
                }
                if (!key[0])
                        return false;
                text += n + (text[n] == ',');
        }
        return false;
}

/* "512", "1.5G", "4096k"; without a suffix in `unit`. 0: not a size. */
static uint64_t size_of(const char *text, uint64_t unit) {
        static const char suffixes[] = "bkmgt";
        char *end;
        double n = strtod(text, &end);
        const char *s = *end ? strchr(suffixes, *end | 0x20) : NULL;

        if (s)
                unit = 1ull << (10 * (s - suffixes));
        if (end == text || (*end && (!s || end[1])) || !(n > 0) || n * (double)unit > (double)(1ull << 62))
                return 0;
        return (uint64_t)(n * (double)unit);
}

static bool is(const char *arg, const char *option) {
        return arg[0] == '-' && strcmp(arg + (arg[1] == '-' ? 2 : 1), option) == 0;
}

static void walk(struct walk *w) {
        for (char *const *a = w->argv; *a; a++) {
                const char *value = a[1];

                w->kvm = w->kvm || is(*a, "enable-kvm");
                if (!value || (*a)[0] != '-')
                        continue;
                if (is(*a, "machine") || is(*a, "M"))
                        w->machine = value;
                else if (is(*a, "m"))
                        w->memory = value;
                else if (is(*a, "name"))
                        w->name = value;
                else if (is(*a, "accel"))
                        w->accel = w->accel ? w->accel : value; /* the first that works is taken */
                else if (is(*a, "numa"))
                        w->numa = w->numa || strstr(value, "memdev=") || strstr(value, "mem=");
        }
}

/* The size that the back-end of this id is given; 0: none, or told in a way we do not read. */
static uint64_t backend_size(char *const *argv, const char *id) {
        char text[64];

        for (char *const *a = argv; a[0] && a[1]; a++)
                if (is(*a, "object") && property(a[1], "id", text, sizeof(text)) && strcmp(text, id) == 0 &&
                    property(a[1], "size", text, sizeof(text)))
                        return size_of(text, 1);
        return 0;
}

static int check_accelerator(const struct walk *w, struct hb_err *e) {
        char accel[64] = "";

        if (w->kvm)
                strcpy(accel, "kvm");
        else if (w->accel && !property(w->accel, "", accel, sizeof(accel)))
                property(w->accel, "accel", accel, sizeof(accel));
        else if (!w->accel)
                property(w->machine, "accel", accel, sizeof(accel));
        if (accel[0] && strncmp(accel, "tcg", 3) != 0)
                return hb_err_set(e, -EOPNOTSUPP, accel, "give -accel tcg",
                                  "the guest would run on an accelerator whose loads and stores nobody sees");
        return 0;
}

static uint64_t below4g(const char *type, uint64_t ram, uint64_t most) {
        uint64_t low;

        if (strncmp(type, "microvm", 7) == 0)
                low = 3 * GIB;
        else if (strncmp(type, "q35", 3) == 0 || strncmp(type, "pc-q35", 6) == 0)
                low = ram >= 2816 * MIB ? 2 * GIB : 2816 * MIB;
        else
                low = ram >= 3584 * MIB ? 3 * GIB : 3584 * MIB;
        low = most && most < low ? most : low;
        return ram < low ? ram : low;
}

static void name_of(const struct walk *w, struct hb_guest_args *ret) {
        char name[HB_NAME_MAX] = "";

        if (w->name && !property(w->name, "guest", name, sizeof(name)))
                property(w->name, "", name, sizeof(name));
        if (hb_name_ok(name))
                memcpy(ret->name, name, sizeof(ret->name));
}

int hb_guest_args_parse(char *const *argv, struct hb_guest_args *ret, struct hb_err *e) {
        struct walk w = {.argv = argv};
        char text[64] = "", type[64] = "";
        int r;

        walk(&w);
        r = check_accelerator(&w, e);
        if (r < 0)
                return r;
        if (w.numa)
                return hb_err_set(e, -EOPNOTSUPP, "-numa", "give the guest one memory back-end",
                                  "the guest's memory is in several parts, which cannot be told apart");
        if (!property(w.machine, "", type, sizeof(type)))
                property(w.machine, "type", type, sizeof(type));
        memset(ret, 0, sizeof(*ret));
        name_of(&w, ret);
        if (!property(w.machine, "memory-backend", ret->region, sizeof(ret->region)) ||
            !hb_name_ok(ret->region))
                strcpy(ret->region, "mem");
        ret->ram = 128 * MIB; /* QEMU's own default */
        if (w.memory &&
            (property(w.memory, "", text, sizeof(text)) || property(w.memory, "size", text, sizeof(text))))
                ret->ram = size_of(text, MIB);
        else if (backend_size(argv, ret->region))
                ret->ram = backend_size(argv, ret->region);
        if (!ret->ram || ret->ram % HB_PAGE_SIZE)
                return hb_err_set(e, -EINVAL, w.memory, "give -m SIZE",
                                  "the guest's memory size cannot be read");
        text[0] = '\0';
        property(w.machine, "max-ram-below-4g", text, sizeof(text));
        ret->below4g = below4g(type, ret->ram, text[0] ? size_of(text, 1) : 0);
        return 0;
}
