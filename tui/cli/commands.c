/* commands: the one list of the command's commands, in the order of help, those of one first word
 * together. Each row lives with its code. */
#include "cli/command.h"

extern const struct hb_cli_command hb_cli_doctor, hb_cli_cert_init, hb_cli_cert_host, hb_cli_cert_secret,
        hb_cli_cert_show, hb_cli_guest_attach, hb_cli_guest_detach, hb_cli_guest_list, hb_cli_place,
        hb_cli_unplace, hb_cli_status, hb_cli_console, hb_cli_migrate, hb_cli_image_read, hb_cli_image_info,
        hb_cli_kept_list, hb_cli_kept_drop, hb_cli_history, hb_cli_reload, hb_cli_help, hb_cli_version;
extern const struct hb_cli_command hb_cli_trace_import, hb_cli_trace_export;
extern const struct hb_cli_command hb_cli_trace_record;
extern const struct hb_cli_command hb_cli_trace_replay, hb_cli_trace_serve;
extern const struct hb_cli_command hb_cli_trace_compare, hb_cli_trace_report;
extern const struct hb_cli_command hb_cli_trace_info, hb_cli_trace_show, hb_cli_trace_cut, hb_cli_trace_merge,
        hb_cli_trace_anonymize, hb_cli_trace_verify, hb_cli_trace_repair;
extern const struct hb_cli_command hb_cli_policy_new, hb_cli_policy_check, hb_cli_policy_test,
        hb_cli_policy_bench;
extern const struct hb_cli_command hb_cli_model_train, hb_cli_model_eval, hb_cli_model_info;
extern const struct hb_cli_command hb_cli_policy_list, hb_cli_policy_show, hb_cli_policy_load,
        hb_cli_policy_shadow, hb_cli_policy_promote, hb_cli_policy_rollback, hb_cli_policy_tune,
        hb_cli_policy_history, hb_cli_policy_diff, hb_cli_policy_explain;

const struct hb_cli_command *const hb_cli_commands[] = {
        &hb_cli_doctor,
        &hb_cli_cert_init,
        &hb_cli_cert_host,
        &hb_cli_cert_secret,
        &hb_cli_cert_show,
        &hb_cli_guest_attach,
        &hb_cli_guest_detach,
        &hb_cli_guest_list,
        &hb_cli_place,
        &hb_cli_unplace,
        &hb_cli_status,
        &hb_cli_console,
        &hb_cli_migrate,
        &hb_cli_image_read,
        &hb_cli_image_info,
        &hb_cli_kept_list,
        &hb_cli_kept_drop,
        &hb_cli_history,
        &hb_cli_trace_import,
        &hb_cli_trace_export,
        &hb_cli_trace_record,
        &hb_cli_trace_replay,
        &hb_cli_trace_serve,
        &hb_cli_trace_compare,
        &hb_cli_trace_report,
        &hb_cli_trace_info,
        &hb_cli_trace_show,
        &hb_cli_trace_cut,
        &hb_cli_trace_merge,
        &hb_cli_trace_anonymize,
        &hb_cli_trace_verify,
        &hb_cli_trace_repair,
        &hb_cli_policy_new,
        &hb_cli_policy_check,
        &hb_cli_policy_test,
        &hb_cli_policy_bench,
        &hb_cli_policy_list,
        &hb_cli_policy_show,
        &hb_cli_policy_load,
        &hb_cli_policy_shadow,
        &hb_cli_policy_promote,
        &hb_cli_policy_rollback,
        &hb_cli_policy_tune,
        &hb_cli_policy_history,
        &hb_cli_policy_diff,
        &hb_cli_policy_explain,
        &hb_cli_model_train,
        &hb_cli_model_eval,
        &hb_cli_model_info,
        &hb_cli_reload,
        &hb_cli_help,
        &hb_cli_version,
        NULL,
};
