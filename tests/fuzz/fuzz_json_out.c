/* Any bytes as strings and numbers of a JSON text: jansson reads it back, and keys and structure are what was
 * written. */
#include "control/json_out.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool so) {
        if (!so)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct hb_json_out o = {0};
        char *text = malloc(size + 1);
        uint64_t bits = 0;
        double real;
        json_t *j;

        memcpy(text, data, size);
        text[size] = '\0';
        memcpy(&bits, data, size < sizeof(bits) ? size : sizeof(bits));
        memcpy(&real, &bits, sizeof(real));
        hb_json_open(&o, NULL, '{');
        hb_json_str(&o, "text", text);
        hb_json_real(&o, "real", real);
        hb_json_time(&o, "time", real);
        hb_json_pages(&o, "pages", bits);
        hb_json_int(&o, "int", (int64_t)bits);
        hb_json_open(&o, "list", '[');
        for (size_t at = 0; at < size && at < 64; at += strlen(text + at) + 1)
                hb_json_str(&o, NULL, text + at);
        hb_json_close(&o, ']');
        hb_json_close(&o, '}');
        check(!o.buf.failed);
        j = json_loadb((char *)o.buf.data, o.buf.len, JSON_REJECT_DUPLICATES, NULL);
        check(json_object_size(j) == 6);
        check(json_is_string(json_object_get(j, "text")));
        check(isfinite(real) ? json_is_real(json_object_get(j, "real"))
                             : json_is_null(json_object_get(j, "real")));
        check(json_integer_value(json_object_get(j, "int")) == (json_int_t)(int64_t)bits);
        json_decref(j);
        hb_buf_free(&o.buf);
        free(text);
        return 0;
}
