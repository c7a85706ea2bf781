/* no_producer: a library that has one of the entry points, and is no producer. */
int hb_producer_start(void);

int hb_producer_start(void) {
        return 0;
}
