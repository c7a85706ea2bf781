/* mailbox: how other threads reach the loop. A posted function runs on the loop's thread, in the order
 * posted. */
#pragma once
#include <event2/event.h>

typedef struct hb_mailbox hb_mailbox;
int hb_mailbox_new(struct event_base *base, hb_mailbox **ret);
/* Waits for what was promised and runs all that is left; no thread may post any more. */
hb_mailbox *hb_mailbox_free(hb_mailbox *m);
/* Any thread. Never fails once m exists: the node is part of the caller's object, which stays alive until fn
 * has run. */
struct hb_mail {
        struct hb_mail *next;
        void (*fn)(struct hb_mail *m);
};
void hb_mailbox_post(hb_mailbox *m, struct hb_mail *mail, void (*fn)(struct hb_mail *m));
/* Loop thread: `more` posts (or, negative, fewer) are still to come from threads that nobody else waits for.
 */
void hb_mailbox_promise(hb_mailbox *m, int more);
