/* procmaps: decodes /proc/PID/maps and two other small /proc texts.
 *
 * Why not sscanf: the text is another process's, a path can hold any byte but newline (the kernel writes that
 * as \012), and a line cut short must be an error, not a half-filled struct. Cost: one pass. No state. */
#include "track/procmaps.h"
#include "base/fault.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAPS_MAX (256u << 20) /* 2.5 M mappings: more than vm.max_map_count allows by far */
#define CHUNK    (64u << 10)

static int open_proc(pid_t pid, const char *file) {
        char path[64];
        int fd;

        snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0)
                return fd;
        return errno == ENOENT ? -ESRCH : errno == EACCES ? -EPERM : -errno;
}

int hb_procmaps_read(pid_t pid, struct hb_buf *out) {
        int fd = hb_fault("track.procmaps") ? -EIO : open_proc(pid, "maps");
        ssize_t n = 1;
        int r = 0;

        if (fd < 0)
                return fd;
        while (n > 0 && r == 0) {
                uint8_t *to = hb_buf_space(out, CHUNK);

                if (!to) {
                        r = -ENOMEM;
                        break;
                }
                n = read(fd, to, CHUNK);
                if (n < 0 && errno == EINTR)
                        n = 1, out->len -= CHUNK;
                else if (n < 0)
                        r = errno == ESRCH ? -ESRCH : -errno;
                else
                        out->len -= CHUNK - (size_t)n;
                if (out->len > MAPS_MAX)
                        r = -EFBIG;
        }
        close(fd);
        return r;
}

static int hex_value(uint8_t c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        return -1;
}

/* Hexadecimal digits up to `stop`, which is eaten. */
static uint64_t read_hex(struct hb_rd *in, uint8_t stop) {
        uint64_t v = 0;
        unsigned digits = 0;

        for (;;) {
                uint8_t c = hb_rd_u8(in);
                int d = hex_value(c);

                if (!hb_rd_ok(in))
                        return 0;
                if (c == stop && digits > 0)
                        return v;
                if (d < 0 || ++digits > 16) {
                        hb_rd_fail(in);
                        return 0;
                }
                v = v << 4 | (unsigned)d;
        }
}

/* Decimal number; the byte that ended it is returned in *ret_stop. */
static uint64_t read_decimal(struct hb_rd *in, uint8_t *ret_stop) {
        uint64_t v = 0;
        uint8_t c = hb_rd_u8(in);
        unsigned digits = 0;

        for (; c >= '0' && c <= '9'; c = hb_rd_u8(in)) {
                if (++digits > 19) {
                        hb_rd_fail(in);
                        return 0;
                }
                v = v * 10 + (c - '0');
        }
        if (digits == 0 || (c != ' ' && c != '\n'))
                hb_rd_fail(in);
        *ret_stop = c;
        return v;
}

static bool read_flag(struct hb_rd *in, char yes, char no) {
        uint8_t c = hb_rd_u8(in);

        if (c != yes && c != no)
                hb_rd_fail(in);
        return c == (uint8_t)yes;
}

/* Spaces, then the path up to the newline. */
static void read_path(struct hb_rd *in, char *out, size_t size) {
        size_t n = 0;
        uint8_t c = hb_rd_u8(in);

        while (c == ' ')
                c = hb_rd_u8(in);
        for (; hb_rd_ok(in) && c != '\n'; c = hb_rd_u8(in))
                if (n + 1 < size)
                        out[n++] = (char)c;
        out[n] = 0;
}

bool hb_procmaps_next(struct hb_rd *in, struct hb_vma *ret) {
        struct hb_vma v = {0};
        uint8_t stop = '\n';

        if (hb_rd_left(in) == 0)
                return false;
        v.start = read_hex(in, '-');
        v.end = read_hex(in, ' ');
        v.read = read_flag(in, 'r', '-');
        v.write = read_flag(in, 'w', '-');
        v.exec = read_flag(in, 'x', '-');
        v.shared = read_flag(in, 's', 'p');
        if (hb_rd_u8(in) != ' ')
                hb_rd_fail(in);
        v.offset = read_hex(in, ' ');
        v.dev_major = (uint32_t)read_hex(in, ':');
        v.dev_minor = (uint32_t)read_hex(in, ' ');
        v.ino = read_decimal(in, &stop);
        if (stop == ' ')
                read_path(in, v.path, sizeof v.path);
        if (v.start >= v.end)
                hb_rd_fail(in);
        if (!hb_rd_ok(in))
                return false;
        *ret = v;
        return true;
}

int hb_proc_read(pid_t pid, const char *file, char *out, unsigned size) {
        int fd = open_proc(pid, file);
        ssize_t n;

        if (fd < 0)
                return fd;
        n = read(fd, out, size - 1);
        if (n < 0)
                n = -errno;
        else
                out[n] = 0;
        close(fd);
        return (int)n;
}

int hb_proc_start_time(pid_t pid, uint64_t *ret) {
        char text[1024];
        int n = hb_proc_read(pid, "stat", text, sizeof text);
        const char *at =
                n > 0 ? strrchr(text, ')') : NULL; /* the name before it may hold spaces and brackets */
        struct hb_rd in;
        uint64_t v = 0;
        uint8_t stop = ' ';

        if (!at)
                return n < 0 ? n : -EBADMSG;
        in = hb_rd_init(at + 1, strlen(at + 1));
        for (unsigned field = 3; field < 22 && hb_rd_ok(&in); field++) {
                hb_rd_u8(&in); /* the space before the field */
                while (hb_rd_left(&in) && *in.p != ' ')
                        hb_rd_u8(&in);
        }
        hb_rd_u8(&in);
        v = read_decimal(&in, &stop);
        if (!hb_rd_ok(&in))
                return -EBADMSG;
        *ret = v;
        return 0;
}

int hb_proc_status_number(pid_t pid, const char *name, uint64_t *ret) {
        char text[8192];
        int n = hb_proc_read(pid, "status", text, sizeof text);
        size_t len = strlen(name);
        const char *line = text;

        if (n < 0)
                return n;
        for (; line; line = strchr(line, '\n')) {
                uint64_t v = 0;

                line += *line == '\n';
                if (strncmp(line, name, len) != 0 || line[len] != ':')
                        continue;
                for (line += len + 1; *line == ' ' || *line == '\t';)
                        line++;
                for (; *line >= '0' && *line <= '9'; line++)
                        v = v * 10 + (uint64_t)(*line - '0');
                *ret = v;
                return 0;
        }
        return -ENOENT;
}
