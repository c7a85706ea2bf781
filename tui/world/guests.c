/* guests: what the seats say of guests, put together. Each seat's word about a guest is a *claim* (it runs
 * here, it is coming here, it is being handed over); claims are sorted by name, and those of one name become
 * one guest or more:
 *
 *  - a guest that runs on two seats is one that just moved, when one of them says that it goes to the other
 *    (placement, hand-over) or that it is gone; the other has it. Else there are two of one name.
 *  - one that comes here is the one with that placement (its id; else the names of both hosts). One that runs
 *    here as well is at home already. An image that its source says nothing of is left over, no guest.
 *  - one that comes from a host nobody looks at is a guest of its own.
 *
 * Done when somebody asks, not with each tick: fifty seats tick at fifty moments. Cost: n log n of the
 * claims, at most HB_WORLD_GUESTS of each kind a seat; no allocation once it has grown. */
#include "base/fault.h"
#include "base/shape.h"
#include "world/world_priv.h"
#include <stdlib.h>
#include <string.h>

#define GROUP_MAX (2 * HB_WORLD_SEATS) /* of one name: more than one a seat and kind cannot be */

void hb_world_guests_fini(struct guests *g) {
        free(g->claims);
        free(g->seen);
        free(g->ids);
}

/* ---- claims ---- */

static bool claim(struct guests *g, unsigned seat, int kind, unsigned at, const char *name,
                  const json_t *json) {
        if (!hb_name_ok(name))
                return true;
        if (g->nclaims == g->cap_claims) {
                unsigned cap = g->cap_claims ? g->cap_claims * 2 : 256;
                struct claim *grown =
                        hb_fault("world.claim") ? NULL : realloc(g->claims, cap * sizeof(*grown));

                if (!grown)
                        return false;
                g->claims = grown;
                g->cap_claims = cap;
        }
        g->claims[g->nclaims++] = (struct claim){name, seat, kind, at, json};
        return true;
}

static void claim_all(struct guests *g, const struct seat *s, const char *member, const char *key, int kind) {
        const json_t *a = json_object_get(s->tick, member);
        size_t n = json_array_size(a); /* 0 for what is no array */

        for (size_t i = 0; i < n && i < HB_WORLD_GUESTS; i++) {
                const json_t *o = json_array_get(a, i);

                if (!claim(g, s->number, kind, (unsigned)i, hb_world_text(o, key), o))
                        return; /* without memory: fewer are shown, until the next tick */
        }
}

static int claim_cmp(const void *a, const void *b) {
        const struct claim *x = a, *y = b;
        int r = strcmp(x->name, y->name);

        if (r == 0)
                r = (int)x->kind - (int)y->kind;
        if (r == 0)
                r = x->seat < y->seat ? -1 : x->seat > y->seat;
        if (r == 0)
                r = x->at < y->at ? -1 : x->at > y->at;
        return r;
}

/* ---- one name's claims ---- */

static bool is_host(const hb_world *w, unsigned seat, const char *host) {
        return host[0] && strcmp(w->seats[seat]->host, host) == 0;
}

/* Where the guest goes, as the seat it runs on says; "" nowhere. */
static const char *goes_to(const struct hb_guest_seen *s) {
        const char *to = hb_world_text(json_object_get(s->guest, "placement"), "to");

        return to[0] ? to : hb_world_text(json_object_get(s->guest, "handover"), "peer");
}

static bool was_left(const hb_world *w, const struct hb_guest_seen *old, const struct hb_guest_seen *now) {
        bool goes = is_host(w, now->seat, goes_to(old)), back = is_host(w, old->seat, goes_to(now));

        if (goes && back) /* both want to give it to the other: the newer word counts */
                return w->seats[old->seat]->pub.heard_ns < w->seats[now->seat]->pub.heard_ns;
        return goes || (!back && strcmp(hb_world_text(old->guest, "state"), "gone") == 0);
}

/* Takes out those that another seat has got by now; returns how many stay. */
static unsigned fold_moved(const hb_world *w, struct hb_guest_seen *s, unsigned n) {
        for (unsigned i = 0; i < n; i++)
                for (unsigned k = 0; k < n; k++) {
                        if (k == i || !was_left(w, &s[i], &s[k]))
                                continue;
                        memmove(&s[i], &s[i + 1], (n - i - 1) * sizeof(*s));
                        n--;
                        i--;
                        break;
                }
        return n;
}

