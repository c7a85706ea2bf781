/* plugin_said: what a policy says of itself by hb.log, hb.counter, hb.note and hb.term. Kept outside the
 * policy's state, because it must outlive it. Fixed size; nothing here allocates. */
#pragma once
#include <lua.h>
#include <stdint.h>

#define HB_SAID_LINES    64u
#define HB_SAID_LINE     201u /* with its end */
#define HB_SAID_A_SECOND 10u  /* lines, by the guest's clock */
#define HB_SAID_COUNTERS 32u
#define HB_SAID_NOTE     128u
#define HB_SAID_TERMS    64u

struct hb_plugin_said {
        char line[HB_SAID_LINES][HB_SAID_LINE];
        unsigned lines, first; /* a ring */
        uint64_t dropped;      /* since the last hb_plugin_take_log */
        double now_s, second;  /* the guest's time; the second that `this_second` counts lines of */
        unsigned this_second;
        struct {
                char name[32];
                double value;
        } counter[HB_SAID_COUNTERS];
        unsigned counters;
        char note[HB_SAID_NOTE];
};

struct hb_plugin_terms {
        uint32_t at; /* the page whose values are kept */
        unsigned count;
        struct {
                char name[64];
                double value;
        } term[HB_SAID_TERMS];
};

struct hb_plugin;
/* Adds log, counter, note and term to the table on top of the stack. */
void hb_plugin_open_said(lua_State *L, struct hb_plugin *p);
