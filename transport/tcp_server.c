/* tcp_server: the connections that serve one guest's pages, and the cap they share.
 *
 * Invariant: a connection is in `active` from its start until its thread ends; only those are cut by free.
 * The cap is one token bucket under the server's lock, asked once a run. Connections' work is in
 * tcp_server_conn.c. */
#include "transport/tcp_server.h"
#include "base/clock.h"
#include "base/fault.h"
#include <errno.h>
#include <stdlib.h>

static bool level_ok(int level) {
        return level == HB_ZSTD_AUTO || level == HB_ZSTD_OFF ||
               (level >= HB_ZSTD_LEVEL_MIN && level <= HB_ZSTD_LEVEL_MAX);
}

int hb_tcp_server_new(const struct hb_page_source *src, const struct hb_tcp_server_options *o,
                      hb_tcp_server **ret, struct hb_err *e) {
        hb_tcp_server *s;

        if (!level_ok(o->zstd_level))
                return hb_err_set(e, -ERANGE, NULL, "use auto, off or a level from -7 to 3",
                                  "%d is not a compression level", o->zstd_level);
        s = hb_fault("tcp_server.new") ? NULL : calloc(1, sizeof(*s));
        if (!s)
                return hb_err_set(e, -ENOMEM, NULL, NULL, "out of memory for the page server");
        s->src = src;
        s->o = *o;
        pthread_mutex_init(&s->lock, NULL);
        hb_token_bucket_init(&s->bucket, hb_now_ns(), o->cap_bytes_per_s);
        hb_crew_init(&s->crew, hb_serve_conn_run, hb_serve_conn_release);
        hb_link_meter_init(&s->meter, hb_now_ns());
        *ret = s;
        return 0;
}

int hb_tcp_server_add(hb_tcp_server *s, struct hb_data_conn *conn) {
        struct hb_serve_conn *c;
        int rc = hb_serve_conn_new(s, conn, &c);

        if (rc < 0)
                return rc;
        pthread_mutex_lock(&s->lock);
        rc = s->closed ? -ESHUTDOWN : hb_crew_add(&s->crew, &c->member);
        if (rc == 0) {
                c->next_active = s->active;
                s->active = c;
        }
        pthread_mutex_unlock(&s->lock);
        if (rc < 0)
                hb_serve_conn_release(&c->member);
        return rc;
}

void hb_tcp_server_set_cap(hb_tcp_server *s, uint64_t bytes_per_s) {
        pthread_mutex_lock(&s->lock);
        hb_token_bucket_set_rate(&s->bucket, hb_now_ns(), bytes_per_s);
        s->o.cap_bytes_per_s = bytes_per_s;
        for (struct hb_serve_conn *c = s->active; c; c = c->next_active)
                hb_data_io_wake(&c->io); /* those who wait for the old rate ask again */
        pthread_mutex_unlock(&s->lock);
}

void hb_tcp_server_stats(hb_tcp_server *s, struct hb_link_stats *ret) {
        hb_link_meter_get(&s->meter, hb_now_ns(), ret);
}

void hb_tcp_server_cut(hb_tcp_server *s) {
        pthread_mutex_lock(&s->lock);
        for (struct hb_serve_conn *c = s->active; c; c = c->next_active)
                hb_data_io_cut(&c->io);
        pthread_mutex_unlock(&s->lock);
}

hb_tcp_server *hb_tcp_server_free(hb_tcp_server *s) {
        if (!s)
                return NULL;
        hb_crew_close(&s->crew);
        pthread_mutex_lock(&s->lock);
        s->closed = true;
        for (struct hb_serve_conn *c = s->active; c; c = c->next_active)
                hb_data_io_cut(&c->io);
        pthread_mutex_unlock(&s->lock);
        hb_crew_fini(&s->crew);
        hb_link_meter_fini(&s->meter);
        pthread_mutex_destroy(&s->lock);
        free(s);
        return NULL;
}
