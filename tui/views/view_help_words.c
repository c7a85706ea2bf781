/* view_help_words: one row a word, in the order one meets them: is it ready, what is on the target, what does
 * it cost, what decides it. Whoever shows a new word, sign or letter adds its row here. */
#include "views/view_help_words.h"

#define READY  "readiness"
#define SIGNS  "signs"
#define PAGES  "pages on the target"
#define HEAT   "heat maps"
#define COST   "cost of a move"
#define CHOICE "policies"
#define HOSTS  "hosts and links"

const struct hb_help_word hb_help_words[] = {
        {"+", "ready", "a move now stops the guest for about as long as the estimate says", READY},
        {"~", "filling", "its memory is on the way, and gets ahead of what the guest writes", READY},
        {"!", "stalled", "what comes is not more than what is written again: read why, beside it", READY},
        {">", "moving", "a move is under way: the migration view has its states", READY},
        {"~", "connecting", "no link to the target so far; it dials by itself", READY},
        {"x", "lost", "the link to the target is gone; it dials by itself, nothing of the guest is lost",
         READY},
        {"-", "not placed", "nothing of it is on another host: place it first, or a move sends all of it",
         READY},
        {"x", "cannot move", "its QEMU lacks an option that a move needs; the guest view names it", READY},
        {"~", "attaching", "its daemon has just begun to track it", READY},
        {"x", "gone", "its process has ended", READY},
        {"?", "unknown", "its daemon says nothing: what is shown is as old as it says", READY},

        {"+ ~ ! x", "signs", "good, under way, look at this, bad: the same as the colours say", SIGNS},
        {"i *", "signs", "for your information; a notice", SIGNS},
        {"-", "nothing", "in a cell: not known, or none", SIGNS},
        {">", "next", "what to do about the line above it", SIGNS},

        {"F", "fresh", "the page is on the target as it is here", PAGES},
        {"S", "stale", "it is there, but was written here since", PAGES},
        {"A", "absent", "it is not there", PAGES},
        {">", "on its way", "asked for and not yet come", PAGES},
        {"K", "bytes known there", "the target has the same bytes in another page: only their name is sent",
         PAGES},
        {"Z", "zero", "a page of zeros: nothing is sent for it", PAGES},
        {"D", "on its disk", "fresh, but waiting in the target's spill_dir until the guest comes", PAGES},
        {"", "worth fetching", "not fresh there, and its score is above the threshold", PAGES},
        {"", "wasted", "fetched, and overwritten before use", PAGES},
        {"", "hit", "was there, fresh, when the guest came and needed it", PAGES},
        {"", "late", "was still on its way, or not there, when the guest needed it", PAGES},
        {"", "refuted", "its bytes were thought to be there already, and were others: sent after all", PAGES},

        {"0 .. 5", "levels", "from nothing to most; in ASCII . : + * #, or their number", HEAT},
        {"a A", "letters", "a capital: all of the cell is of that kind; small: most of it", HEAT},
        {"", "reads, writes", "accesses a second, as its tracker saw them", HEAT},
        {"", "expected", "accesses that the active predictor expects within the horizon", HEAT},
        {"", "cell", "so many pages: zoom in to 2 MiB blocks and to single pages", HEAT},
        {"", "epoch", "the tracker's step: what was touched and written is looked at once in each", HEAT},

        {"", "downtime", "how long the guest would stand still if it were moved now: an estimate", COST},
        {"", "left", "bytes still to be fetched before it is ready", COST},
        {"", "written", "bytes a second that the guest writes: what makes pages stale", COST},
        {"", "coming", "bytes a second that are fetched", COST},
        {"", "trend", "what is left shrinks (converging) or does not (stalled since), the cause beside it",
         COST},
        {"", "converging", "what is left shrinks: it will end by itself", COST},
        {"", "stalled since", "what is left has not shrunk for so long", COST},
        {"", "keeps up", "ready, and what is written again is fetched again", COST},
        {"S C D Z", "bytes so far", "sent; saved by compression; had there already; zeros", COST},

        {"", "active", "the policy that decides now; one of each kind", CHOICE},
        {"", "shadow", "runs beside the active one and decides nothing: compare, then promote or drop it",
         CHOICE},
        {"", "candidate", "a file that could be loaded as shadow", CHOICE},
        {"", "baseline", "what the plainest policy would have reached: worse than this is worse than none",
         CHOICE},
        {"", "predictor", "says how often each page will be used within the horizon", CHOICE},
        {"", "scorer", "says what fetching each page is worth", CHOICE},
        {"", "threshold", "pages whose score lies above it are fetched", CHOICE},
        {"", "precision", "of the pages fetched, the share that was used", CHOICE},
        {"", "recall", "of the pages used, the share that had been fetched", CHOICE},
        {"", "F1",
         "precision and recall in one figure, 0 to 1; ret: of pages that come back into use; wr: of written "
         "ones",
         CHOICE},
        {"", "value",
         "what promotions are decided by: 1 is hindsight, 0 is fetching nothing, below 0 does harm", CHOICE},
        {"", "lesson",
         "every 5 s active and shadow answer for the same pages, and are judged by what happens", CHOICE},
        {"", "seat", "one daemon that this console looks at", HOSTS},

        {"", "up, idle, down", "of a link: in use; set up, and nothing to send; not to be reached", HOSTS},
        {"", "silent", "the daemon holds the connection and says nothing", HOSTS},
        {"", "path", "tcp or rdma: how pages travel, with why it is not the other", HOSTS},
};
const unsigned hb_help_words_count = sizeof(hb_help_words) / sizeof(hb_help_words[0]);
