/* handover.pml: coherency and ownership in one model, for Spin.
 *
 * The four laws (docs/ARCHITECTURE.md, coherency):
 *   1. a page never becomes guest memory unless fresh as of f        assert in T_RESUME: image == memory
 *   2. at most one host runs the guest, whatever fails and whenever  assert in RUN_CHECK, after every step that starts it
 *   3. before commit any failure leaves the source running; after commit the source never runs it again
 *                                                                    assert in AT_REST and in S_THAW
 *   4. an invalidation may come late, twice or out of order; a lost one is noticed: announcements are delivered in any order, any number
 *      of times, or never, and only the next epoch in turn is accepted
 * Messages of the hand-over are bits that stay set: they arrive late, repeatedly, or never. Daemons crash and go on from their records,
 * VMMs die, journal writes fail. Every step is enabled only if it changes something, so the model comes to rest; there AT_REST checks
 * that exactly one copy runs.
 *
 * -DBREAK=n breaks one rule; the test wants Spin to find each:
 *   1 gaps in the announcements are accepted   2 a fetch is stamped after its bytes are read
 *   3 the target runs before its record        4 a released source that hears nothing takes the guest back
 *   5 hand-over does not wait for the last announcement
 *   6 a released source does not listen to REFUSED */
#ifndef BREAK
#define BREAK 0
#endif

#define PAGES  2
#define EPOCHS 3 /* scans, the final one included */
#define WRITES 2 /* before the guest is left to rest */

/* ---- memory ---- */
byte memory[PAGES];
bit  dirty[PAGES];          /* written since the last scan */
byte epoch;                 /* completed scans */
byte written[EPOCHS + 1];   /* W(k), a bit a page */
byte writes;

/* ---- the image on the target ---- */
byte image[PAGES], stamp[PAGES], last_written[PAGES];
bool have[PAGES];
byte processed;             /* announcements applied: 1 .. processed */
byte fetching[PAGES]; /* 0 idle, 1 first half done, 2 read and on its way */
byte fetch_stamp[PAGES], fetch_bytes[PAGES];

#define FRESH(p) (have[p] && last_written[p] <= stamp[p])

/* ---- ownership ---- */
mtype = {S_PLACED, S_FREEZE, S_DELTA, S_LOADED, S_RELEASE, S_COMMIT, S_FINISH, S_ABORT, S_DONE, S_ABORTED, S_DEAD, S_DOWN};
mtype = {T_WAITS, T_DELTA, T_STATE, T_JOURNAL, T_LOADED, T_TAKE, T_RESUME, T_UNLOAD, T_ABORT, T_DONE, T_DEAD, T_DOWN};
mtype = {R_NONE, R_RELEASED, R_LOADED, R_OWNED, R_REFUSED, R_ENDED};
mtype s = S_PLACED, t = T_WAITS, s_record = R_NONE, t_record = R_NONE;
bool source_runs = true, source_alive = true;   /* the VMM */
bool target_runs, target_alive = true, loaded;
bool has_run_there;
byte final;                                     /* f */
byte s_crashes, t_crashes;

/* messages; a bit once set stays */
bool freeze, complete, state_end, loaded_msg, commit, committed, refused, s_abort, t_aborted, t_dead;

#define RUN_CHECK assert(!(source_runs && target_runs))
#define CAN_ABORT (s == S_PLACED || s == S_FREEZE || s == S_DELTA || s == S_LOADED)

inline scan() {
        epoch++;
        written[epoch] = dirty[0] | (dirty[1] << 1);
        dirty[0] = 0;
        dirty[1] = 0
}

/* ---- the guest, its tracker, and fetches: any time, while it runs on the source ---- */
active proctype Guest() {
end:    do
        :: atomic { source_runs && source_alive && writes < WRITES -> writes++; memory[0]++; dirty[0] = 1 }
        :: atomic { source_runs && source_alive && writes < WRITES -> writes++; memory[1]++; dirty[1] = 1 }
        :: atomic { s == S_PLACED && source_alive && epoch < EPOCHS - 1 -> scan() }
        od
}

