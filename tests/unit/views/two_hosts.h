/* two_hosts: hosts a and b, with guests in every state an operator meets. */
#pragma once
#include "draw/format.h"
#include "view_fake.h"

#ifndef TWO_CELLS
#define TWO_CELLS 512u /* of the maps; whatever is asked for */
#endif

static inline json_t *two_guest(const char *name, const char *more) {
        char text[8192];

        snprintf(text, sizeof(text),
                 "{'name':'%s','kind':'qemu','state':'running','vmm':'QEMU 7.2','tracker':'wp',"
                 "'ram_bytes':536870912,'resident_bytes':402653184,'epoch':812,'epoch_ms':1000,"
                 "'dirty_bytes_per_s':8388608,'scan_ms':2.1,'guest_cost_share':0.004,'can_move':true,"
                 "'cannot_move':'','recording':null,'handover':null%s%s}",
                 name, more[0] ? "," : "", more);
        return fake_json(text);
}

static inline json_t *two_placed(const char *name, const char *state, const char *more) {
        char text[4096];

        snprintf(text, sizeof(text),
                 "'placement':{'id':'id-%s','to':'b','state':'%s','since_s':62,'pages':70000,%s,"
                 "'bytes':286720000,'wire_bytes':159000000,'wasted_pages':4200,"
                 "'path':'tcp','bytes_by_kind':{'sent':159000000,'compressed_away':127720000,"
                 "'duplicate':20971520,'zero':12582912}}",
                 name, state, more);
        return two_guest(name, text);
}

#define READY_COUNTS                                                                                         \
        "'fresh_pages':98000,'stale_pages':300,'absent_pages':4,'fetching_pages':0,'resident_pages':98304,"  \
        "'zero_pages':3072,'known_pages':0,'copied_pages':5120,'above_threshold':0,'threshold':0.12,"        \
        "'precision':0.81,'recall':0.74,'rate_bytes_per_s':5242880,'dirty_bytes_per_s':8388608,"             \
        "'estimate':{'downtime_ms':34.2,'time_to_ready_s':0,'bytes_after':1245184},'trend':'stalled',"       \
        "'trend_since_s':40,'link':{'latency_ms':0.21,'bytes_per_s':92274688,'used_share':0.06,"             \
        "'compression':1.8,'cap_bytes_per_s':0,'connections':2}"
#define STALLED_COUNTS                                                                                       \
        "'fresh_pages':41000,'stale_pages':22000,'absent_pages':35000,'fetching_pages':304,"                 \
        "'resident_pages':98304,'zero_pages':900,'known_pages':12,'copied_pages':40,'above_threshold':"      \
        "30000,"                                                                                             \
        "'threshold':0.4,'precision':0.5,'recall':0.3,'rate_bytes_per_s':92274688,"                          \
        "'dirty_bytes_per_s':220200960,'estimate':{'downtime_ms':2450,'time_to_ready_s':null,"               \
        "'bytes_after':90112000},'trend':'stalled','trend_since_s':192,'link':{'latency_ms':0.21,"           \
        "'bytes_per_s':96468992,'used_share':0.9,'compression':1.0,'cap_bytes_per_s':100000000,'"            \
        "connections':2}"
#define FILLING_COUNTS                                                                                       \
        "'fresh_pages':60000,'stale_pages':1000,'absent_pages':37000,'fetching_pages':304,"                  \
        "'resident_pages':98304,'zero_pages':900,'known_pages':2000,'copied_pages':40,'above_threshold':"    \
        "900,"                                                                                               \
        "'threshold':0.4,'precision':0.9,'recall':0.6,'rate_bytes_per_s':92274688,"                          \
        "'dirty_bytes_per_s':1048576,'estimate':{'downtime_ms':410,'time_to_ready_s':1.9,"                   \
        "'bytes_after':9011200},'trend':'converging','trend_since_s':12,'link':{'latency_ms':0.21,"          \
        "'bytes_per_s':96468992,'used_share':0.9,'compression':1.0,'cap_bytes_per_s':0,'connections':2}"

