/* host_cert DIR HOST DAYS: a certificate that `harbinger cert` would not make: DAYS below 0 ended that long
 * ago, "not-yet" is of the future. */
#include "cert/cert_make.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv) {
        struct hb_err e;
        char line[512];

        if (argc != 4)
                return 2;
        int days = strcmp(argv[3], "not-yet") == 0 ? HB_CERT_DAYS_NOT_YET : (int)strtol(argv[3], NULL, 10);
        if (hb_cert_make_host_for(argv[1], argv[2], days, &e) == 0)
                return 0;
        fprintf(stderr, "host_cert: %s\n", hb_err_line(&e, line, sizeof line));
        return 1;
}
