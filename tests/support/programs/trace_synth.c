/* trace_synth OUT [--pages N] [--epochs M] [--seed S] [--shape hot|scan|phases|random|mix] [--epoch-ms N]
 * [--bits]: writes a made-up trace (tests/support/trace_synth.h). Exit code 0; 1 with a line on stderr. */
#include "../trace_synth.h"
#include <getopt.h>

static int usage(void) {
        fputs("usage: trace_synth OUT [--pages N] [--epochs M] [--seed S] [--shape "
              "hot|scan|phases|random|mix] "
              "[--epoch-ms N] [--bits]\n",
              stderr);
        return 1;
}

static bool number(const char *text, uint64_t max, uint64_t *ret) {
        char *end;

        errno = 0;
        *ret = strtoull(text, &end, 10);
        return !errno && !*end && text[0] != '-' && *ret <= max;
}

int main(int argc, char **argv) {
        static const struct option options[] = {{"pages", 1, NULL, 'p'},
                                                {"epochs", 1, NULL, 'e'},
                                                {"seed", 1, NULL, 's'},
                                                {"shape", 1, NULL, 'S'},
                                                {"epoch-ms", 1, NULL, 'm'},
                                                {"bits", 0, NULL, 'b'},
                                                {0}};
        struct hb_synth s = {.shape = HB_SYNTH_MIX, .pages = 4096, .epochs = 60, .seed = 1};
        struct hb_err e = {0};
        char line[1024];
        uint64_t v = 0;
        int o;

        while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
                bool ok = o == 'b' ||
                          (o == 'S' ? hb_synth_shape_of(optarg, &s.shape)
                                    : o != '?' && number(optarg, o == 's' ? UINT64_MAX : 1u << 26, &v));

                if (!ok)
                        return usage();
                if (o == 'p')
                        s.pages = (uint32_t)v;
                else if (o == 'e')
                        s.epochs = (uint32_t)v;
                else if (o == 's')
                        s.seed = v;
                else if (o == 'm')
                        s.epoch_ns = v * 1000000;
                else if (o == 'b')
                        s.bits = true;
        }
        if (optind != argc - 1 || s.pages == 0)
                return usage();
        if (hb_synth_write(&s, argv[optind], &e) < 0) {
                fprintf(stderr, "trace_synth: %s\n", hb_err_line(&e, line, sizeof(line)));
                return 1;
        }
        return 0;
}
