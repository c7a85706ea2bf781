/* cluster: a throw-away cluster for tests: a folder with a CA and host certificates, and TLS contexts from
 * them. Header only; tests link hb_transport and hb_cert. */
#pragma once
#include "cert/cert.h"
#include "cert/cert_make.h"
#include "transport/tls.h"
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct cluster {
        char dir[64];
};

static inline void cluster_must(int rc, const struct hb_err *e) {
        char line[800];

        if (rc == 0)
                return;
        fprintf(stderr, "cluster: %s\n", hb_err_line(e, line, sizeof(line)));
        abort();
}

static inline void cluster_init(struct cluster *c, const char *name) {
        struct hb_err e = {0};

        strcpy(c->dir, "/tmp/hb-cluster-XXXXXX");
        if (!mkdtemp(c->dir))
                abort();
        cluster_must(hb_cert_make_ca(c->dir, name, 30, &e), &e);
}

static inline void cluster_fini(struct cluster *c) {
        DIR *d = opendir(c->dir);
        struct dirent *entry;
        char path[PATH_MAX];

        while (d && (entry = readdir(d))) {
                snprintf(path, sizeof(path), "%s/%s", c->dir, entry->d_name);
                if (entry->d_name[0] != '.')
                        unlink(path);
        }
        if (d)
                closedir(d);
        rmdir(c->dir);
}

/* days as in hb_cert_make_host_for: <= 0 is expired. */
static inline void cluster_add(struct cluster *c, const char *host, int days) {
        struct hb_err e = {0};

        cluster_must(hb_cert_make_host_for(c->dir, host, days, &e), &e);
}

struct cluster_paths {
        char ca[PATH_MAX], crt[PATH_MAX], key[PATH_MAX];
        struct hb_tls_files files;
};
/* The host's files, judged by the CA of `judge` (usually c itself). */
static inline void cluster_paths(const struct cluster *c, const struct cluster *judge, const char *host,
                                 struct cluster_paths *p) {
        snprintf(p->ca, sizeof(p->ca), "%s/ca.crt", judge->dir);
        snprintf(p->crt, sizeof(p->crt), "%s/%s.crt", c->dir, host);
        snprintf(p->key, sizeof(p->key), "%s/%s.key", c->dir, host);
        p->files = (struct hb_tls_files){.ca = p->ca, .cert = p->crt, .key = p->key};
}

static inline hb_tls *cluster_tls(struct cluster *c, const char *host) {
        struct cluster_paths p;
        struct hb_err e = {0};
        hb_tls *t = NULL;

        cluster_paths(c, c, host, &p);
        cluster_must(hb_tls_new(&p.files, &t, &e), &e);
        return t;
}
