/* tls_token: see the header. Pure; any thread. The text before the number keeps these tokens apart from
 * whatever else may be made from the same secret. */
#include "transport/tls_token.h"
#include "base/fault.h"
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

int hb_tls_token(const uint8_t session[HB_TOKEN_SIZE], uint32_t n, uint8_t ret[HB_TOKEN_SIZE]) {
        uint8_t text[20] = "rdma-1.harbinger";
        uint8_t digest[EVP_MAX_MD_SIZE];
        unsigned size = 0;

        if (hb_fault("tls.token"))
                return -EIO;
        for (unsigned i = 0; i < 4; i++)
                text[16 + i] = (uint8_t)(n >> (8 * i));
        if (!HMAC(EVP_sha256(), session, HB_TOKEN_SIZE, text, sizeof text, digest, &size) ||
            size != HB_TOKEN_SIZE)
                return -EIO;
        memcpy(ret, digest, HB_TOKEN_SIZE);
        return 0;
}