static inline json_t *two_host(const char *name, const char *peer, const char *link) {
        char text[4096];

        snprintf(text, sizeof(text),
                 "{'seq':1,'time':1795400000.5,'host':'%s','version':'0.1.0','uptime_s':11532,"
                 "'process':{'cpu_share':0.008,'rss_bytes':14680064},"
                 "'memory':{'total_bytes':8589934592,'available_bytes':2254857830},"
                 "'guests':[],'incoming':[],'handovers':[],'policies':[],'recordings':[],'replay':null,"
                 "'hosts':[{'name':'%s','address':'192.0.2.2:7311',%s}],"
                 "'events':[],'events_skipped':0,'cost':{'cpu_share':0.0012,'snapshot_ms':0.31,'bytes':2112,"
                 "'viewers':1}}",
                 name, peer, link);
        return fake_json(text);
}

#define LINK_UP                                                                                              \
        "'state':'up','why':'','next':'','placements':5,'incoming':0,'latency_ms':0.21,"                     \
        "'bytes_per_s':92274688,'used_share':0.43,'cap_bytes_per_s':0,'compression':1.8,'connections':2,"    \
        "'path':'tcp','path_why':'host b has no RDMA device','wire_bytes':1590000000"
#define LINK_IDLE                                                                                            \
        "'state':'idle','why':'','next':'','placements':0,'incoming':5,'latency_ms':null,"                   \
        "'bytes_per_s':null,'used_share':null,'cap_bytes_per_s':0,'compression':null,'connections':0,"       \
        "'path':null,'path_why':'','wire_bytes':0"
#define LINK_DOWN                                                                                            \
        "'state':'down','why':'connection refused','next':'is harbingerd running on b?','placements':2,"     \
        "'incoming':0,'latency_ms':null,'bytes_per_s':null,'used_share':null,'cap_bytes_per_s':125000000,"   \
        "'compression':null,'connections':0,'path':null,'path_why':'','wire_bytes':null"

static inline json_t *two_coming(const char *name, const char *state, const char *counts) {
        char text[4096];

        snprintf(text, sizeof(text),
                 "{'id':'id-%s','guest':'%s','from':'a','state':'%s',%s,'wire_bytes':159000000,"
                 "'pages':70000,'wasted_pages':4200,'no_room':false,"
                 "'spill':{'state':'on','spilled_pages':2048},"
                 "'paths':{'path':'tcp','why':'the source offers no RDMA'}}",
                 name, name, state, counts);
        return fake_json(text);
}

static inline void two_give(json_t *tick, const char *list, json_t *o) {
        json_array_append_new(json_object_get(tick, list), o);
}

/* What the target says in full of vm1. */
static inline json_t *two_status_b(void) {
        json_t *r = fake_json(
                "{'incoming':[{'id':'id-vm1','guest':'vm1','from':'a','state':'ready'," READY_COUNTS
                ",'scores':{'low':-1,'high':1,'buckets':[0,0,1,5,9,40,200,1200,4000,900,300,80,22,4,1,0],"
                "'cut':0.12},'quality':{'moments':8,'precision':0.8,'recall':0.7,'f1':0.74,'f1_returning':0."
                "4,"
                "'f1_new':0.1,'f1_writes':0.6},'policies':[{'kind':'predictor','name':'ewma','version':'1',"
                "'hash':'aa','calls':812,'errors':0,'starved':0,'builtin':false,'quarantined':false,"
                "'answering':'ewma','note':'','last_error':'','shadow':{'name':'lru'}},"
                "{'kind':'scorer','name':'mine','calls':812,'errors':8,'starved':1,'quarantined':true,"
                "'answering':'cost_benefit','last_error':'mine.lua:12: attempt to index nil','shadow':null},"
                "{'kind':'threshold','name':'adaptive','calls':812,'errors':0,'starved':0,"
                "'quarantined':false,'answering':'adaptive','shadow':null}]}]}");

        return r;
}

