/* recover: see recover.h. Everything here runs once on the loop before it turns, but for what attach answers
 * later. */
#include "daemon/recover.h"
#include "base/log.h"
#include "daemon/events.h"
#include "daemon/migrate.h"
#include "daemon/outgoing.h"
#include "place/image_spill.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- placements ---- */

struct find {
        hb_daemon *d;
        const char *guest;
        bool incoming, found;
        struct hb_store_placement p;
};

static int match(void *arg, const struct hb_store_placement *p) {
        struct find *f = arg;
        if (p->incoming != f->incoming || strcmp(p->guest, f->guest) != 0)
                return 0;
        f->p = *p;
        f->found = true;
        return 1;
}

static bool find_placement(hb_daemon *d, const char *guest, bool incoming, struct hb_store_placement *ret) {
        struct find f = {.d = d, .guest = guest, .incoming = incoming};
        hb_store_placements(d->store, match, &f);
        *ret = f.p;
        return f.found;
}

void hb_recover_remember(hb_daemon *d, const char *guest, const char *kind, const char *path) {
        struct hb_store_guest s = {0};
        struct hb_err e;
        snprintf(s.name, sizeof s.name, "%s", guest);
        snprintf(s.kind, sizeof s.kind, "%s", kind);
        snprintf(s.port_path, sizeof s.port_path, "%s", path);
        if (hb_store_guest_put(d->store, &s, &e) < 0)
                hb_daemon_event_err(d, HB_LOG_WARNING, HB_ON_GUEST, guest, NULL, "remembering a guest", &e);
}

void hb_recover_forget(hb_daemon *d, const char *guest) {
        struct hb_store_placement p;
        hb_store_guest_remove(d->store, guest);
        if (find_placement(d, guest, false, &p))
                hb_store_placement_remove(d->store, p.id);
}

/* What the journal last wrote about a guest. */
struct newest {
        const char *guest;
        struct hb_journal_entry j;
};

static int newer(void *arg, const struct hb_journal_entry *j) {
        struct newest *n = arg;
        if (strcmp(j->guest, n->guest) == 0 && j->wall_ns >= n->j.wall_ns)
                n->j = *j;
        return 0;
}

/* Memory files which an earlier hand-over made here (images that became a guest) are ours to remove when that
 * guest has left or ended; those an operator made are not. */
void hb_recover_remove_files(const char *list) {
        char files[sizeof((struct hb_journal_entry *)NULL)->image], *rest = files, *path;
        snprintf(files, sizeof files, "%s", list);
        while ((path = strsep(&rest, "\n")))
                if (*path && unlink(path) < 0 && errno != ENOENT)
                        hb_log(HB_LOG_WARNING,
                               "cannot remove the memory of a guest that is no longer here: %s: %s", path,
                               strerror(errno));
}

/* An image that became no guest has its own end. */
void hb_recover_remove_memory(hb_daemon *d, const char *guest) {
        struct newest n = {.guest = guest};
        if (hb_journal_each(d->store, false, newer, &n) < 0)
                return;
        int state = hb_ho_state_from_name(n.j.state);
        if (state < 0 || (hb_ho_role((enum hb_ho_state)state) == HB_ROLE_TARGET && state != HB_T_DONE))
                return;
        hb_recover_remove_files(n.j.image);
}

/* Nobody at its socket any more: its own death, while no daemon looked. */
static bool has_ended(int code) {
        return code == -ESRCH || code == -ENOENT || code == -ECONNREFUSED;
}

static void taken_up(void *arg, const char *name, struct hb_guest *g, const struct hb_err *e) {
        hb_daemon *d = arg;
        struct hb_store_placement p;
        struct hb_err err;
        if (g) {
                if (find_placement(d, name, false, &p) && hb_outgoing_new(g, p.host, p.id, &err) < 0)
                        hb_daemon_event_err(d, HB_LOG_WARNING, HB_ON_PLACEMENT, name, p.host,
                                            "taking up a placement again", &err);
                return;
        }
        if (e->code == -ECANCELED)
                return; /* the daemon ends; its next start tries again */
        bool ended = has_ended(e->code);
        hb_daemon_event_err(d, HB_LOG_WARNING, HB_ON_GUEST, name, NULL,
                            ended ? "a guest of this host has ended" : "taking up a guest", e);
        hb_daemon_history(d, "guest", name, d->settings->name, "", ended ? "dead" : "not tracked",
                          json_pack("{s:o}", "error", hb_ctl_error_json(e)));
        if (!ended)
                return;
        hb_recover_remove_memory(d, name);
        hb_recover_forget(d, name);
}

void hb_recover_attach(hb_daemon *d, const char *name, const char *kind, const char *path,
                       const char *tracker) {
        struct hb_err e;
        if (hb_guest_attach(d, name, kind, path, tracker, taken_up, d, &e) < 0)
                hb_daemon_event_err(d, HB_LOG_ERR, HB_ON_GUEST, name, NULL, "taking up a guest", &e);
}

static void image_file(const struct hb_store_placement *p, const char *suffix, char out[512]) {
        snprintf(out, 512, "%s/%s.%s", p->image_dir, p->guest, suffix);
}

void hb_recover_release_image(hb_daemon *d, const char *guest) {
        struct hb_store_placement p;
        if (!find_placement(d, guest, true, &p))
                return;
        char path[512];
        hb_image_spill_forget(p.image_dir, p.guest);
        image_file(&p, "state", path);
        unlink(path); /* the region files are the guest's memory now */
        hb_store_placement_remove(d->store, p.id);
}

