/* qemu_regions: which of QEMU's memory is the guest's RAM, and where it lies in the process.
 *
 * Every memory backend must be shared: private memory cannot be read from outside, and x-ignore-shared would
 * send it the slow way. A backend the guest's address space does not show is refused too: QEMU would take it
 * for moved although nobody moved it. The address comes from QEMU's own tables, never from a guess;
 * core/track checks it against the kernel's. One worker thread. */
#include "move/qemu_priv.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define START_WITH                                                                                           \
        "start QEMU with -object memory-backend-memfd,id=mem,size=SIZE,share=on -machine memory-backend=mem"

int hb_qemu_hva_parse(const char *text, uint64_t *ret) {
        const char *is = strstr(text, " is 0x");
        uint64_t v;

        if (!is || sscanf(is, " is 0x%" SCNx64, &v) != 1 || v == 0)
                return -EPROTO;
        *ret = v;
        return 0;
}

/* "  0000000000100000-0000000003ffffff (prio 0, ram): mem @0000000000100000 KVM": is it plain RAM of `name`?
 */
static bool mtree_line(const char *line, size_t size, const char *name, uint64_t *ret_gpa,
                       uint64_t *ret_offset) {
        char copy[256], *label, *at;
        uint64_t gpa, last, offset = 0;
        int prio, used = 0;

        if (size >= sizeof(copy))
                return false;
        memcpy(copy, line, size);
        copy[size] = '\0';
        if (sscanf(copy, " %" SCNx64 "-%" SCNx64 " (prio %d, ram): %n", &gpa, &last, &prio, &used) != 3 ||
            used == 0)
                return false;
        label = copy + used;
        label[strcspn(label, "\r")] = '\0';
        at = strstr(label, " @");
        if (at && sscanf(at, " @%" SCNx64, &offset) != 1)
                return false;
        label[strcspn(label, " ")] = '\0';
        if (strrchr(label, '/')) /* x-use-canonical-path-for-ramblock-id: /objects/mem */
                label = strrchr(label, '/') + 1;
        if (strcmp(label, name) != 0)
                return false;
        *ret_gpa = gpa;
        *ret_offset = offset;
        return true;
}

int hb_qemu_mtree_find(const char *mtree, const char *name, uint64_t *ret_gpa, uint64_t *ret_offset) {
        bool system = false;

        for (const char *line = mtree; *line;) {
                size_t size = strcspn(line, "\n");

                if (strncmp(line, " Root memory region:", 20) == 0)
                        system = strncmp(line + 20, " system", 7) == 0;
                else if (system && mtree_line(line, size, name, ret_gpa, ret_offset))
                        return 0;
                line += size + (line[size] == '\n');
        }
        return -ENOENT;
}

static int get_property(struct hb_qemu *q, const char *id, const char *property, json_t **ret,
                        struct hb_err *e) {
        char path[128];

        snprintf(path, sizeof(path), "/objects/%s", id);
        return hb_qemu_call(q, "qom-get", json_pack("{s:s, s:s}", "path", path, "property", property), ret,
                            e);
}

static int check_shared(struct hb_qemu *q, const char *id, struct hb_err *e) {
        json_t *v;
        int rc = get_property(q, id, "share", &v, e);
        bool shared = rc == 0 && json_is_true(v);

        if (rc < 0)
                return rc;
        json_decref(v);
        if (!shared)
                return hb_err_set(e, -EOPNOTSUPP, id, START_WITH,
                                  "the guest's memory is private to QEMU (no share=on)");
        return 0;
}

static int backend_size(struct hb_qemu *q, const char *id, uint64_t *ret, struct hb_err *e) {
        json_t *v;
        int rc = get_property(q, id, "size", &v, e);
        json_int_t size;

        if (rc < 0)
                return rc;
        size = json_integer_value(v);
        json_decref(v);
        if (size <= 0)
                return hb_err_set(e, -EPROTO, id, NULL, "QEMU gives the memory backend no size");
        *ret = (uint64_t)size;
        return 0;
}

