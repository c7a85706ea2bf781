/* page_codec_look: a glance at a run's bytes that costs a hundredth of compressing them, so that what cannot
 * shrink is not tried and what is alike is judged together. Pure. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define HB_LOOK_CLASSES 8u

/* Bits a byte carries, 0 to 8, by the frequencies of bytes in small samples spread over `data` (their
 * collision entropy). A low figure promises compression; a high one does not exclude it (repeats). */
float hb_look_bits(const uint8_t *data, size_t size);
unsigned hb_look_class(float bits);       /* 0 .. HB_LOOK_CLASSES - 1, rising with `bits` */
float hb_look_class_bits(unsigned klass); /* what is typical of the class */
