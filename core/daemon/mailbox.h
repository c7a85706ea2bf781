/* mailbox: how other threads reach the loop. A posted function runs on the loop's thread, in the order
 * posted. */
#pragma once
#include <event2/event.h>

typedef struct hb_mailbox hb_mailbox;
int hb_mailbox_new(struct event_base *base, hb_mailbox **ret);
hb_mailbox *hb_mailbox_free(hb_mailbox *m); /* runs what is left first; no thread may post any more */
/* Any thread. Never fails once m exists: the node is part of the caller's object, which stays alive until fn
 * has run. */
struct hb_mail {
        struct hb_mail *next;
        void (*fn)(struct hb_mail *m);
};
void hb_mailbox_post(hb_mailbox *m, struct hb_mail *mail, void (*fn)(struct hb_mail *m));
