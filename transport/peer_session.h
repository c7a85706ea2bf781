/* peer_session: what the listener needs of sessions beyond peer.h. */
#pragma once
#include "transport/peer_stream.h"
#include "transport/wire_data.h"

/* How an accepted connection reports to the listener until it is known what it is, and when it is gone. */
struct hb_accept_hooks {
        void (*session)(void *arg, hb_session *s); /* a control session: the hook finds an owner for it */
        /* A data connection: the hook takes the stream's socket (hb_session_stream) and then frees the
         * session. */
        void (*data)(void *arg, hb_session *s, const struct hb_msg_data_hello *m);
        /* It is turned away. lingers: the session still tells the peer why and then calls gone(); else the
         * hook frees the session. */
        void (*failed)(void *arg, hb_session *s, const struct hb_err *why, bool lingers);
        void (*gone)(void *arg, hb_session *s); /* it is being freed, by whomever: forget it */
        void *arg;
};
int hb_session_accept(struct event_base *base, hb_tls *tls, int fd, const char *address,
                      const struct hb_accept_hooks *hooks, hb_session **ret, struct hb_err *e);
void hb_session_forget_hooks(hb_session *s); /* the listener goes, the session stays */
hb_stream *hb_session_stream(hb_session *s);
bool hb_session_refused(const hb_session *s);
/* hb_session_free for a lingering session too, which hb_session_free leaves alone. */
void hb_session_destroy(hb_session *s);
