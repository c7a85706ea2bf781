/* duplicates: the object, the sources bytes are copied from, and the index of them.
 *
 * A source holds descriptors of its own and is counted: a guest that is detached, an image that is released
 * or a kept memory that is dropped while a thread reads it stays readable until the thread is through, and
 * what was read counts only if its print is right. Bytes are read with pread, never through a mapping: a file
 * that is cut is an error then, not a signal, and a hole stays a hole. The index has a lock, held for a
 * handful of entries at a time; all else here is the loop's. */
#include "daemon/duplicates.h"
#include "base/clock.h"
#include "base/log.h"
#include "cert/secret.h"
#include "daemon/duplicates_priv.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const char *const kind_names[HB_DUP_KINDS] = {"guest", "image", "kept", "file"};

/* ---- sources ---- */

static void close_parts(const struct hb_dup_part *parts, unsigned n) {
        for (unsigned i = 0; i < n; i++)
                if (parts[i].fd >= 0)
                        close(parts[i].fd);
}

struct hb_dup_source *hb_dup_source_ref(struct hb_dup_source *s) {
        atomic_fetch_add(&s->refs, 1);
        return s;
}

void hb_dup_source_unref(struct hb_dup_source *s) {
        if (!s || atomic_fetch_sub(&s->refs, 1) > 1)
                return;
        close_parts(s->parts, s->nparts);
        free(s);
}

int hb_dup_source_new(struct hb_duplicates *x, enum hb_dup_kind kind, const char *name,
                      const struct hb_dup_part *parts, unsigned nparts, struct hb_dup_source **ret) {
        struct hb_dup_source *s = calloc(1, sizeof *s);
        int r = s ? 0 : -ENOMEM;

        if (r == 0) {
                pthread_mutex_lock(&x->lock);
                r = hb_dup_index_owner_add(x->index, &s->owner);
                pthread_mutex_unlock(&x->lock);
        }
        if (r < 0) {
                close_parts(parts, nparts);
                free(s);
                return r;
        }
        atomic_init(&s->refs, 1);
        s->kind = kind;
        snprintf(s->name, sizeof s->name, "%s", name);
        s->nparts = nparts;
        memcpy(s->parts, parts, nparts * sizeof *parts);
        x->by_owner[s->owner] = s;
        s->next = x->sources;
        x->sources = s;
        *ret = s;
        return 0;
}

void hb_dup_source_drop(struct hb_duplicates *x, struct hb_dup_source *s) {
        if (!s)
                return;
        atomic_store(&s->gone, true);
        x->by_owner[s->owner] = NULL;
        pthread_mutex_lock(&x->lock);
        hb_dup_index_owner_remove(x->index, s->owner);
        pthread_mutex_unlock(&x->lock);
        for (struct hb_dup_source **p = &x->sources; *p; p = &(*p)->next)
                if (*p == s) {
                        *p = s->next;
                        break;
                }
        hb_dup_source_unref(s);
}

uint64_t hb_dup_source_run(const struct hb_dup_source *s, uint64_t page, uint64_t most, int *ret_fd,
                           uint64_t *ret_offset) {
        for (unsigned i = 0; i < s->nparts; i++) {
                const struct hb_dup_part *p = &s->parts[i];
                uint64_t left;

                if (page < p->first || page - p->first >= p->pages)
                        continue;
                left = p->pages - (page - p->first);
                if (ret_fd)
                        *ret_fd = p->fd;
                if (ret_offset)
                        *ret_offset = p->offset + (page - p->first) * HB_PAGE_SIZE;
                return left < most ? left : most;
        }
        return 0;
}

