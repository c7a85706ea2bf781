/* Any bytes as a drawing: what comes out has balanced elements, no quotes open, and nothing but harmless
 * characters. */
#include "report/svg.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct hb_buf out = {0};
        int open = 0;

        if (hb_svg_clean((const char *)data, size, &out) == 0)
                for (size_t i = 0; i < out.len; i++) {
                        if (out.data[i] == '<' && i + 1 < out.len)
                                open += out.data[i + 1] == '/' ? -1 : 1;
                        if (out.data[i] == '/' && i + 1 < out.len && out.data[i + 1] == '>')
                                open--;
                        if (open < 0 || strchr("&;@\\#'", out.data[i]))
                                abort();
                }
        else if (out.len)
                abort();
        if (open)
                abort();
        hb_buf_free(&out);
        return 0;
}