#if BREAK == 2
#define FIRST_HALF(p)  fetch_bytes[p] = memory[p]
#define SECOND_HALF(p) fetch_stamp[p] = epoch
#else
#define FIRST_HALF(p)  fetch_stamp[p] = epoch
#define SECOND_HALF(p) fetch_bytes[p] = memory[p]
#endif
#define SOURCE_SERVES (source_alive && s != S_DOWN && epoch > 0)

/* Pages are asked for when absent or stale; the steps of a fetch lie apart, so writes and scans fall between. */
active [PAGES] proctype Fetch() {
        byte p = _pid - 1; /* Guest is 0 */

end:    do
        :: atomic { fetching[p] == 0 && !FRESH(p) && SOURCE_SERVES && (t == T_WAITS || t == T_DELTA) ->
                        FIRST_HALF(p); fetching[p] = 1 }
        :: atomic { fetching[p] == 1 && SOURCE_SERVES -> SECOND_HALF(p); fetching[p] = 2 }
        :: atomic { fetching[p] == 1 && s == S_DOWN -> fetching[p] = 0 }
        :: atomic { fetching[p] == 2 ->
                        fetching[p] = 0;
                        if
                        :: !have[p] || fetch_stamp[p] >= stamp[p] ->
                                image[p] = fetch_bytes[p]; stamp[p] = fetch_stamp[p]; have[p] = true
                        :: else
                        fi;
                        fetch_bytes[p] = 0; fetch_stamp[p] = 0 }
        od
}

inline apply(k) {
        processed = k;
        if :: written[k] & 1 -> last_written[0] = k :: else fi;
        if :: written[k] & 2 -> last_written[1] = k :: else fi
}

/* The network brings any announcement ever made, whenever it likes. */
active proctype Announcements() {
        byte k;

end:    do
        :: atomic { t != T_DOWN && processed < epoch ->
                        k = processed + 1;
#if BREAK == 1
                        if :: k < epoch -> k++ :: skip fi;
#endif
                        apply(k); k = 0 }
        od
}

/* ---- the source's daemon ---- */
inline thaw() {
        assert(t_record != R_OWNED && !has_run_there); /* law 3 */
        source_runs = true;
        RUN_CHECK;
        s = S_ABORTED; s_record = R_ENDED
}

active proctype Source() {
end:    do
        :: atomic { s == S_PLACED && source_alive -> s = S_FREEZE }
        :: atomic { s == S_FREEZE && source_alive -> source_runs = false; scan(); final = epoch; freeze = true; s = S_DELTA }
        :: atomic { s == S_DELTA && complete && source_alive -> state_end = true; s = S_LOADED }
        :: atomic { s == S_LOADED && loaded_msg -> s = S_RELEASE }
        :: atomic { s == S_RELEASE -> s_record = R_RELEASED; s = S_COMMIT }
        :: atomic { s == S_RELEASE -> s = S_ABORT }                      /* the record failed */
        :: atomic { s == S_COMMIT && !commit -> commit = true }
        :: atomic { s == S_COMMIT && committed -> s = S_FINISH }
#if BREAK != 6
        :: atomic { s == S_COMMIT && refused -> s = S_ABORT }
#endif
        :: atomic { s == S_COMMIT && t_dead -> s = S_DEAD; s_record = R_ENDED }
#if BREAK == 4
        :: atomic { s == S_COMMIT -> s = S_ABORT }
#endif
        :: atomic { s == S_FINISH -> source_alive = false; s = S_DONE; s_record = R_ENDED }
        :: atomic { CAN_ABORT -> s = S_ABORT }                           /* link, time-out, operator */
        :: atomic { CAN_ABORT && t_aborted -> s = S_ABORT }
        :: atomic { s == S_ABORT && source_alive -> s_abort = true; thaw() }
        :: atomic { s == S_ABORT && !source_alive -> s_abort = true; s = S_DEAD; s_record = R_ENDED }
        :: atomic { CAN_ABORT && s != S_LOADED && !source_alive -> s = S_DEAD; s_abort = true; s_record = R_ENDED }
        /* crash, and recovery from the record */
        :: atomic { s_crashes < 1 && s_record != R_ENDED && s != S_DOWN -> s_crashes++; s = S_DOWN }
        :: atomic { s == S_DOWN && s_record == R_NONE -> s = S_ABORT }
        :: atomic { s == S_DOWN && s_record == R_RELEASED -> s = S_COMMIT }
        /* the VMM dies by itself */
        :: atomic { source_alive && s != S_DONE && s != S_ABORTED && s_crashes < 1 -> s_crashes++; source_alive = false;
                    source_runs = false }
        od
}