static bool same_placement(const hb_world *w, const struct hb_guest_seen *s, const struct claim *c) {
        const json_t *p = json_object_get(s->guest, "placement");
        const char *id = hb_world_text(p, "id"), *theirs = hb_world_text(c->json, "id");

        if (id[0] && theirs[0])
                return strcmp(id, theirs) == 0;
        return is_host(w, c->seat, goes_to(s)) && is_host(w, s->seat, hb_world_text(c->json, "from"));
}

/* The guest that comes to c's seat; NULL: a guest of its own. *ret_left: it is none at all. */
static struct hb_guest_seen *owner_of(const hb_world *w, struct hb_guest_seen *s, unsigned n,
                                      const struct claim *c, bool *ret_left) {
        const char *from = hb_world_text(c->json, "from");

        *ret_left = false;
        for (unsigned i = 0; i < n; i++)
                if (s[i].seat != HB_NO_SEAT && s[i].seat != c->seat && same_placement(w, &s[i], c))
                        return &s[i];
        for (unsigned i = 0; i < n; i++)
                *ret_left |= s[i].seat == c->seat || (s[i].seat != HB_NO_SEAT && is_host(w, s[i].seat, from));
        return NULL;
}

static unsigned take_incoming(const hb_world *w, struct hb_guest_seen *s, unsigned n, const struct claim *c) {
        bool left;
        struct hb_guest_seen *o = owner_of(w, s, n, c, &left);

        if (!o && left)
                return n;
        if (!o) {
                o = &s[n++];
                *o = (struct hb_guest_seen){.name = c->name, .seat = HB_NO_SEAT};
        } else if (o->incoming) {
                return n;
        }
        o->target = c->seat;
        o->incoming = c->json;
        return n;
}

static unsigned take_handover(struct hb_guest_seen *s, unsigned n, const struct claim *c) {
        bool source = strcmp(hb_world_text(c->json, "role"), "target") != 0;

        for (unsigned i = 0; i < n; i++) {
                if (s[i].seat != c->seat && s[i].target != c->seat)
                        continue;
                if (!s[i].handover || source)
                        s[i].handover = c->json;
                return n;
        }
        if (n == 1 && (source || !s[0].handover)) /* it just moved away from there */
                s[0].handover = c->json;
        if (n > 0)
                return n;
        s[0] = (struct hb_guest_seen){.name = c->name,
                                      .seat = source ? c->seat : HB_NO_SEAT,
                                      .target = source ? HB_NO_SEAT : c->seat,
                                      .handover = c->json};
        return 1;
}

/* c[0..n) are of one name. s has room for GROUP_MAX. Returns how many guests they are. */
static unsigned put_together(const hb_world *w, const struct claim *c, unsigned n, struct hb_guest_seen *s) {
        unsigned count = 0, i = 0;

        for (; i < n && c[i].kind == CLAIM_GUEST; i++)
                if (count == 0 || s[count - 1].seat != c[i].seat)
                        s[count++] = (struct hb_guest_seen){.name = c[i].name,
                                                            .seat = c[i].seat,
                                                            .guest = c[i].json,
                                                            .target = HB_NO_SEAT};
        count = fold_moved(w, s, count);
        for (; i < n && c[i].kind == CLAIM_INCOMING; i++)
                if (c[i - (i > 0)].kind != CLAIM_INCOMING || i == 0 || c[i - 1].seat != c[i].seat)
                        count = take_incoming(w, s, count, &c[i]);
        for (; i < n; i++)
                if (c[i - (i > 0)].kind != CLAIM_HANDOVER || i == 0 || c[i - 1].seat != c[i].seat)
                        count = take_handover(s, count, &c[i]);
        for (unsigned k = 0; k < count; k++)
                if (!s[k].handover)
                        s[k].handover = hb_world_object(s[k].guest, "handover");
        return count;
}

/* ---- all of them ---- */

static bool room_for(struct guests *g, unsigned n) {
        struct hb_guest_seen *grown;
        char *ids;
        unsigned cap = g->cap;

        while (cap < n)
                cap = cap ? cap * 2 : 128;
        if (cap == g->cap)
                return true;
        grown = hb_fault("world.guests") ? NULL : realloc(g->seen, cap * sizeof(*grown));
        if (!grown)
                return false;
        g->seen = grown;
        ids = realloc(g->ids, (size_t)cap * ID_MAX);
        if (!ids)
                return false;
        g->ids = ids;
        g->cap = cap;
        return true;
}

