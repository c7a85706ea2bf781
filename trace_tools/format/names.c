/* names: the words operators and machines read for a trace's numbers. One row each; a number without a row
 * has no name. */
#include "trace/trace.h"

const char *hb_trace_origin_name(enum hb_trace_origin o) {
        static const char *const names[HB_TRACE_ORIGINS] = {
                [HB_TRACE_SOURCE] = "source", [HB_TRACE_TARGET] = "target",
                [HB_TRACE_PLUGIN] = "plugin", [HB_TRACE_PROGRAM] = "program",
                [HB_TRACE_IMPORT] = "import", [HB_TRACE_SYNTHETIC] = "synthetic",
        };

        return (unsigned)o < HB_TRACE_ORIGINS && names[o] ? names[o] : "unknown";
}

const char *hb_trace_stream_name(enum hb_trace_stream s) {
        static const char *const names[HB_TRACE_STREAMS] = {
                [HB_TRACE_NETWORK] = "network",
                [HB_TRACE_SUMMARY] = "summary",
                [HB_TRACE_DECISION] = "decision",
                [HB_TRACE_TRANSFER] = "transfer",
                [HB_TRACE_OUTCOME] = "outcome",
                [HB_TRACE_MARK] = "mark",
                [HB_TRACE_INPUT] = "input",
                [HB_TRACE_RESIDENT] = "resident",
                [HB_TRACE_FINGERPRINT] = "fingerprint",
        };

        return (unsigned)s < HB_TRACE_STREAMS ? names[s] : NULL;
}

const char *hb_trace_mark_name(enum hb_trace_mark m) {
        static const char *const names[HB_MARKS] = {
                [HB_MARK_NOTE] = "note",         [HB_MARK_DROPPED] = "dropped",
                [HB_MARK_MIGRATE] = "migrate",   [HB_MARK_FREEZE] = "freeze",
                [HB_MARK_COMPLETE] = "complete", [HB_MARK_THAW] = "thaw",
                [HB_MARK_DIGEST] = "digest",     [HB_MARK_ENGINE] = "engine",
                [HB_MARK_POLICY] = "policy",     [HB_MARK_POLICY_ERROR] = "policy-error",
                [HB_MARK_REPAIRED] = "repaired",
        };

        return (unsigned)m < HB_MARKS ? names[m] : NULL;
}
