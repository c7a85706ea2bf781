/* notify: sd_notify(3)'s datagram, without the library. Does nothing when NOTIFY_SOCKET is not set. */
#pragma once
void hb_notify(const char *state);
