/* exit_code: scripts branch on these numbers, so they never change their meaning; the table says all of it.
 */
#include "cli/exit_code.h"
#include <errno.h>

static const struct hb_exit_row rows[] = {
        {-EINVAL, HB_EXIT_USAGE},
        {-ENAMETOOLONG, HB_EXIT_USAGE},
        {-EMSGSIZE, HB_EXIT_USAGE},
        {-EISDIR, HB_EXIT_USAGE},
        {-ENOTTY, HB_EXIT_USAGE},
        {-ENOENT, HB_EXIT_NOT_FOUND},
        {-ESRCH, HB_EXIT_NOT_FOUND},
        {-ENODATA, HB_EXIT_NOT_FOUND},
        {-ENOTDIR, HB_EXIT_NOT_FOUND},
        {-EACCES, HB_EXIT_NOT_PERMITTED},
        {-EPERM, HB_EXIT_NOT_PERMITTED},
        {-EROFS, HB_EXIT_NOT_PERMITTED},
        {-ECONNREFUSED, HB_EXIT_UNREACHABLE},
        {-ECONNRESET, HB_EXIT_UNREACHABLE},
        {-ECONNABORTED, HB_EXIT_UNREACHABLE},
        {-ENOTCONN, HB_EXIT_UNREACHABLE},
        {-EPIPE, HB_EXIT_UNREACHABLE},
        {-EHOSTUNREACH, HB_EXIT_UNREACHABLE},
        {-EHOSTDOWN, HB_EXIT_UNREACHABLE},
        {-ENETUNREACH, HB_EXIT_UNREACHABLE},
        {-ENETDOWN, HB_EXIT_UNREACHABLE},
        {-EADDRNOTAVAIL, HB_EXIT_UNREACHABLE},
        {-EBUSY, HB_EXIT_REFUSED},
        {-EEXIST, HB_EXIT_REFUSED},
        {-EAGAIN, HB_EXIT_REFUSED},
        {-EALREADY, HB_EXIT_REFUSED},
        {-EINPROGRESS, HB_EXIT_REFUSED},
        {-ESTALE, HB_EXIT_REFUSED},
        {-EOPNOTSUPP, HB_EXIT_REFUSED},
        {-EDEADLK, HB_EXIT_REFUSED},
        {-ERANGE, HB_EXIT_REFUSED},
        {-EDOM, HB_EXIT_REFUSED},
        {-E2BIG, HB_EXIT_REFUSED},
        {-EPROTO, HB_EXIT_MISMATCH},
        {-EBADMSG, HB_EXIT_MISMATCH},
        {-EPROTONOSUPPORT, HB_EXIT_MISMATCH},
        {-EILSEQ, HB_EXIT_MISMATCH},
        {-EUCLEAN, HB_EXIT_MISMATCH},
        {-ENOSYS, HB_EXIT_MISMATCH},
        {-ENOSPC, HB_EXIT_NO_SPACE},
        {-EDQUOT, HB_EXIT_NO_SPACE},
        {-EFBIG, HB_EXIT_NO_SPACE},
        {-ETIMEDOUT, HB_EXIT_TIMED_OUT},
        {-ETIME, HB_EXIT_TIMED_OUT},
        {-ECANCELED, HB_EXIT_ABORTED},
        {-EINTR, HB_EXIT_ABORTED},
};

const struct hb_exit_row *hb_cli_exit_rows(size_t *ret_count) {
        *ret_count = sizeof(rows) / sizeof(rows[0]);
        return rows;
}

enum hb_cli_exit hb_cli_exit_of(int code) {
        if (code >= 0)
                return HB_EXIT_OK;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                if (rows[i].code == code)
                        return rows[i].exit;
        return HB_EXIT_FAILED;
}

const char *hb_cli_exit_text(enum hb_cli_exit exit) {
        switch (exit) {
        case HB_EXIT_OK:
                return "done";
        case HB_EXIT_FAILED:
                return "it failed";
        case HB_EXIT_USAGE:
                return "wrong command line or argument";
        case HB_EXIT_NOT_FOUND:
                return "no such guest, host, process, page or file";
        case HB_EXIT_NOT_PERMITTED:
                return "not permitted: file rights, allow-list or certificate";
        case HB_EXIT_UNREACHABLE:
                return "the daemon or the other host cannot be reached";
        case HB_EXIT_REFUSED:
                return "refused: unsafe, already so, over a limit, or would not converge";
        case HB_EXIT_MISMATCH:
                return "protocol, version or data do not match";
        case HB_EXIT_NO_SPACE:
                return "no space";
        case HB_EXIT_TIMED_OUT:
                return "timed out";
        case HB_EXIT_ABORTED:
                return "aborted, or waiting was interrupted";
        case HB_EXIT_CODES:
                break;
        }
        return "unknown";
}
