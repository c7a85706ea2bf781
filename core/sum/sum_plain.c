/* sum_plain: CRCs by tables of sixteen rows, four bits a step: small enough to stand here as constants, so
 * there is no state and nothing to set up. Some 300 MB/s; processors that need it are rare. XXH3 is
 * libxxhash's own code compiled without vectors. */
#include "sum/sum_plain.h"
#define XXH_INLINE_ALL
#define XXH_VECTOR 0 /* XXH_SCALAR */
#include <xxhash.h>

/* Row n: the remainder of the four bits n, reflected polynomial 0x82F63B78. */
static const uint32_t nibbles32[16] = {
        0x00000000, 0x105EC76F, 0x20BD8EDE, 0x30E349B1, 0x417B1DBC, 0x5125DAD3, 0x61C69362, 0x7198540D,
        0x82F63B78, 0x92A8FC17, 0xA24BB5A6, 0xB21572C9, 0xC38D26C4, 0xD3D3E1AB, 0xE330A81A, 0xF36E6F75,
};

/* The same with 0xC96C5795D7870F42. */
static const uint64_t nibbles64[16] = {
        0x0000000000000000, 0x7D9BA13851336649, 0xFB374270A266CC92, 0x86ACE348F355AADB,
        0x64B62BCAEBC387A1, 0x192D8AF2BAF0E1E8, 0x9F8169BA49A54B33, 0xE21AC88218962D7A,
        0xC96C5795D7870F42, 0xB4F7F6AD86B4690B, 0x325B15E575E1C3D0, 0x4FC0B4DD24D2A599,
        0xADDA7C5F3C4488E3, 0xD041DD676D77EEAA, 0x56ED3E2F9E224471, 0x2B769F17CF112238,
};

uint32_t hb_sum_plain_crc32c(uint32_t crc, const void *data, size_t size) {
        const uint8_t *p = data;

        crc = ~crc;
        for (size_t i = 0; i < size; i++) {
                crc ^= p[i];
                crc = (crc >> 4) ^ nibbles32[crc & 15];
                crc = (crc >> 4) ^ nibbles32[crc & 15];
        }
        return ~crc;
}

uint64_t hb_sum_plain_crc64(uint64_t crc, const void *data, size_t size) {
        const uint8_t *p = data;

        crc = ~crc;
        for (size_t i = 0; i < size; i++) {
                crc ^= p[i];
                crc = (crc >> 4) ^ nibbles64[crc & 15];
                crc = (crc >> 4) ^ nibbles64[crc & 15];
        }
        return ~crc;
}

uint64_t hb_sum_plain_hash64(uint64_t seed, const void *data, size_t size) {
        return XXH3_64bits_withSeed(data, size, seed);
}

void hb_sum_plain_hash64_more(void *state, const void *data, size_t size) {
        XXH3_64bits_update(state, data, size);
}

uint64_t hb_sum_plain_hash64_end(const void *state) {
        return XXH3_64bits_digest(state);
}
