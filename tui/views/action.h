/* action: what a key can mean. The keymap (console/keymap.h) says which key means what; views say what an
 * action does. One row of HB_ACTIONS is name, group and help: the name in the settings' [keys], the key list
 * of `?`, and the documentation are all made from it. */
#pragma once

#define HB_ACTIONS(X)                                                                                        \
        X(NONE, "", MOVE, "")                                                                                \
        X(UP, "up", MOVE, "the row above")                                                                   \
        X(DOWN, "down", MOVE, "the row below")                                                               \
        X(LEFT, "left", MOVE, "the cell before; back in what does not fit beside a table")                   \
        X(RIGHT, "right", MOVE, "the cell after; on in what does not fit beside a table")                    \
        X(PAGE_UP, "page-up", MOVE, "a page up")                                                             \
        X(PAGE_DOWN, "page-down", MOVE, "a page down")                                                       \
        X(FIRST, "first", MOVE, "the first row")                                                             \
        X(LAST, "last", MOVE, "the last row")                                                                \
        X(OPEN, "open", MOVE, "look closer at what is selected")                                             \
        X(BACK, "back", MOVE, "back to where you came from")                                                 \
        X(VIEW_OVERVIEW, "overview", VIEW, "hosts, links, guests: is it safe?")                              \
        X(VIEW_GUEST, "guest", VIEW, "one guest's memory as a heat map")                                     \
        X(VIEW_PLACEMENT, "placement", VIEW, "how ready a guest is on its target, and why not more")         \
        X(VIEW_POLICIES, "policies", VIEW, "active, shadow and candidates side by side")                     \
        X(VIEW_MIGRATION, "migration", VIEW, "what a move would cost; moving; moves done")                   \
        X(VIEW_TRACES, "traces", VIEW, "recordings and replays")                                             \
        X(VIEW_NETWORK, "network", VIEW, "links between hosts")                                              \
        X(VIEW_EVENTS, "events", VIEW, "what happened, with the next step")                                  \
        X(VIEW_HELP, "help", VIEW, "keys and words; type to search")                                         \
        X(FILTER, "filter", LOOK, "show only rows with these words (key:word, !word)")                       \
        X(SORT, "sort", LOOK, "sort by the next column")                                                     \
        X(SORT_BACK, "sort-back", LOOK, "sort by the column before")                                         \
        X(REVERSE, "reverse", LOOK, "turn the order round")                                                  \
        X(FREEZE, "freeze", LOOK, "hold the picture still; again: go on")                                    \
        X(FOLLOW, "follow", LOOK, "keep the newest row selected; again: stay with this one")                 \
        X(UNDO, "undo", LOOK, "undo the last change of the view")                                            \
        X(ZOOM_IN, "zoom-in", LOOK, "closer: fewer pages a cell")                                            \
        X(ZOOM_OUT, "zoom-out", LOOK, "wider: more pages a cell")                                            \
        X(PLANE, "plane", LOOK, "next picture: reads, writes, expected, state on the target")                \
        X(GLYPHS, "glyphs", LOOK, "next set of characters: ASCII, blocks, braille")                          \
        X(NEXT_HOST, "next-host", LOOK, "the next host")                                                     \
        X(PLACE, "place", ACT, "keep the guest ready on a host")                                             \
        X(UNPLACE, "unplace", ACT, "give the placement up")                                                  \
        X(ESTIMATE, "estimate", ACT, "what would moving it cost now?")                                       \
        X(MIGRATE, "migrate", ACT, "move the guest (asks for its name)")                                     \
        X(ABORT, "abort", ACT, "undo a move that is not committed")                                          \
        X(LOAD, "load", ACT, "load a policy as the shadow of its kind")                                      \
        X(PROMOTE, "promote", ACT, "the shadow becomes active")                                              \
        X(ROLLBACK, "rollback", ACT, "the previous policy becomes active again")                             \
        X(DROP, "drop", ACT, "give the shadow up")                                                           \
        X(TUNE, "tune", ACT, "give a param another value")                                                   \
        X(DIFF, "diff", ACT, "how the selected policy differs from the active one")                          \
        X(HISTORY, "history", ACT, "what was done to policies")                                              \
        X(EXPLAIN, "explain", ACT, "why a page is fetched, or is not")                                       \
        X(RECORD, "record", ACT, "record the guest's trace")                                                 \
        X(STOP, "stop", ACT, "end the recording")                                                            \
        X(REPLAY, "replay", PLAY, "play a trace file in these views")                                        \
        X(PAUSE, "pause", PLAY, "hold the replay; again: go on")                                             \
        X(STEP, "step", PLAY, "one epoch further")                                                           \
        X(SEEK, "seek", PLAY, "go to a second of the trace")                                                 \
        X(FASTER, "faster", PLAY, "twice as fast")                                                           \
        X(SLOWER, "slower", PLAY, "half as fast")                                                            \
        X(SAVE, "save", KEEP, "save the screen as text")                                                     \
        X(SAVE_JSON, "save-json", KEEP, "save the view's data as JSON")                                      \
        X(SAVE_CSV, "save-csv", KEEP, "save the view's table as CSV")                                        \
        X(REDRAW, "redraw", KEEP, "draw everything again")                                                   \
        X(SUSPEND, "suspend", KEEP, "stop the console; fg goes on")                                          \
        X(QUIT, "quit", KEEP, "leave")

enum hb_action {
#define X(id, name, group, help) HB_DO_##id,
        HB_ACTIONS(X)
#undef X
                HB_DO_COUNT
};
enum hb_action_group {
        HB_GROUP_MOVE,
        HB_GROUP_VIEW,
        HB_GROUP_LOOK,
        HB_GROUP_ACT,
        HB_GROUP_PLAY,
        HB_GROUP_KEEP
};

const char *hb_action_name(enum hb_action a);
const char *hb_action_help(enum hb_action a);
enum hb_action_group hb_action_group(enum hb_action a);
const char *hb_action_group_title(enum hb_action_group g);
enum hb_action hb_action_from_name(const char *name); /* HB_DO_NONE: there is none */
