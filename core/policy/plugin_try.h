/* plugin_try: a newly loaded policy's trial on inputs that are legal and awkward: empty guests, dead links,
 * pages never seen, rates from nothing to millions, single pages, full batches. */
#pragma once
#include "policy/plugin.h"

int hb_plugin_try(hb_plugin *p, enum hb_policy_kind k,
                  char message[HB_PLUGIN_MESSAGE]); /* hb_plugin_run's first failure */
