/* tls_token: one-time tokens made from a session's secret one, for connections that carry theirs in the clear
 * (RDMA). Token n says nothing of the secret nor of token n + 1; both ends of the session can make it. */
#pragma once
#include "transport/wire.h"

/* HMAC-SHA-256 of n under the session's token. -EIO: OpenSSL failed. */
int hb_tls_token(const uint8_t session[HB_TOKEN_SIZE], uint32_t n, uint8_t ret[HB_TOKEN_SIZE]);