int hb_dup_source_read(const struct hb_dup_source *s, uint64_t page, uint64_t n, uint8_t *out) {
        uint64_t at, bytes = n * HB_PAGE_SIZE;
        int fd;

        if (hb_dup_source_run(s, page, n, &fd, &at) != n)
                return -ENODATA;
        while (bytes > 0) {
                ssize_t k = pread(fd, out, bytes, (off_t)at);

                if (k < 0 && errno == EINTR)
                        continue;
                if (k <= 0)
                        return k < 0 ? -errno : -ENODATA;
                out += k;
                at += (uint64_t)k;
                bytes -= (uint64_t)k;
        }
        return 0;
}

bool hb_dup_is_zero(const struct hb_duplicates *x, const struct hb_print *p) {
        return hb_print_equal(p, hb_fingerprint_zero(x->f));
}

/* Newer knowledge of where bytes are is the better one. */
void hb_dup_put(struct hb_duplicates *x, uint32_t owner, uint64_t page, const struct hb_print *p) {
        if (hb_dup_is_zero(x, p))
                return;
        pthread_mutex_lock(&x->lock);
        hb_dup_index_replace(x->index, p, (struct hb_dup_place){owner, page});
        pthread_mutex_unlock(&x->lock);
}

void hb_dup_low_priority(int nice) {
        setpriority(PRIO_PROCESS, 0, nice); /* Linux: of the thread */
}

/* ---- life ---- */

static int load_key(struct hb_duplicates *x, struct hb_err *e) {
        uint8_t secret[HB_SECRET_SIZE];
        int r = hb_secret_load(x->d->settings->secret, secret, e);

        if (r == 0)
                r = hb_fingerprint_new(secret, sizeof secret, &x->f, e);
        explicit_bzero(secret, sizeof secret);
        return r;
}

int hb_duplicates_new(hb_daemon *d, struct hb_err *e) {
        const hb_settings *s = d->settings;
        struct hb_duplicates *x;
        int r;

        if (!s->secret[0])
                return 0;
        x = calloc(1, sizeof *x);
        if (!x)
                return hb_err_set(e, -ENOMEM, s->secret, NULL, "no memory to look for duplicates");
        x->d = d;
        x->began_ns = hb_now_ns();
        pthread_mutex_init(&x->lock, NULL);
        d->duplicates = x;
        r = load_key(x, e);
        if (r < 0)
                goto fail;
        r = hb_err_set(e, -ENOMEM, "[duplicates] index_bytes", "set it lower",
                       "no memory for the index of duplicates");
        x->by_owner = calloc(HB_DUP_OWNERS, sizeof *x->by_owner);
        if (!x->by_owner || hb_dup_index_new(s->duplicate_index_bytes, &x->index) < 0 ||
            hb_workers_new(1, "copy", &x->copiers) < 0 ||
            hb_jobs_new(d->mailbox, "keep", x, &x->keeping) < 0 ||
            hb_jobs_new(d->mailbox, "index", x, &x->filling) < 0 || hb_dup_printing_begin(x) < 0)
                goto fail;
        if (e)
                *e = (struct hb_err){0};
        hb_dup_keep_begin(x); /* without it duplicates are found elsewhere */
        hb_dup_files_look(x, hb_now_ns());
        return 0;
fail:
        hb_duplicates_free(d);
        return r;
}

void hb_duplicates_free(hb_daemon *d) {
        struct hb_duplicates *x = d->duplicates;

        if (!x)
                return;
        d->duplicates = NULL;
        atomic_store(&x->stopping, true); /* what takes long looks at it */
        hb_dup_printing_end(x);
        if (x->keeping)
                x->keeping = hb_jobs_free(x->keeping);
        if (x->filling)
                x->filling = hb_jobs_free(x->filling);
        x->copiers = hb_workers_free(x->copiers);
        while (x->sources)
                hb_dup_source_drop(x, x->sources);
        x->keep = hb_keep_free(x->keep);
        x->index = hb_dup_index_free(x->index);
        free(x->by_owner);
        x->f = hb_fingerprint_free(x->f);
        pthread_mutex_destroy(&x->lock);
        free(x);
}

