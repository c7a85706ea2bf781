/* tls: one TLS 1.3 context a host: own certificate, the cluster's CA, both sides authenticated. A peer's name
 * is its certificate's CN, which must also be a SAN dNSName; it is what allow-lists speak of. Only this file
 * and cert/ see OpenSSL's headers beyond `SSL` handles. */
#pragma once
#include "base/err.h"
#include "base/shape.h"

typedef struct hb_tls hb_tls;
typedef struct ssl_st SSL;

struct hb_tls_files {
        const char *ca, *cert, *key;
};
/* -EACCES with the reason: unreadable, key does not match, not signed by the CA, expired (says when), not yet
 * valid. */
int hb_tls_new(const struct hb_tls_files *f, hb_tls **ret, struct hb_err *e);
hb_tls *hb_tls_free(hb_tls *t);
const char *hb_tls_own_name(const hb_tls *t);
/* A handle ready for accept or connect. expect_peer: the host name the other side must prove (client side),
 * or NULL. */
int hb_tls_handle(hb_tls *t, int server, const char *expect_peer, SSL **ret, struct hb_err *e);
/* Binds a handle to a connected socket, which stays the caller's. Writes never raise SIGPIPE. */
int hb_tls_set_fd(SSL *ssl, int fd);
/* More is written right after this: the kernel may gather it into full segments (MSG_MORE). The last write
 * must be without. */
void hb_tls_more(SSL *ssl, int more);
/* Whether hb_tls_offer_kernel may do anything on this context's handles; it may unless told otherwise. To be
 * called before the first handle is made. */
void hb_tls_allow_kernel(hb_tls *t, int allow);
/* Before the handshake: let the kernel encrypt what is sent, where OpenSSL and the kernel both can. The
 * sender must then repeat a write that did not go through with the same bytes at the same place. What is
 * received stays with OpenSSL (3.0 hands no TLS 1.3 keys of that side over). */
void hb_tls_offer_kernel(const hb_tls *t, SSL *ssl);
int hb_tls_kernel_sends(const SSL *ssl); /* after the handshake: 1, it does */
/* Whether the OpenSSL this runs with was built for it, and whether the kernel knows it (the `tls` module). */
void hb_tls_kernel_probe(int *ret_library, int *ret_kernel);
/* After the handshake: verified name of the other side. -EACCES: none, or not a valid name. */
int hb_tls_peer_name(SSL *ssl, char ret[HB_NAME_MAX], struct hb_err *e);
/* Why a handshake failed, in operator's words (plain-text client, wrong CA, expired, name mismatch ...). */
void hb_tls_explain(SSL *ssl, const char *which, struct hb_err *e);
/* The same from an OpenSSL error code that another library (libevent) took off the queue; 0: none is known.
 */
void hb_tls_explain_code(SSL *ssl, unsigned long openssl_error, const char *which, struct hb_err *e);
