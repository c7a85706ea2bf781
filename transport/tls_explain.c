/* tls_explain: why a handshake failed, in the words of someone who has to mend it.
 *
 * Two sides can have refused: we them (our verification's note says why), or they us (their alert says why,
 * less exactly). Everything else is not TLS, not TLS 1.3, or a connection that ended. Any thread. */
#include "transport/tls_priv.h"
#include <errno.h>
#include <openssl/err.h>
#include <openssl/sslerr.h>
#include <stdio.h>

#define NEW_OWN  "make this host a new certificate with `harbinger cert host` and send harbingerd SIGHUP"
#define NEW_PEER "make that host a new certificate with `harbinger cert host` and send its harbingerd SIGHUP"
#define ONE_CA   "both hosts need certificates made with the same ca.key; compare their ca.crt files"
#define CLOCKS   "check the clocks of both hosts"

static void refused_by_us(const struct hb_tls_note *n, const char *which, struct hb_err *e) {
        const char *name = n->name[0] ? n->name : "no valid name";

        switch (n->verify_error) {
        case X509_V_ERR_CERT_HAS_EXPIRED:
                hb_err_set(e, -EACCES, which, NEW_PEER, "the peer's certificate (%s) expired on %s", name,
                           n->valid);
                break;
        case X509_V_ERR_CERT_NOT_YET_VALID:
                hb_err_set(e, -EACCES, which, CLOCKS, "the peer's certificate (%s) is not valid before %s",
                           name, n->valid);
                break;
        case X509_V_ERR_HOSTNAME_MISMATCH:
                hb_err_set(e, -EACCES, which, "correct the address of that host in the settings",
                           "the host that answers is '%s', not '%s'", name, n->expect);
                break;
        case X509_V_ERR_APPLICATION_VERIFICATION:
                hb_err_set(e, -EACCES, which, NEW_PEER,
                           "the peer's certificate has no valid host name as both CN and dNSName");
                break;
        case X509_V_ERR_INVALID_PURPOSE:
                hb_err_set(e, -EACCES, which, NEW_PEER,
                           "the peer's certificate (%s) is not one for a TLS server and client", name);
                break;
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        case X509_V_ERR_CERT_SIGNATURE_FAILURE:
                hb_err_set(e, -EACCES, which, ONE_CA,
                           "the peer's certificate (%s) is foreign: not signed by this cluster's authority",
                           name);
                break;
        default:
                hb_err_set(e, -EACCES, which, NEW_PEER, "the peer's certificate (%s) is not valid: %s", name,
                           X509_verify_cert_error_string(n->verify_error));
        }
}

/* Their alert; false: it is none we know. */
static bool refused_by_them(int reason, const char *which, struct hb_err *e) {
        switch (reason) {
        case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
                hb_err_set(e, -EACCES, which, ONE_CA,
                           "the peer does not know the authority that signed this host's certificate");
                return true;
        case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
                hb_err_set(e, -EACCES, which, NEW_OWN, "the peer says this host's certificate has expired");
                return true;
        case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
        case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
        case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
        case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
        case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
        case SSL_R_TLSV1_ALERT_DECRYPT_ERROR:
                hb_err_set(e, -EACCES, which, CLOCKS " and look at the peer's log, which says why",
                           "the peer does not accept this host's certificate");
                return true;
        case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
                hb_err_set(e, -EACCES, which, NEW_OWN,
                           "the peer wants a certificate and this side showed none");
                return true;
        case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
                hb_err_set(e, -EPROTO, which, "update the older side", "the peer does not speak TLS 1.3");
                return true;
        default:
                return false;
        }
}

static bool not_our_tls(int reason, const char *which, struct hb_err *e) {
        switch (reason) {
        case SSL_R_WRONG_VERSION_NUMBER:
        case SSL_R_HTTP_REQUEST:
        case SSL_R_HTTPS_PROXY_REQUEST:
        case SSL_R_PACKET_LENGTH_TOO_LONG:
        case SSL_R_BAD_RECORD_TYPE:
        case SSL_R_UNEXPECTED_MESSAGE:
        case SSL_R_UNEXPECTED_RECORD:
        case SSL_R_ENCRYPTED_LENGTH_TOO_LONG:
        case SSL_R_RECORD_LENGTH_MISMATCH:
        case SSL_R_LENGTH_MISMATCH:
        case SSL_R_LENGTH_TOO_SHORT:
                hb_err_set(e, -EPROTO, which,
                           "only a harbingerd belongs on this port; look who connects there",
                           "what came is not TLS: a plain-text client or another service");
                return true;
        case SSL_R_UNSUPPORTED_PROTOCOL:
        case SSL_R_VERSION_TOO_LOW:
        case SSL_R_UNKNOWN_PROTOCOL:
        case SSL_R_NO_SHARED_CIPHER:
                hb_err_set(e, -EPROTO, which, "update the older side", "the peer does not speak TLS 1.3");
                return true;
        case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
                hb_err_set(e, -EACCES, which, NEW_PEER, "the peer showed no certificate");
                return true;
        default:
                return false;
        }
}

void hb_tls_explain_code(SSL *ssl, unsigned long code, const char *which, struct hb_err *e) {
        const struct hb_tls_note *n = ssl ? hb_tls_note_of(ssl) : NULL;
        int reason = ERR_GET_LIB(code) == ERR_LIB_SSL ? ERR_GET_REASON(code) : 0;
        const char *text = code ? ERR_reason_error_string(code) : NULL;

        if (n && n->verify_error != X509_V_OK) {
                refused_by_us(n, which, e);
                return;
        }
        if (refused_by_them(reason, which, e) || not_our_tls(reason, which, e))
                return;
        if (text && reason != SSL_R_UNEXPECTED_EOF_WHILE_READING)
                hb_err_set(e, -EPROTO, which, "look at the peer's log", "TLS failed: %s", text);
        else
                hb_err_set(e, -ECONNRESET, which, "look at the peer's log: it may have refused this host",
                           "the peer closed the connection in the middle of the TLS handshake");
}

void hb_tls_explain(SSL *ssl, const char *which, struct hb_err *e) {
        hb_tls_explain_code(ssl, ERR_peek_error(), which, e);
        ERR_clear_error();
}
