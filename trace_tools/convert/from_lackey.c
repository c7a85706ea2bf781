/* from_lackey: what valgrind --tool=lackey --trace-mem=yes says, one access a line:
 *   "I  0401ab70,3"  " L 1fff000708,8"  " S 1fff000700,8"  " M 0421c7cc,4"
 * fetch, load, store, and modify: a load and a store. Valgrind's own words begin with "==" or "--". */
#include "convert/import_priv.h"
#include "convert/scan.h"

struct access {
        char kind;
        uint64_t address, bytes;
};

static const char *parse(const char *p, const char *end, struct access *ret) {
        if (end - p < 4 || p[2] != ' ')
                return p;
        if (p[0] == 'I' && p[1] == ' ')
                ret->kind = 'I';
        else if (p[0] == ' ' && (p[1] == 'L' || p[1] == 'S' || p[1] == 'M'))
                ret->kind = p[1];
        else
                return p;
        p = hb_scan_blanks(p + 3, end);
        if (!hb_scan_hex(&p, end, &ret->address) || p == end || *p != ',')
                return p;
        p++;
        return hb_scan_dec(&p, end, &ret->bytes) && p == end ? NULL : p;
}

static bool valgrind_speaks(const char *p, const char *end) {
        return end - p >= 3 && (p[0] == '=' || p[0] == '-') && p[1] == p[0] &&
               (unsigned char)(p[2] - '0') < 10;
}

bool hb_import_lackey_like(const char *p, const char *end) {
        struct access a;

        return valgrind_speaks(p, end) || !parse(p, end, &a);
}

int hb_import_lackey_line(struct hb_import_job *j, const char *p, const char *end) {
        struct access a;
        const char *wrong = parse(p, end, &a);
        int r;

        if (wrong && (p == end || valgrind_speaks(p, end)))
                return 0;
        if (wrong)
                return hb_import_bad(j, wrong, end,
                                     "\"I  ADDRESS,SIZE\" or \" L|S|M ADDRESS,SIZE\" (valgrind's "
                                     "--log-file keeps a program's own words apart)");
        if (a.kind == 'I' && !j->o->fetches) {
                j->stats.skipped++;
                return 0;
        }
        r = hb_import_counted(j);
        if (r != 0)
                return r == HB_IMPORT_OUTSIDE ? 0 : r;
        return hb_import_access(j, a.address, a.bytes,
                                a.kind == 'S'   ? HB_IMPORT_WRITE
                                : a.kind == 'M' ? HB_IMPORT_READ | HB_IMPORT_WRITE
                                                : HB_IMPORT_READ);
}
