/* doctor: the checks that need no daemon. */
#pragma once
#include <jansson.h>

enum hb_check { HB_CHECK_OK, HB_CHECK_WARN, HB_CHECK_FAIL };

void hb_doctor_add(json_t *checks, const char *name, enum hb_check ok, const char *detail, const char *next);
/* Kernel, rights, memory file system, QEMU. */
void hb_doctor_machine(json_t *checks);
/* "trackers" of harbingerd --probe: a check each; a failed one when none works. */
void hb_doctor_trackers(json_t *checks, const json_t *trackers);
/* "6.1.0-18-amd64" -> 601; 0: not understood. */
unsigned hb_doctor_kernel(const char *release);
/* "QEMU emulator version 7.2.22 (Debian ...)" -> 702; 0: not understood. */
unsigned hb_doctor_qemu(const char *version);
