/* err: what went wrong, with which object, and what to do next.
 *
 * Every function that can fail returns 0 (or a count >= 0) on success and a negative errno value on failure;
 * out-params are written only on success. Functions that meet the operator's world (files, sockets, peers,
 * guests, settings) also take a `struct hb_err *`, which may be NULL and is written only on failure. Library
 * code never logs a failure: it fills the error, and the caller that decides what happens logs it once.
 *
 * Codes in use beyond their libc meaning: -EPROTO a peer broke the protocol; -EBADMSG bytes failed a bounds
 * check or checksum; -EPROTONOSUPPORT version mismatch; -EACCES not on an allow-list or certificate refused;
 * -EEXIST it is there already; -ENOENT no such object; -EBUSY in use by another; -EOPNOTSUPP this kernel /
 * QEMU / guest cannot; -EREMOTEIO the peer reported a failure; -ECANCELED aborted on request. */
#pragma once

struct hb_err {
        int code;        /* negative errno; 0: no error */
        char what[256];  /* one sentence: what failed and why */
        char which[192]; /* the object: path, guest, host, key ... */
        char next[320];  /* what to do about it, often a command */
};

/* Fills *e (NULL allowed) and returns `code`. `which` and `next` may be NULL. */
int hb_err_set(struct hb_err *e, int code, const char *which, const char *next, const char *fmt, ...)
        __attribute__((format(printf, 5, 6)));

/* "what (which): next" on one line; returns buf. */
const char *hb_err_line(const struct hb_err *e, char *buf, unsigned size);

/* Symbolic name of a negative errno value, "ENOENT"; never NULL. */
const char *hb_errno_name(int code);
/* The reverse; 0 if unknown. */
int hb_errno_from_name(const char *name);
