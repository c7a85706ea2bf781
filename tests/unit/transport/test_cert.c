/* Making certificates, and what a host says of its own files at start. */
#include "cert/cert_files.h"
#include "check.h"
#include "cluster.h"
#include "odd_cert.h"
#include "transport/sock.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <time.h>

static int setup(void **state) {
        struct cluster *c = calloc(1, sizeof(*c));

        cluster_init(c, "prod");
        *state = c;
        return 0;
}

static int teardown(void **state) {
        cluster_fini(*state);
        free(*state);
        return 0;
}

static mode_t mode_of(const char *dir, const char *file) {
        char path[PATH_MAX];
        struct stat st;

        snprintf(path, sizeof(path), "%s/%s", dir, file);
        if (stat(path, &st) < 0)
                return 0;
        return st.st_mode & 07777;
}

static void says(const struct hb_err *e, int code, const char *word) {
        if (e->code != code || (!strstr(e->what, word) && !strstr(e->which, word)) || !e->next[0])
                fail_msg("expected %d '%s', got %d '%s' (%s), next '%s'", code, word, e->code, e->what,
                         e->which, e->next);
}

static void test_pair_of_files(void **state) {
        struct cluster *c = *state;
        struct cluster_paths p;
        struct hb_cert_info info;
        struct hb_err e = {0};
        mode_t before = umask(0);

        cluster_add(c, "alpha", 30);
        umask(before);
        assert_int_equal(mode_of(c->dir, "ca.key"), 0600);
        assert_int_equal(mode_of(c->dir, "alpha.key"), 0600); /* whatever the umask */
        assert_int_equal(mode_of(c->dir, "alpha.crt"), 0644);
        cluster_paths(c, c, "alpha", &p);
        assert_int_equal(hb_cert_read(p.crt, &info, &e), 0);
        assert_string_equal(info.subject, "alpha");
        assert_string_equal(info.issuer, "prod");
        assert_in_range(info.not_after - time(NULL), 30 * 86400 - 60, 30 * 86400);
        assert_in_range(time(NULL) - info.not_before, 200, 400); /* clocks a little apart do no harm */
        assert_int_equal(hb_cert_read(p.ca, &info, &e), 0);
        assert_string_equal(info.subject, "prod");
}

static void test_never_overwrites(void **state) {
        struct cluster *c = *state;
        struct hb_err e = {0};
        char path[PATH_MAX];

        assert_int_equal(hb_cert_make_ca(c->dir, "prod", 30, &e), -EEXIST);
        says(&e, -EEXIST, "ca.crt");
        cluster_add(c, "alpha", 30);
        assert_int_equal(hb_cert_make_host(c->dir, "alpha", 30, &e), -EEXIST);
        says(&e, -EEXIST, "alpha.crt");
        snprintf(path, sizeof(path), "%s/alpha.crt", c->dir);
        unlink(path);
        assert_int_equal(hb_cert_make_host(c->dir, "alpha", 30, &e), -EEXIST); /* nor the key alone */
        says(&e, -EEXIST, "alpha.key");
        assert_int_equal(mode_of(c->dir, "alpha.crt"), 0); /* and nothing half-done is left */
}

static void test_bad_requests(void **state) {
        struct cluster *c = *state;
        struct hb_err e = {0};

        assert_int_equal(hb_cert_make_host(c->dir, "../x", 30, &e), -EINVAL);
        says(&e, -EINVAL, "name");
        assert_int_equal(hb_cert_make_host(c->dir, "", 30, &e), -EINVAL);
        assert_int_equal(hb_cert_make_host(c->dir, "ca", 30, &e), -EINVAL);
        assert_int_equal(hb_cert_make_host(c->dir, "alpha", 0, &e), -ERANGE);
        says(&e, -ERANGE, "0 days");
        assert_int_equal(hb_cert_make_host(c->dir, "alpha", 40000, &e), -ERANGE);
        assert_int_equal(hb_cert_make_host("/nonexistent/dir", "alpha", 30, &e), -ENOENT);
        says(&e, -ENOENT, "no certificate authority");
        assert_int_equal(hb_cert_make_ca("/nonexistent/dir", "prod", 30, &e), -ENOENT);
        says(&e, -ENOENT, "cannot create");
        assert_int_equal(hb_cert_read("/dev/null", &(struct hb_cert_info){{0}, {0}, 0, 0}, &e), -EBADMSG);
        says(&e, -EBADMSG, "no certificate");
        assert_int_equal(hb_cert_read("/nonexistent", &(struct hb_cert_info){{0}, {0}, 0, 0}, &e), -ENOENT);
}

/* Even when the look before did not see it: a key appears between look and open. */
static void test_files_are_made_exclusively(void **state) {
        struct cluster *c = *state;
        char path[PATH_MAX];
        struct hb_err e = {0};
        EVP_PKEY *key;

        snprintf(path, sizeof(path), "%s/ca.key", c->dir);
        assert_int_equal(hb_cert_new_key(&key, &e), 0);
        assert_int_equal(hb_cert_write_key(path, key, &e), -EEXIST);
        says(&e, -EEXIST, "ca.key");
        EVP_PKEY_free(key);
}

