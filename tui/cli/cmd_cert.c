/* cert: makes and shows the cluster's certificates. Works on files alone, no daemon needed: the CA's key
 * belongs on an administrator's machine, not on the hosts. */
#include "base/clock.h"
#include "cert/cert.h"
#include "cert/secret.h"
#include "cli/table.h"
#include "draw/format.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define DAY_S 86400.0

static int days_of(const struct hb_cli *c, int otherwise) {
        return hb_cli_flag(c, "days") ? (int)hb_cli_number(c, "days") : otherwise;
}

static int print_created(struct hb_cli *c, const char *const *files, const char *next, struct hb_err *e) {
        json_t *list = json_array();

        for (size_t i = 0; files[i]; i++) {
                json_array_append_new(list, json_string(files[i]));
                if (!c->json)
                        fprintf(c->io->out, "%s\n", files[i]);
        }
        if (c->json)
                return hb_cli_print_json(c, json_pack("{s:o}", "created", list), e);
        json_decref(list);
        fprintf(c->io->err, "%s\n", next);
        return 0;
}

static int file_names(const char *dir, const char *name, char *cert, char *key, size_t size,
                      struct hb_err *e) {
        int n = snprintf(cert, size, "%s/%s.crt", dir, name);

        snprintf(key, size, "%s/%s.key", dir, name);
        return n < (int)size ? 0
                             : hb_err_set(e, -ENAMETOOLONG, dir, "use a shorter path",
                                          "the folder's path is too long");
}

static int run_init(struct hb_cli *c, struct hb_err *e) {
        const char *dir = hb_cli_value(c, "dir"), *cluster = hb_cli_value(c, "cluster");
        char cert[512], key[512], secret[512];
        const char *made[] = {cert, key, secret, NULL};
        int r = file_names(dir, "ca", cert, key, sizeof(cert), e);

        if (r == 0 && mkdir(dir, 0700) < 0 && errno != EEXIST)
                r = hb_err_set(e, -errno, dir, NULL, "cannot make the folder: %s", strerror(errno));
        if (r == 0)
                r = hb_cert_make_ca(dir, cluster ? cluster : "harbinger", days_of(c, 3650), e);
        if (r < 0)
                return r;
        snprintf(secret, sizeof(secret), "%s/" HB_SECRET_FILE, dir);
        r = hb_secret_make(dir, e);
        if (r == -EEXIST) /* of a cluster that had its secret first: it stays */
                made[2] = NULL;
        else if (r < 0)
                return r;
        return print_created(
                c, made,
                "Keep ca.key off the hosts; cluster.secret goes to all of them. Next: harbinger cert host "
                "NAME --dir DIR",
                e);
}

static int run_secret(struct hb_cli *c, struct hb_err *e) {
        const char *dir = hb_cli_value(c, "dir");
        char secret[512];
        const char *made[] = {secret, NULL};
        int r = snprintf(secret, sizeof(secret), "%s/" HB_SECRET_FILE, dir) < (int)sizeof(secret)
                        ? hb_secret_make(dir, e)
                        : hb_err_set(e, -ENAMETOOLONG, dir, "use a shorter path",
                                     "the folder's path is too long");

        return r < 0 ? r
                     : print_created(c, made,
                                     "Copy it to every host, readable by root alone, and name it in [peer] "
                                     "secret of "
                                     "their settings.",
                                     e);
}

static int run_host(struct hb_cli *c, struct hb_err *e) {
        const char *dir = hb_cli_value(c, "dir"), *name = c->operands[0];
        char cert[512], key[512], next[1200];
        const char *made[] = {cert, key, NULL};
        int r = file_names(dir, name, cert, key, sizeof(cert), e);

        if (r == 0)
                r = hb_cert_make_host(dir, name, days_of(c, 825), e);
        if (r < 0)
                return r;
        snprintf(next, sizeof(next),
                 "Copy both, %s/ca.crt and %s/" HB_SECRET_FILE
                 " to host %s, and name them in [peer] of its settings.",
                 dir, dir, name);
        return print_created(c, made, next, e);
}

