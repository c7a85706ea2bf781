/* thread_class: tells the scheduler which threads move bulk and which answer a guest that waits, so that on a
 * host with more to do than cores the second kind runs as soon as it wakes. */
#pragma once

#define HB_URGENT_ROW                                                                                        \
        32u /* urgent runs without one of bulk between them make a connection one for demand                 \
             */

enum hb_thread_class {
        HB_THREAD_BULK,   /* long work that nobody waits for */
        HB_THREAD_DEMAND, /* short work that a guest waits for */
};
/* For the calling thread. Best effort: without CAP_SYS_NICE a thread of bulk stays one, and demand gets a
 * short slice only. May be called again, but costs a few system calls: not for every page. */
void hb_thread_class_set(enum hb_thread_class c);
