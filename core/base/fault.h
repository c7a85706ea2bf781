/* fault: named places where a test can make us fail.
 *
 * `if (hb_fault("image.write")) return -EIO;` costs one relaxed load when nothing is armed. A test arms
 * either the n-th fault point that will be passed (hb_fail_nth, for "fail each in turn until none is left"),
 * or a name with an action. Integration tests arm them in a daemon through
 * HB_FAULT="name=fail@3,name2=kill,name3=stall:200" (stall: ms), read by the program's main through
 * hb_fault_from_env; names may end in '*'. Without @N an action happens each time, with it only the N-th time
 * the name (or pattern) is met. Thread-safe. */
#pragma once
#include <stdbool.h>

/* True: the caller fails now as if the thing below it had failed. `kill` never returns, `stall` sleeps and
 * returns false. */
bool hb_fault(const char *name);

/* Arms the n-th (1-based) fault point passed from now on, after disarming the previous one. Returns false
 * when the previous round passed fewer points than armed, i.e. nothing is left to fail. Call with n = 1, 2, 3
 * ... in a for loop's condition. The last round meets no failure: after each, hb_fault_passed() >= n tells
 * whether one was met. */
bool hb_fail_nth(unsigned n);
void hb_fault_disarm(void);
/* Parses the syntax above; -EINVAL on a bad one. NULL or "" disarms. */
int hb_fault_arm(const char *spec);
int hb_fault_from_env(const char *variable);
unsigned long hb_fault_passed(void); /* fault points passed since the last arm */