uint64_t hb_duplicates_secret_id(const hb_daemon *d) {
        return d->duplicates && d->settings->find_duplicates ? hb_fingerprint_id(d->duplicates->f) : 0;
}

/* ---- what it looks like ---- */

static json_t *sources_json(const struct hb_duplicates *x) {
        json_t *a = json_array();

        for (const struct hb_dup_source *s = x->sources; s; s = s->next) {
                uint64_t pages = 0;

                for (unsigned i = 0; i < s->nparts; i++)
                        pages += s->parts[i].pages;
                if (s->kind == HB_DUP_KEPT)
                        pages = s->kept.pages;
                json_array_append_new(a, json_pack("{s:s,s:o,s:I,s:I}", "kind", kind_names[s->kind], "name",
                                                   hb_ctl_text(s->name), "bytes",
                                                   (json_int_t)(pages * HB_PAGE_SIZE), "indexed_pages",
                                                   (json_int_t)atomic_load(&s->indexed)));
        }
        return a;
}

json_t *hb_duplicates_json(const hb_daemon *d) {
        struct hb_duplicates *x = d->duplicates;
        struct hb_dup_index_stats st;
        json_t *j;
        double s;

        if (!x)
                return json_null();
        pthread_mutex_lock(&x->lock);
        hb_dup_index_stats(x->index, &st);
        pthread_mutex_unlock(&x->lock);
        s = (double)(hb_now_ns() - x->began_ns) / 1e9;
        j = json_pack("{s:b,s:I,s:I,s:I,s:I}", "find", d->settings->find_duplicates, "index_entries",
                      (json_int_t)st.entries, "index_capacity", (json_int_t)st.capacity, "index_bytes",
                      (json_int_t)st.bytes_now, "index_evicted", (json_int_t)st.evicted);
        json_object_update_new(
                j, json_pack("{s:I,s:f,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "printed_pages",
                             (json_int_t)x->n.printed_pages, "print_cpu_share",
                             s > 0 ? (double)x->n.print_cpu_ns / 1e9 / s : 0, "tags_sent",
                             (json_int_t)x->n.tags_sent, "prints_sent", (json_int_t)x->n.prints_sent,
                             "tags_seen", (json_int_t)x->n.tags_seen, "candidates",
                             (json_int_t)x->n.candidates, "found", (json_int_t)x->n.found, "copied_bytes",
                             (json_int_t)x->n.copied_bytes, "refuted_pages", (json_int_t)x->n.refuted_pages));
        json_object_set_new(j, "kept_bytes", json_integer(x->keep ? (json_int_t)hb_keep_bytes(x->keep) : 0));
        json_object_set_new(j, "keep_bytes", json_integer((json_int_t)d->settings->keep_bytes));
        json_object_set_new(j, "sources", sources_json(x));
        return j;
}

void hb_duplicates_doctor(const hb_daemon *d,
                          void (*add)(void *arg, const char *ok, const char *next, const char *detail),
                          void *arg) {
        const struct hb_duplicates *x = d->duplicates;
        char detail[400];

        if (!x) {
                add(arg, "warn",
                    "harbinger cert secret --dir DIR, copy cluster.secret to every host, name it in [peer] "
                    "secret and "
                    "restart harbingerd",
                    "no [peer] secret: pages that the target has already are sent all the same");
                return;
        }
        if (!d->settings->find_duplicates) {
                add(arg, "ok", "", "[duplicates] find = no: they are not looked for");
                return;
        }
        if (x->keep_trouble[0]) {
                add(arg, "warn", "check [duplicates] keep_dir, then restart harbingerd", x->keep_trouble);
                return;
        }
        snprintf(detail, sizeof detail, "looked for, key %016llx; %.1f MiB of guests that left are kept",
                 (unsigned long long)hb_fingerprint_id(x->f),
                 x->keep ? (double)hb_keep_bytes(x->keep) / (1 << 20) : 0.0);
        add(arg, "ok", "", detail);
}
