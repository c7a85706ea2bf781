/* pace: what this console costs, and less of it where that is too much. A tick of hundreds of guests takes
 * milliseconds to parse; above a hundredth of a core it is asked for each second one only, then each fourth,
 * and for each one again when there is less to see. Nothing is lost in between but pictures: events come with
 * the next tick. Never while somebody is at the keys.
 */
#include "console/app.h"
#include <math.h>
#include <sys/resource.h>
#include <unistd.h>

#define OVER    3u /* looks in a row, about two seconds apart */
#define UNDER   10u
#define BUSY_NS (10 * HB_APP_SECOND)

/* Of this process, over at least two seconds. */
bool hb_app_cost(struct hb_app *a) {
        struct rusage u;
        int64_t cpu;
        long pages = 0;
        FILE *f;

        if (a->cost_ns && a->now_ns - a->cost_ns < 2 * HB_APP_SECOND)
                return false;
        if (getrusage(RUSAGE_SELF, &u) < 0)
                return false;
        cpu = (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * HB_APP_SECOND +
              (u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000ll;
        a->cpu_share = a->cost_ns ? (double)(cpu - a->cost_cpu_ns) / (double)(a->now_ns - a->cost_ns) : NAN;
        a->cost_ns = a->now_ns;
        a->cost_cpu_ns = cpu;
        f = fopen("/proc/self/statm", "re");
        a->rss_bytes =
                f && fscanf(f, "%*s %ld", &pages) == 1 ? (double)pages * (double)sysconf(_SC_PAGESIZE) : NAN;
        if (f)
                fclose(f);
        return true;
}

unsigned hb_app_pace_next(struct hb_app_pace *p, double cpu_share, bool busy) {
        bool known = !isnan(cpu_share) && !busy;

        p->over = known && cpu_share > HB_APP_COST ? p->over + 1 : 0;
        /* twice as often would cost about twice as much */
        p->under = known && cpu_share < 0.3 * HB_APP_COST ? p->under + 1 : 0;
        if (p->over >= OVER && p->factor < HB_APP_SLOWEST) {
                p->over = 0;
                return p->factor * 2;
        }
        if (p->under >= UNDER && p->factor > 1) {
                p->under = 0;
                return p->factor / 2;
        }
        return p->factor;
}

void hb_app_pace(struct hb_app *a) {
        unsigned next = hb_app_pace_next(&a->pace, a->cpu_share, a->now_ns - a->key_ns < BUSY_NS);

        if (next == a->pace.factor)
                return;
        if (next > a->pace.factor)
                hb_app_say(a, HB_STYLE_NOTE,
                           "this console takes more than %g %% of a core: it looks each %g s now",
                           HB_APP_COST * 100, (double)(a->pace.every_ns * next) / 1e9);
        a->pace.factor = next;
        a->every_ns = a->pace.every_ns * next;
        hb_world_set_every(a->world, a->pace.every * next);
}