/* Images are known by their state files and removed through them: one whose placement the store does not name
 * is nobody's. */
struct keep {
        const uint8_t *but;
        struct hb_image_id *ids;
        unsigned n;
        bool failed;
};

static int add_keep(void *arg, const struct hb_store_placement *p) {
        struct keep *k = arg;
        if (!p->incoming || (k->but && memcmp(p->id, k->but, sizeof p->id) == 0))
                return 0;
        struct hb_image_id *more = realloc(k->ids, (k->n + 1) * sizeof *more);
        k->failed = !more;
        if (!more)
                return -ENOMEM;
        k->ids = more;
        more[k->n] = (struct hb_image_id){0};
        memcpy(more[k->n++].placement, p->id, sizeof p->id);
        return 0;
}

/* Removes the images in dir that no placement in the store but `but` has; those in use are safe by their
 * locks. */
static int sweep(hb_daemon *d, const char *dir, const uint8_t *but) {
        struct keep k = {.but = but};
        struct hb_err e;
        int r = hb_store_placements(d->store, add_keep, &k);
        if (k.failed)
                r = -ENOMEM;
        if (r < 0)
                hb_err_set(&e, r, dir, NULL, "cannot tell which images are still wanted");
        else
                r = hb_image_sweep(dir, k.ids, k.n, &e);
        if (r >= 0 && d->settings->spill_dir[0])
                r += hb_image_spill_sweep(d->settings->spill_dir, k.ids, k.n);
        free(k.ids);
        if (r < 0)
                hb_daemon_event_err(d, HB_LOG_WARNING, HB_ON_DAEMON, NULL, NULL, "removing images", &e);
        else if (r > 0)
                hb_daemon_event(d, HB_LOG_NOTICE, HB_ON_DAEMON, NULL, NULL, NULL,
                                "removed %d files of images that are no longer wanted from %s", r, dir);
        return r;
}

bool hb_recover_drop_image(hb_daemon *d, const char *guest) {
        struct hb_store_placement p;
        if (!find_placement(d, guest, true, &p))
                return false;
        sweep(d, p.image_dir, p.id);
        hb_store_placement_remove(d->store, p.id);
        return true;
}

/* ---- guests ---- */

static int take_up_guest(void *arg, const struct hb_store_guest *s) {
        hb_daemon *d = arg;
        if (hb_handover_find(d, s->name))
                return 0; /* when that has ended */
        hb_recover_attach(d, s->name, s->kind, s->port_path, s->tracker);
        return 0;
}

/* A guest came and we were killed before its image had become its own: the journal says that it came. */
static int take_in_arrived(void *arg, const struct hb_store_placement *p) {
        hb_daemon *d = arg;
        struct newest n = {.guest = p->guest};
        if (!p->incoming || hb_journal_each(d->store, false, newer, &n) < 0)
                return 0;
        if (strcmp(n.j.state, hb_ho_state_name(HB_T_DONE)) != 0 || n.j.wall_ns < p->wall_ns)
                return 0;
        hb_recover_remember(d, p->guest, n.j.port_kind, n.j.port_path);
        hb_recover_release_image(d, p->guest);
        return 0;
}

/* ---- hand-overs ---- */

static int take_up_handover(void *arg, const struct hb_journal_entry *j) {
        hb_migrate_resume(arg, j);
        return 0;
}

void hb_migrate_resume(hb_daemon *d, const struct hb_journal_entry *j) {
        int state = hb_ho_state_from_name(j->state);
        if (state < 0) {
                hb_daemon_event(d, HB_LOG_ERR, HB_ON_MIGRATION, j->guest, j->peer, "update harbingerd",
                                "hand-over of %s: the journal names a state this version does not know: %s",
                                j->guest, j->state);
                return;
        }
        struct hb_handover *h =
                hb_handover_new(d, hb_ho_role((enum hb_ho_state)state), j->id, j->guest, j->peer);
        if (!h)
                return;
        h->recovered = true;
        h->state = (enum hb_ho_state)state;
        snprintf(h->port_kind, sizeof h->port_kind, "%s", j->port_kind);
        snprintf(h->port_path, sizeof h->port_path, "%s", j->port_path);
        snprintf(h->memory, sizeof h->memory, "%s", j->image);
        hb_err_set(&h->why, -EOWNERDEAD, j->guest, "harbinger history",
                   "the daemon was restarted while it was: %s", hb_ho_state_text((enum hb_ho_state)state));
        hb_daemon_event(d, HB_LOG_NOTICE, HB_ON_MIGRATION, j->guest, j->peer, NULL,
                        "hand-over of %s with %s was under way (%s): recovering", j->guest, j->peer,
                        j->state);
        hb_handover_event(h, HB_EV_RECOVER);
}

int hb_daemon_recover(hb_daemon *d, struct hb_err *e) {
        int r = hb_journal_each(d->store, true, take_up_handover, d);
        if (r < 0)
                return hb_err_set(e, r, "journal", "see state_dir/harbinger.db",
                                  "cannot read the journal of hand-overs");
        hb_store_placements(d->store, take_in_arrived, d);
        sweep(d, d->settings->image_dir, NULL);
        r = hb_store_guests(d->store, take_up_guest, d);
        return r < 0 ? hb_err_set(e, r, "registry", "see state_dir/harbinger.db",
                                  "cannot read the registry of guests")
                     : 0;
}
