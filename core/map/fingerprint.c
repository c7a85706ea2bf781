/* fingerprint: see the header. NH takes a page to two numbers of 128 bits, SipHash takes them to the print.
 *
 * Cost: a page is read once, each word is used in two products; what follows is of 32 bytes. Every word is
 * loaded as it is needed. The key is written once, when the object is made. */
#include "map/fingerprint.h"
#include "base/fault.h"
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <stdlib.h>

#define WORDS       (HB_PAGE_SIZE / 8)
#define LABEL       "page-fingerprint/harbinger/v1"
#define SIP_ROUNDS  2
#define SIP_FINALLY 4

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "words of a page and of a key are taken as they lie");

struct hb_fingerprint {
        uint64_t nh[2][WORDS];
        uint64_t sip[2];
        uint64_t id;
        struct hb_print zero;
};

/* ---- the key ---- */

struct seed { /* what HKDF gives; the long key is grown from the first part */
        uint8_t stream[32], sip[16], id[8];
};

static int derive(const void *secret, size_t len, struct seed *ret) {
        EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
        EVP_KDF_CTX *c = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
        char digest[] = "SHA256", label[] = LABEL;
        OSSL_PARAM p[] = {
                OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
                OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)secret, len),
                OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, label, sizeof(label) - 1),
                OSSL_PARAM_construct_end()};
        int ok = c && EVP_KDF_derive(c, (uint8_t *)ret, sizeof(*ret), p) == 1;

        EVP_KDF_CTX_free(c);
        EVP_KDF_free(kdf);
        return ok ? 0 : -ENOMEM;
}

/* AES-256-CTR of zeros: a pseudorandom generator, as UMAC makes its keys. */
static int grow(const uint8_t key[32], void *out, int size) {
        static const uint8_t iv[16];
        EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
        int n = 0, ok;

        memset(out, 0, (size_t)size);
        ok = c && EVP_EncryptInit_ex(c, EVP_aes_256_ctr(), NULL, key, iv) == 1 &&
             EVP_EncryptUpdate(c, out, &n, out, size) == 1 && n == size;
        EVP_CIPHER_CTX_free(c);
        return ok ? 0 : -ENOMEM;
}

static int make_key(hb_fingerprint *f, const void *secret, size_t len) {
        struct seed s;
        int rc = hb_fault("fingerprint.key") ? -ENOMEM : derive(secret, len, &s);

        if (rc == 0)
                rc = grow(s.stream, f->nh, (int)sizeof(f->nh));
        if (rc == 0) {
                memcpy(f->sip, s.sip, sizeof(f->sip));
                memcpy(&f->id, s.id, sizeof(f->id));
                f->id = f->id ? f->id : 1;
        }
        OPENSSL_cleanse(&s, sizeof(s));
        return rc;
}

/* ---- NH ---- */

typedef unsigned __int128 u128;

static inline u128 product(uint64_t a, uint64_t b) {
        return (u128)a * b;
}

static void nh(const hb_fingerprint *f, const uint64_t *m, uint64_t out[4]) {
        const uint64_t *k = f->nh[0], *l = f->nh[1];
        u128 a = 0, b = 0;

        for (unsigned i = 0; i < WORDS; i += 2) {
                uint64_t x = m[i], y = m[i + 1];

                a += product(x + k[i], y + k[i + 1]);
                b += product(x + l[i], y + l[i + 1]);
        }
        out[0] = (uint64_t)a;
        out[1] = (uint64_t)(a >> 64);
        out[2] = (uint64_t)b;
        out[3] = (uint64_t)(b >> 64);
}

/* ---- SipHash-2-4 with 128 bits out, of 32 bytes ---- */

static inline uint64_t rotl(uint64_t x, unsigned n) {
        return x << n | x >> (64 - n);
}

static inline void sip_rounds(uint64_t v[4], unsigned n) {
        while (n-- > 0) {
                v[0] += v[1];
                v[2] += v[3];
                v[1] = rotl(v[1], 13) ^ v[0];
                v[3] = rotl(v[3], 16) ^ v[2];
                v[0] = rotl(v[0], 32);
                v[2] += v[1];
                v[0] += v[3];
                v[1] = rotl(v[1], 17) ^ v[2];
                v[3] = rotl(v[3], 21) ^ v[0];
                v[2] = rotl(v[2], 32);
        }
}

static void sip(const uint64_t key[2], const uint64_t m[4], uint64_t out[2]) {
        const uint64_t last = 32ull << 56; /* the length, in the block that has no more bytes */
        uint64_t v[4] = {key[0] ^ 0x736F6D6570736575ull, key[1] ^ 0x646F72616E646F6Dull ^ 0xEE,
                         key[0] ^ 0x6C7967656E657261ull, key[1] ^ 0x7465646279746573ull};

        for (unsigned i = 0; i <= 4; i++) {
                uint64_t w = i < 4 ? m[i] : last;

                v[3] ^= w;
                sip_rounds(v, SIP_ROUNDS);
                v[0] ^= w;
        }
        v[2] ^= 0xEE;
        sip_rounds(v, SIP_FINALLY);
        out[0] = v[0] ^ v[1] ^ v[2] ^ v[3];
        v[1] ^= 0xDD;
        sip_rounds(v, SIP_FINALLY);
        out[1] = v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* ---- the object ---- */

void hb_fingerprint_pages(const hb_fingerprint *f, const void *pages, size_t n, struct hb_print *ret) {
        const uint64_t *m = pages;
        uint64_t folded[4], out[2];

        for (size_t i = 0; i < n; i++, m += WORDS) {
                nh(f, m, folded);
                sip(f->sip, folded, out);
                memcpy(ret[i].b, out, sizeof(out));
        }
}

int hb_fingerprint_new(const void *secret, size_t len, hb_fingerprint **ret, struct hb_err *e) {
        static const uint64_t zero[WORDS];
        hb_fingerprint *f;
        int rc;

        if (len < HB_FINGERPRINT_SECRET_MIN)
                return hb_err_set(e, -EINVAL, NULL, "make one with harbinger cert secret",
                                  "the cluster secret has %zu bytes, at least %u are needed", len,
                                  HB_FINGERPRINT_SECRET_MIN);
        f = hb_fault("fingerprint.new") ? NULL : calloc(1, sizeof(*f));
        rc = f ? make_key(f, secret, len) : -ENOMEM;
        if (rc < 0) {
                hb_fingerprint_free(f);
                return hb_err_set(e, rc, NULL, NULL, "no key for fingerprints could be made of the secret");
        }
        hb_fingerprint_pages(f, zero, 1, &f->zero);
        *ret = f;
        return 0;
}

hb_fingerprint *hb_fingerprint_free(hb_fingerprint *f) {
        if (!f)
                return NULL;
        OPENSSL_cleanse(f, sizeof(*f));
        free(f);
        return NULL;
}

uint64_t hb_fingerprint_id(const hb_fingerprint *f) {
        return f->id;
}

const struct hb_print *hb_fingerprint_zero(const hb_fingerprint *f) {
        return &f->zero;
}
