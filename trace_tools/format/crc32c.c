/* crc32c: two ways to the same number. The table takes four bits at a time, so it is small enough to stand
 * here and needs neither state nor lock. The instruction takes eight bytes in three cycles: a reader never
 * waits for its checksums. */
#include "trace/crc32c.h"
#include <string.h>

/* Row n: the remainder of the four bits n, reflected polynomial 0x82F63B78. */
static const uint32_t nibbles[16] = {
        0x00000000, 0x105EC76F, 0x20BD8EDE, 0x30E349B1, 0x417B1DBC, 0x5125DAD3, 0x61C69362, 0x7198540D,
        0x82F63B78, 0x92A8FC17, 0xA24BB5A6, 0xB21572C9, 0xC38D26C4, 0xD3D3E1AB, 0xE330A81A, 0xF36E6F75,
};

uint32_t hb_crc32c_table(uint32_t crc, const void *data, size_t size) {
        const uint8_t *p = data;

        crc = ~crc;
        for (size_t i = 0; i < size; i++) {
                crc ^= p[i];
                crc = (crc >> 4) ^ nibbles[crc & 15];
                crc = (crc >> 4) ^ nibbles[crc & 15];
        }
        return ~crc;
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t crc, const void *data,
                                                                 size_t size) {
        const uint8_t *p = data;
        uint64_t c = (uint32_t)~crc, word;

        for (; size >= 8; size -= 8, p += 8) {
                memcpy(&word, p, 8);
                c = __builtin_ia32_crc32di(c, word);
        }
        for (; size > 0; size--)
                c = __builtin_ia32_crc32qi((uint32_t)c, *p++);
        return ~(uint32_t)c;
}

uint32_t hb_crc32c_more(uint32_t crc, const void *data, size_t size) {
        if (__builtin_cpu_supports("sse4.2"))
                return by_instruction(crc, data, size);
        return hb_crc32c_table(crc, data, size);
}
#else
uint32_t hb_crc32c_more(uint32_t crc, const void *data, size_t size) {
        return hb_crc32c_table(crc, data, size);
}
#endif

uint32_t hb_crc32c(const void *data, size_t size) {
        return hb_crc32c_more(0, data, size);
}
