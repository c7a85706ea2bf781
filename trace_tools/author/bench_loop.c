/* bench_loop: ewma and cost_benefit as loops of plain C. What policies are measured against; nothing decides
 * by it. */
#include "author/bench.h"
#include <math.h>

#pragma GCC optimize("O3")

void hb_author_loop_predict(const struct hb_policy_pages *p, double horizon_s, float *accesses,
                            float *writes) {
        float horizon = (float)horizon_s;

        for (uint32_t i = 0; i < p->n; i++) {
                accesses[i] = (p->read_heat[i] + p->write_heat[i]) * horizon / (p->age_s[i] / 30 + 1);
                writes[i] = p->write_heat[i] * horizon / (p->version_age_s[i] / 30 + 1);
        }
}

void hb_author_loop_score(const struct hb_policy_pages *p, const struct hb_policy_link *l, float *scores) {
        float latency = (float)l->latency_s, free = (float)l->free_bytes_per_s;
        float whole = 4096 / (float)l->bytes_per_s + latency;

        for (uint32_t i = 0; i < p->n; i++) {
                float heat = p->read_heat[i] + p->write_heat[i], clean = expf(-p->predicted_writes[i]);
                float use = p->predicted[i] / (p->predicted[i] + 1);
                float seconds = p->bytes_to_send[i] / free + latency / p->run_length[i];
                float cost = seconds / (seconds + whole);
                scores[i] = (0.3f + 0.5f * use + 0.1f * (heat / (heat + 1))) * clean - 0.2f * cost -
                            0.6f * (1 - clean);
        }
}