static void give_ids(const hb_world *w, struct hb_guest_seen *s, unsigned n, char *ids) {
        for (unsigned i = 0; i < n; i++) {
                unsigned seat = s[i].seat != HB_NO_SEAT ? s[i].seat : s[i].target;

                s[i].id = s[i].name;
                if (n == 1)
                        continue;
                snprintf(ids + (size_t)i * ID_MAX, ID_MAX, "%s@%s", s[i].name, w->seats[seat]->pub.label);
                s[i].id = ids + (size_t)i * ID_MAX;
        }
}

/* Returns true when ids are not in the order of names. */
static bool group_claims(hb_world *w) {
        struct guests *g = &w->guests;
        struct hb_guest_seen group[GROUP_MAX + 1];
        bool mixed = false;

        for (unsigned i = 0, end; i < g->nclaims && g->count < HB_WORLD_GUESTS; i = end) {
                unsigned n;

                for (end = i + 1; end < g->nclaims; end++)
                        if (strcmp(g->claims[end].name, g->claims[i].name) != 0)
                                break;
                n = put_together(w, g->claims + i, end - i, group);
                if (n > HB_WORLD_GUESTS - g->count)
                        n = HB_WORLD_GUESTS - g->count;
                if (n > 0)
                        memcpy(g->seen + g->count, group, n * sizeof(*group));
                give_ids(w, g->seen + g->count, n, g->ids + (size_t)g->count * ID_MAX);
                g->count += n;
                mixed |= n > 1;
        }
        return mixed;
}

static int id_cmp(const void *a, const void *b) {
        return strcmp(((const struct hb_guest_seen *)a)->id, ((const struct hb_guest_seen *)b)->id);
}

void hb_world_guests_refresh(hb_world *w) {
        struct guests *g = &w->guests;
        unsigned most;
        bool mixed;

        if (!g->old)
                return;
        g->old = false;
        g->nclaims = g->count = 0;
        for (unsigned i = 0; i < w->nseats; i++) {
                const struct seat *s = hb_world_live(w, i);

                if (!s || !s->tick)
                        continue;
                claim_all(g, s, "guests", "name", CLAIM_GUEST);
                claim_all(g, s, "incoming", "guest", CLAIM_INCOMING);
                claim_all(g, s, "handovers", "guest", CLAIM_HANDOVER);
        }
        if (g->nclaims > 0)
                qsort(g->claims, g->nclaims, sizeof(*g->claims), claim_cmp);
        most = g->nclaims < HB_WORLD_GUESTS ? g->nclaims : HB_WORLD_GUESTS;
        if (!room_for(g, most))
                return;
        mixed = group_claims(w);
        hb_world_trails_claim(w);
        if (mixed) /* names sort otherwise: "vm1" < "vm10" < "vm1@a" */
                qsort(g->seen, g->count, sizeof(*g->seen), id_cmp);
}

unsigned hb_world_guests(const hb_world *w, const struct hb_guest_seen **ret) {
        hb_world_guests_refresh((hb_world *)w); /* what is known does not change, only its order */
        *ret = w->guests.seen;
        return w->guests.count;
}

/* `name` alone while there is one of it, `name@host` also when it is the only one of that name. */
static bool is_called(const hb_world *w, const struct hb_guest_seen *s, const char *id) {
        size_t n = strlen(s->name);
        const struct seat *at = hb_world_live(w, s->seat), *to = hb_world_live(w, s->target);

        if (strncmp(id, s->name, n) != 0 || id[n] != '@')
                return false;
        return (at && strcmp(at->pub.label, id + n + 1) == 0) ||
               (to && strcmp(to->pub.label, id + n + 1) == 0);
}

const struct hb_guest_seen *hb_world_guest(const hb_world *w, const char *id) {
        const struct hb_guest_seen *s, key = {.id = id};
        unsigned n = hb_world_guests(w, &s);
        const struct hb_guest_seen *found = n ? bsearch(&key, s, n, sizeof(*s), id_cmp) : NULL;

        for (unsigned i = 0; !found && i < n && strchr(id, '@'); i++)
                if (is_called(w, &s[i], id))
                        found = &s[i];
        return found;
}