/* ---- the target's daemon ---- */
#if BREAK == 5
#define ALL_FRESH (FRESH(0) && FRESH(1))
#else
#define ALL_FRESH (processed >= final && FRESH(0) && FRESH(1))
#endif
#define EARLY (t == T_WAITS || t == T_DELTA || t == T_STATE || t == T_JOURNAL)

inline run_here() {
        assert(image[0] == memory[0] && image[1] == memory[1]); /* law 1 */
        target_runs = true;
        has_run_there = true;
        RUN_CHECK
}

active proctype Target() {
end:    do
        :: atomic { t == T_WAITS && freeze -> t = T_DELTA }
        :: atomic { t == T_DELTA && ALL_FRESH -> complete = true; t = T_STATE }
        :: atomic { t == T_STATE && state_end && target_alive -> loaded = true; t = T_JOURNAL }
        :: atomic { t == T_JOURNAL -> t_record = R_LOADED; loaded_msg = true; t = T_LOADED }
        :: atomic { t == T_LOADED && commit && target_alive -> t = T_TAKE }
#if BREAK == 3
        :: atomic { t == T_TAKE && target_alive && !target_runs -> run_here() }
#endif
        :: atomic { t == T_TAKE -> t_record = R_OWNED; t = T_RESUME }
        :: atomic { t == T_TAKE -> t = T_UNLOAD }                        /* the record failed */
        :: atomic { t == T_RESUME && target_alive ->
                        if :: !target_runs -> run_here() :: else fi;
                        committed = true; t = T_DONE; t_record = R_ENDED }
        :: atomic { t == T_RESUME && !target_alive -> t_dead = true; t = T_DEAD; t_record = R_ENDED }
        :: atomic { t == T_UNLOAD -> target_alive = false; target_runs = false; refused = true; t = T_ABORT;
                        if :: t_record = R_REFUSED :: skip fi }          /* a dead VMM refuses, recorded or not */
        :: atomic { t == T_LOADED && !target_alive -> t = T_UNLOAD }
        :: atomic { t == T_LOADED -> t = T_UNLOAD }                      /* operator */
        :: atomic { t == T_LOADED && s_abort -> target_alive = false; t = T_ABORT; t_record = R_ENDED }
        :: atomic { EARLY -> target_alive = false; t_aborted = true; t = T_ABORT; t_record = R_ENDED }
        /* crash, and recovery */
        :: atomic { t_crashes < 1 && t != T_DONE && t != T_DEAD && t != T_DOWN -> t_crashes++; t = T_DOWN }
        :: atomic { t == T_DOWN && (t_record == R_NONE || t_record == R_ENDED || t_record == R_REFUSED) ->
                        target_alive = false; t_aborted = true;
                        if :: t_record == R_REFUSED -> refused = true :: else fi;
                        t_record = R_ENDED; t = T_ABORT }
        :: atomic { t == T_DOWN && t_record == R_LOADED -> t = T_LOADED }
        :: atomic { t == T_DOWN && t_record == R_OWNED -> t = T_RESUME }
        /* the VMM dies by itself */
        :: atomic { target_alive && t != T_ABORT && t_crashes < 1 -> t_crashes++; target_alive = false; target_runs = false }
        od
}

/* Nothing more can happen. A source's own death, or the target's after it took the guest, are the guest's own. */
#define ENDED (s == S_DONE || s == S_ABORTED || s == S_DEAD)

active proctype AtRest() {
end:    timeout ->
        assert(ENDED);
        assert(t == T_DONE || t == T_ABORT || t == T_DEAD);
        assert(!(s == S_ABORTED && source_alive && !source_runs));
        assert(!(s == S_ABORTED && target_runs));
        assert(!(s == S_DONE && source_alive));
        assert(s != S_DONE || target_runs || !target_alive);
        assert(s != S_DEAD || !source_alive || t == T_DEAD)
}
