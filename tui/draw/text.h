/* text: bytes from anywhere into characters that may be drawn, the same in every locale. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* Takes the next character of *text and moves on; 0 at the end. What is no UTF-8 (RFC 3629: no surrogates,
 * no overlong forms), a control, combines or has no width of its own comes as '?', one for each wrong byte or
 * character; without utf8 so does all that is not ASCII. */
uint32_t hb_text_next(const char **text, bool utf8);
/* The character itself, or '?' when it may not be drawn. */
uint32_t hb_text_clean(uint32_t ch, bool utf8);
unsigned hb_char_width(uint32_t ch); /* of a clean one: 1 or 2 */
/* UTF-8 of a clean character, not ended; returns its bytes. */
unsigned hb_char_encode(uint32_t ch, char ret[4]);

struct hb_text_range {
        uint32_t first, last;
};
extern const struct hb_text_range hb_text_refused[], hb_text_wide[];
extern const unsigned hb_text_refused_count, hb_text_wide_count;
