/* values: what a daemon says is looked at through these, so that another type than the expected one is the
 * same as nothing. Pure. */
#include "world/world_priv.h"
#include <math.h>
#include <string.h>

const char *hb_world_text(const json_t *o, const char *key) {
        const char *s = json_string_value(json_object_get(o, key));

        return s ? s : "";
}

double hb_world_real(const json_t *o, const char *key) {
        const json_t *v = json_object_get(o, key);

        return json_is_number(v) ? json_number_value(v) : NAN;
}

const json_t *hb_world_object(const json_t *o, const char *key) {
        const json_t *v = json_object_get(o, key);

        return json_is_object(v) ? v : NULL;
}

void hb_world_copy_text(char *out, size_t size, const char *s) {
        size_t len = strnlen(s, size);

        if (len == size) {
                len = size - 1;
                while (len > 0 && ((unsigned char)s[len] & 0xC0) == 0x80)
                        len--;
        }
        memcpy(out, s, len);
        out[len] = '\0';
}
