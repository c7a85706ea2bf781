/* card: decoded by the code that loads models, so what it calls sound can be used. */
#include "learn/card.h"
#include <sys/stat.h>

int hb_card_read(const char *path, struct hb_model_info *ret, uint64_t *ret_bytes, struct hb_err *e) {
        struct stat st;
        hb_model *m;
        int rc = hb_model_read(path, &m, e);

        if (rc < 0)
                return rc;
        hb_model_info(m, ret);
        hb_model_free(m);
        *ret_bytes = stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
        return 0;
}
