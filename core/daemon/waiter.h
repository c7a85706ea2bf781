/* waiter: requests that wait for a placement to become ready. */
#pragma once
#include "daemon/outgoing.h"

void hb_waiters_check(struct hb_outgoing *p); /* a report came: answer those whose wish came true */
void hb_waiters_failed(
        struct hb_outgoing *p,
        const struct hb_err *e); /* answers all with an error unless the placement can recover */
