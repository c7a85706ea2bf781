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
        {"", "wasted", "fetched, and written again before anybody needed it", PAGES},
        {"", "hit", "was there, fresh, when it was needed", PAGES},
        {"", "late", "was on its way when it was needed", PAGES},

        {"0 .. 5", "levels", "from nothing to most; in ASCII . : + * #, or their number", HEAT},
        {"a A", "letters", "a capital: all of the cell is of that kind; small: most of it", HEAT},
        {"", "reads, writes", "accesses a second, as its tracker saw them", HEAT},
        {"", "expected", "accesses that the active predictor expects within the horizon", HEAT},
        {"", "cell", "so many pages: zoom in to 2 MiB blocks and to single pages", HEAT},
        {"", "epoch", "the tracker's step: what was touched and written is looked at once in each", HEAT},

        {"", "estimated downtime", "how long the guest would stand still if it were moved now", COST},
        {"", "remaining", "bytes that must still be sent before the guest can go on over there", COST},
        {"", "dirty rate", "bytes a second that the guest writes: what makes pages stale", COST},
        {"", "converging", "remaining bytes shrink: it will end by itself", COST},
        {"", "stalled since", "remaining bytes have not shrunk for so long; the cause stands beside it",
         COST},
        {"", "after the move", "pages that the guest fetches while it already runs over there", COST},

        {"", "active", "the policy that decides now; one of each kind", CHOICE},
        {"", "shadow", "runs beside the active one and decides nothing: compare, then promote or drop it",
         CHOICE},
        {"", "candidate", "a file that could be loaded as shadow", CHOICE},
        {"", "baseline", "what the plainest policy would have reached: worse than this is worse than none",
         CHOICE},
        {"", "predictor", "says how often each page will be used within the horizon", CHOICE},
        {"", "scorer", "says what fetching each page is worth", CHOICE},
        {"", "threshold", "pages whose score lies above it are fetched", CHOICE},
        {"", "precision", "share of what was fetched that was then used", CHOICE},
        {"", "recall", "share of what was used that had been fetched", CHOICE},

        {"", "up, idle, down", "of a link: in use; set up, and nothing to send; not to be reached", HOSTS},
        {"", "silent", "the daemon holds the connection and says nothing", HOSTS},
        {"", "path", "tcp or rdma: how pages travel, with why it is not the other", HOSTS},
};
const unsigned hb_help_words_count = sizeof(hb_help_words) / sizeof(hb_help_words[0]);