static inline json_t *two_map(bool target, unsigned cells, unsigned cell_pages) {
        static const char *const names[] = {"reads",  "writes",   "resident", "fresh", "stale",
                                            "absent", "fetching", "expected", "known", "spilled"};
        json_t *o = fake_json("{'guest':'vm1','regions':[{'name':'mem','first':0,'pages':131072}],'first':0,"
                              "'top':[{'first':512,'pages':512,'reads':4000,'writes':1200.5},"
                              "{'first':66048,'pages':512,'reads':100,'writes':0}],'sampled':2}");
        json_t *planes = json_object();

        json_object_set_new(o, "side", json_string(target ? "target" : "source"));
        json_object_set_new(o, "pages", json_integer(131072));
        json_object_set_new(o, "span", json_integer((json_int_t)cells * cell_pages));
        json_object_set_new(o, "cells", json_integer(cells));
        json_object_set_new(o, "cell_pages", json_integer(cell_pages));
        for (unsigned p = 0; p < 10; p++) {
                json_t *a = json_array();

                for (unsigned i = 0; i < cells; i++) {
                        double fresh = i % 7 < 5 ? cell_pages - (i % 3) * 4 : i % 7 == 5 ? 10 : 0;
                        double v = p == 0   ? (i % 32 < 4 ? 4000.0 / (1 + i / 32) : i % 5)
                                   : p == 1 ? (i % 64 < 6 ? 900.0 / (1 + i / 64) : 0)
                                   : p == 2 ? cell_pages
                                   : p == 3 ? fresh
                                   : p == 4 ? (i % 7 == 5 ? cell_pages - 10 : (i % 7 < 5 ? (i % 3) * 4 : 0))
                                   : p == 5 ? (i % 7 == 6 ? cell_pages : 0)
                                   : p == 6 ? 0
                                   : p == 7 ? i % 9
                                   : p == 8 ? (i % 14 == 6 ? cell_pages : 0)
                                            : (i % 35 == 0 ? fresh : 0);

                        json_array_append_new(a, json_real(v));
                }
                if ((p < 3) == target)
                        json_decref(a), json_object_set_new(planes, names[p], json_null());
                else
                        json_object_set_new(planes, names[p], a);
        }
        json_object_set_new(o, "planes", planes);
        return o;
}

static inline json_t *two_explained(void) {
        return fake_json(
                "{'guest':'vm1','gfn':17,'shadow':false,'policies':{'predictor':'ewma','scorer':"
                "'cost_benefit','threshold':'adaptive'},'page':{'state':'stale','resident':true,"
                "'wanted':false,'prefetched':true,'used':false,'known':false,'fetches':3,'age_s':2.5,"
                "'version_age_s':0.9,'read_heat':0.5,'write_heat':2.0,'run_length':4,"
                "'bytes_to_send':2100},'terms':[{'kind':'scorer','name':'gain','value':0.51},"
                "{'kind':'scorer','name':'stays_clean','value':0.02}],'predicted':0.7,"
                "'predicted_writes':2.1,'score':-0.35,'cut':0.12,'candidates':5400,'ahead':1203,"
                "'alike':12,'why':'its score is below the threshold\\u0027s cut'}");
}

static inline void two_hosts(struct fake *f) {
        json_t *a = two_host("a", "b", LINK_UP), *b = two_host("b", "a", LINK_IDLE), *more = json_object();
        json_t *from = json_object();

        two_give(a, "guests", two_placed("vm1", "ready", READY_COUNTS));
        two_give(a, "guests", two_placed("vm2", "filling", STALLED_COUNTS));
        two_give(a, "guests", two_placed("vm3", "filling", FILLING_COUNTS));
        two_give(a, "guests", two_guest("vm4", "'placement':null"));
        two_give(b, "incoming", two_coming("vm1", "ready", READY_COUNTS));
        two_give(b, "incoming", two_coming("vm2", "filling", STALLED_COUNTS));
        two_give(b, "incoming", two_coming("vm3", "filling", FILLING_COUNTS));
        json_object_set_new(from, "guest.map", two_map(false, TWO_CELLS, 131072 / TWO_CELLS));
        json_object_set_new(more, "guest.map", two_map(true, TWO_CELLS, 131072 / TWO_CELLS));
        json_object_set_new(more, "status", two_status_b());
        json_object_set_new(more, "policy.explain", two_explained());
        fake_add(f, a, from);
        fake_add(f, b, more);
        fake_turn(f);
}