/* Only memory-backend-file has a path; others answer with an error. */
static void backend_path(struct hb_qemu *q, const char *id, const char *type, char *out, size_t size) {
        json_t *v;

        out[0] = '\0';
        if (strcmp(type, "child<memory-backend-file>") != 0 || get_property(q, id, "mem-path", &v, NULL) < 0)
                return;
        snprintf(out, size, "%s", json_is_string(v) ? json_string_value(v) : "");
        json_decref(v);
}

static int backend_address(struct hb_qemu *q, const char *id, const char *mtree, uint64_t *ret,
                           struct hb_err *e) {
        uint64_t gpa, offset, hva;
        char command[64], *text;
        int rc = hb_qemu_mtree_find(mtree, id, &gpa, &offset);

        if (rc < 0)
                return hb_err_set(e, -EOPNOTSUPP, id, "remove the backend, or let the guest use it as RAM",
                                  "a memory backend is not part of the guest's memory");
        snprintf(command, sizeof(command), "gpa2hva 0x%" PRIx64, gpa);
        rc = hb_qemu_hmp(q, command, &text, e);
        if (rc < 0)
                return rc;
        rc = hb_qemu_hva_parse(text, &hva);
        free(text);
        if (rc < 0 || hva < offset)
                return hb_err_set(e, -EPROTO, id, NULL,
                                  "QEMU does not say where the memory backend is mapped");
        *ret = hva - offset;
        return 0;
}

static int add_backend(struct hb_qemu *q, const char *id, const char *type, const char *mtree,
                       struct hb_guest_info *info, struct hb_err *e) {
        struct hb_target_claim *claim = &info->claims[info->nclaims];
        int rc;

        if (info->nclaims == HB_MAX_REGIONS)
                return hb_err_set(e, -E2BIG, id, "give the guest fewer memory backends",
                                  "a guest may have at most %u memory backends", HB_MAX_REGIONS);
        if (!hb_name_ok(id))
                return hb_err_set(e, -EINVAL, id, "use 1 to 63 of A-Z a-z 0-9 . _ -",
                                  "the memory backend's id cannot name a region");
        rc = check_shared(q, id, e);
        if (rc == 0)
                rc = backend_size(q, id, &claim->bytes, e);
        if (rc == 0)
                rc = backend_address(q, id, mtree, &claim->remote_addr, e);
        if (rc < 0)
                return rc;
        snprintf(claim->name, sizeof(claim->name), "%s", id);
        backend_path(q, id, type, info->paths[info->nclaims], sizeof(info->paths[0]));
        info->nclaims++;
        return 0;
}

static int each_backend(struct hb_qemu *q, const json_t *objects, const char *mtree,
                        struct hb_guest_info *info, struct hb_err *e) {
        size_t i;
        json_t *item;

        json_array_foreach((json_t *)(uintptr_t)objects, i, item) {
                const char *id = json_string_value(json_object_get(item, "name"));
                const char *type = json_string_value(json_object_get(item, "type"));
                int rc = 0;

                if (id && type && strncmp(type, "child<memory-backend-", 21) == 0)
                        rc = add_backend(q, id, type, mtree, info, e);
                if (rc < 0)
                        return rc;
        }
        if (info->nclaims == 0)
                return hb_err_set(e, -EOPNOTSUPP, q->path, START_WITH, "the guest has no memory backend");
        return 0;
}

int hb_qemu_regions(struct hb_qemu *q, struct hb_guest_info *info, struct hb_err *e) {
        json_t *objects;
        char *mtree;
        int rc = hb_qemu_call(q, "qom-list", json_pack("{s:s}", "path", "/objects"), &objects, e);

        if (rc < 0)
                return rc;
        rc = hb_qemu_hmp(q, "info mtree -f", &mtree, e);
        if (rc == 0) {
                rc = each_backend(q, objects, mtree, info, e);
                free(mtree);
        }
        json_decref(objects);
        return rc;
}
