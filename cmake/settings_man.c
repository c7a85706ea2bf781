/* settings_man: prints harbingerd.ini(5) at build time, from the table that harbingerd reads. */
#include "daemon/settings.h"

int main(void) {
        hb_settings_print_man(stdout);
        return fflush(stdout) != 0;
}
