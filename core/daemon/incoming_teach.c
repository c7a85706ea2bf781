/* incoming_teach: a placement's model: where its weights come from, who trains them, and how they come back.
 *
 * Invariant: new weights reach the engine between two of its inputs, as any change of policies does, so that
 * a recording holds them. A placement without a policy that asks the model costs a pupil that never learns
 * anything. Loop thread. */
#include "base/clock.h"
#include "daemon/events.h"
#include "daemon/incoming_priv.h"
#include "daemon/teacher.h"
#include "nn/model.h"
#include "policy/change.h"
#include "policy/lesson.h"
#include <errno.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

static void give(struct hb_incoming *in, const void *data, size_t size) {
        struct hb_policy_change c = {.op = HB_POLICY_MODEL, .source = data, .size = size};
        struct hb_err e;

        if (hb_engine_change(in->engine, hb_now_ns(), &c, &e) < 0)
                hb_daemon_event_err(in->d, HB_LOG_WARNING, HB_ON_POLICY, in->guest, in->host,
                                    "new weights of a placement's model", &e);
}

static void on_learned(void *arg, const void *data, size_t size) {
        give(arg, data, size);
}

static int model_path(const hb_settings *s, char *buf, size_t size) {
        int n = s->model[0] ? snprintf(buf, size, "%s", s->model)
                            : snprintf(buf, size, "%s/models/default.hbm", s->policy_dir);

        return n < (int)size && access(buf, R_OK) == 0 ? 0 : -ENOENT;
}

static int kept_path(const struct hb_incoming *in, char *buf, size_t size) {
        const char *dir = in->d->settings->state_dir;

        if (snprintf(buf, size, "%s/models", dir) >= (int)size)
                return -ENAMETOOLONG;
        if (mkdir(buf, 0750) < 0 && errno != EEXIST)
                return -errno;
        return snprintf(buf, size, "%s/models/%s.hbm", dir, in->guest) < (int)size ? 0 : -ENAMETOOLONG;
}

/* False: it is not there, or cannot be used. */
static bool use(struct hb_incoming *in, const char *path) {
        struct hb_buf bytes = {0};
        struct hb_err e;
        hb_model *m;

        if (access(path, F_OK) < 0)
                return false;
        if (hb_model_read(path, &m, &e) < 0) {
                hb_daemon_event_err(in->d, HB_LOG_WARNING, HB_ON_POLICY, in->guest, in->host,
                                    "a model is not used", &e);
                return false;
        }
        if (hb_model_encode(m, &bytes) == 0 && !bytes.failed)
                give(in, bytes.data, bytes.len);
        hb_buf_free(&bytes);
        hb_model_free(m);
        return true;
}

void hb_incoming_teach_begin(struct hb_incoming *in) {
        hb_daemon *d = in->d;
        char model[600], kept[600];
        struct hb_pupil_options o = {.model = model, .seed = 1, .learned = on_learned, .arg = in};
        bool has_kept;
        int r;

        if (model_path(d->settings, model, sizeof model) < 0)
                return;
        has_kept = d->settings->finetune && kept_path(in, kept, sizeof kept) == 0;
        /* What this guest taught when it was placed here before; else the policies have read the shipped
         * model, but do not know of the setting. */
        if ((!has_kept || !use(in, kept)) && d->settings->model[0])
                use(in, model);
        if (!d->settings->finetune)
                return;
        o.kept = has_kept ? kept : NULL;
        r = d->teacher ? 0 : hb_teacher_new(d->mailbox, &d->teacher);
        if (r == 0)
                r = hb_pupil_new(d->teacher, &o, &in->pupil);
        if (r < 0)
                hb_daemon_event(in->d, HB_LOG_WARNING, HB_ON_POLICY, in->guest, in->host, NULL,
                                "the model of the placement of %s is not trained: %s", in->guest,
                                hb_errno_name(r));
        else
                hb_policies_set_teacher(in->policies, hb_pupil_lesson, in->pupil);
}

void hb_incoming_teach_end(struct hb_incoming *in) {
        if (in->policies)
                hb_policies_set_teacher(in->policies, NULL, NULL);
        in->pupil = hb_pupil_free(in->pupil);
}

json_t *hb_incoming_teach_json(const struct hb_incoming *in) {
        struct hb_pupil_status s;
        json_t *j;

        if (!in->pupil)
                return json_null();
        hb_pupil_status(in->pupil, &s);
        j = json_pack("{s:I,s:I,s:I,s:I,s:b,s:s}", "lessons", (json_int_t)s.lessons, "dropped",
                      (json_int_t)s.dropped, "steps", (json_int_t)s.steps, "updates", (json_int_t)s.updates,
                      "failed", s.failed, "error", s.error);
        json_object_set_new(j, "loss", isfinite(s.loss) ? json_real(s.loss) : json_null());
        json_object_set_new(j, "updated_s_ago",
                            s.updated_ns ? json_real((double)(hb_now_ns() - s.updated_ns) / 1e9)
                                         : json_null());
        return j;
}