static void utc(long long at, char *buf, size_t size) {
        time_t t = (time_t)at;
        struct tm tm;

        if (!gmtime_r(&t, &tm) || strftime(buf, size, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
                snprintf(buf, size, "%lld", at);
}

static int run_show(struct hb_cli *c, struct hb_err *e) {
        double now = (double)hb_wall_ns() / 1e9, left;
        char from[40], until[40], line[80], num[HB_FMT_SIZE];
        struct hb_cert_info info;
        const char *state;
        int r = hb_cert_read(c->operands[0], &info, e);

        if (r < 0)
                return r;
        utc(info.not_before, from, sizeof(from));
        utc(info.not_after, until, sizeof(until));
        left = (double)info.not_after - now;
        state = left <= 0 ? "expired" : now < (double)info.not_before ? "not yet valid" : "valid";
        if (c->json)
                return hb_cli_print_json(c,
                                         json_pack("{s:s,s:s,s:s,s:s,s:s,s:f}", "subject", info.subject,
                                                   "issuer", info.issuer, "not_before", from, "not_after",
                                                   until, "state", state, "days_left", left / DAY_S),
                                         e);
        snprintf(line, sizeof(line), left > 0 ? "%s, %s left" : "%s", state, hb_fmt_seconds(left, num));
        hb_cli_field(c, "subject", info.subject);
        hb_cli_field(c, "issuer", info.issuer);
        hb_cli_field(c, "valid from", from);
        hb_cli_field(c, "valid until", until);
        hb_cli_field(c, "state", line);
        return 0;
}

const struct hb_cli_command hb_cli_cert_init = {
        .name = "cert init",
        .summary = "make the cluster's certificate authority",
        .about = "Writes DIR/ca.crt, DIR/ca.key and DIR/cluster.secret. Hosts trust each other by ca.crt; "
                 "whoever has "
                 "ca.key can make hosts; cluster.secret keys the fingerprints by which duplicate pages are "
                 "found. "
                 "Nothing is overwritten.",
        .examples = {"cert init --dir /root/harbinger-ca", "cert init --dir ca --cluster lab --days 365"},
        .options = {{"dir", 0, HB_CLI_TEXT, "DIR", true, 0, 0, "folder for the files; made if missing"},
                    {"cluster", 0, HB_CLI_NAME, "NAME", false, 0, 0,
                     "name in the certificate (default: harbinger)"},
                    {"days", 0, HB_CLI_COUNT, "N", false, 1, 36500, "days it is good for (default: 3650)"}},
        .run = run_init,
};

const struct hb_cli_command hb_cli_cert_host = {
        .name = "cert host",
        .summary = "make a host's certificate",
        .about = "Writes DIR/NAME.crt and DIR/NAME.key, signed by the authority in DIR. NAME is the host's "
                 "[host] name, and its section [host.NAME] "
                 "at the others.",
        .examples = {"cert host a --dir /root/harbinger-ca", "cert host b --dir ca --days 90"},
        .operands = {{"NAME", HB_CLI_NAME, .completes = "@hosts"}},
        .options = {{"dir", 0, HB_CLI_TEXT, "DIR", true, 0, 0, "folder with ca.crt and ca.key"},
                    {"days", 0, HB_CLI_COUNT, "N", false, 1, 36500, "days it is good for (default: 825)"}},
        .run = run_host,
};

const struct hb_cli_command hb_cli_cert_secret = {
        .name = "cert secret",
        .summary = "make the cluster's secret, where there is none yet",
        .about = "Writes DIR/cluster.secret: 32 random bytes as hexadecimal digits. `cert init` makes it, "
                 "too; this is "
                 "for clusters that are older. Hosts with one secret find pages that the target has already, "
                 "and do "
                 "not send them.",
        .examples = {"cert secret --dir /root/harbinger-ca"},
        .options = {{"dir", 0, HB_CLI_TEXT, "DIR", true, 0, 0, "folder for the file"}},
        .run = run_secret,
};

const struct hb_cli_command hb_cli_cert_show = {
        .name = "cert show",
        .summary = "show whose a certificate is and how long it is good",
        .examples = {"cert show /etc/harbinger/a.crt"},
        .operands = {{"FILE", HB_CLI_TEXT}},
        .run = run_show,
};