static int tls_says(const struct hb_tls_files *f, struct hb_err *e) {
        hb_tls *t = NULL;
        int rc = hb_tls_new(f, &t, e);

        if (rc < 0)
                assert_null(t);
        hb_tls_free(t);
        return rc;
}

static void test_own_files_at_start(void **state) {
        struct cluster *c = *state, other;
        struct cluster_paths p, q;
        struct hb_err e = {0};
        struct hb_tls_files f;
        hb_tls *t;

        cluster_add(c, "alpha", 30);
        cluster_add(c, "beta", 30);
        cluster_paths(c, c, "alpha", &p);
        cluster_paths(c, c, "beta", &q);
        assert_int_equal(hb_tls_new(&p.files, &t, &e), 0);
        assert_string_equal(hb_tls_own_name(t), "alpha");
        hb_tls_free(t);
        f = p.files;
        f.key = q.files.key;
        assert_int_equal(tls_says(&f, &e), -EACCES);
        says(&e, -EACCES, "does not match");
        f = p.files;
        f.cert = "/nonexistent.crt";
        assert_int_equal(tls_says(&f, &e), -EACCES);
        says(&e, -EACCES, "cannot read the host's certificate");
        f = p.files;
        f.ca = "/dev/null";
        assert_int_equal(tls_says(&f, &e), -EACCES);
        says(&e, -EACCES, "no CA certificate");
        f = p.files;
        f.key = p.files.cert;
        assert_int_equal(tls_says(&f, &e), -EACCES);
        says(&e, -EACCES, "no private key");
        f = p.files;
        f.cert = p.files.key;
        assert_int_equal(tls_says(&f, &e), -EACCES);
        says(&e, -EACCES, "no certificate");
        cluster_add_odd(c, "odd", "odd", "DNS:other");
        cluster_paths(c, c, "odd", &q);
        assert_int_equal(tls_says(&q.files, &e), -EACCES);
        says(&e, -EACCES, "no valid host name");
        cluster_init(&other, "prod"); /* the same name is not the same authority */
        cluster_paths(c, &other, "alpha", &q);
        assert_int_equal(tls_says(&q.files, &e), -EACCES);
        says(&e, -EACCES, "not signed by the CA");
        cluster_fini(&other);
}

static void test_own_certificate_out_of_time(void **state) {
        struct cluster *c = *state;
        struct cluster_paths p;
        struct hb_err e = {0};
        char year[8];
        time_t then = time(NULL) - 3 * 86400;

        cluster_add(c, "late", -3);
        cluster_paths(c, c, "late", &p);
        assert_int_equal(tls_says(&p.files, &e), -EACCES);
        strftime(year, sizeof(year), "%Y", gmtime(&then));
        says(&e, -EACCES, "expired on");
        assert_non_null(strstr(e.what, year)); /* says when */
        cluster_add(c, "early", HB_CERT_DAYS_NOT_YET);
        cluster_paths(c, c, "early", &p);
        assert_int_equal(tls_says(&p.files, &e), -EACCES);
        says(&e, -EACCES, "not valid before");
}

/* A host called like its cluster is still a host. */
static void test_host_named_like_the_cluster(void **state) {
        struct cluster *c = *state;
        hb_tls *t;

        cluster_add(c, "prod", 30);
        t = cluster_tls(c, "prod");
        assert_string_equal(hb_tls_own_name(t), "prod");
        hb_tls_free(t);
}

/* ---- addresses, the other thing an operator types here ---- */

static void test_addresses(void **state) {
        static const char *const bad[] = {
                "",         "alpha:1", "1.2.3.4",   "1.2.3.4:", "1.2.3.4:0",  "1.2.3.4:65536", "1.2.3:1",
                "::1:7311", "[::1]",   "[::1]7311", "[zz]:1",   "1.2.3.4:-1", "[1.2.3.4]:1",   "1.2.3.4:1x",
                ":1",       "[]:1"};
        struct hb_addr a;
        struct hb_err e = {0};
        char text[64];

        for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                if (hb_addr_parse(bad[i], false, &a, &e) != -EINVAL)
                        fail_msg("'%s' was taken", bad[i]);
                assert_non_null(strstr(e.next, "10.0.0.1:7311"));
        }
        assert_int_equal(hb_addr_parse("10.1.2.3:7311", false, &a, &e), 0);
        hb_addr_text((struct sockaddr *)&a.sa, a.len, text, sizeof(text));
        assert_string_equal(text, "10.1.2.3:7311");
        assert_int_equal(hb_addr_parse("[fd00::1]:65535", false, &a, &e), 0);
        hb_addr_text((struct sockaddr *)&a.sa, a.len, text, sizeof(text));
        assert_string_equal(text, "[fd00::1]:65535");
        assert_int_equal(hb_addr_parse("0.0.0.0:0", true, &a, &e), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void) {
        const struct CMUnitTest tests[] = {
                T(test_pair_of_files),
                T(test_never_overwrites),
                T(test_files_are_made_exclusively),
                T(test_bad_requests),
                T(test_own_files_at_start),
                T(test_own_certificate_out_of_time),
                T(test_host_named_like_the_cluster),
                cmocka_unit_test(test_addresses),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
