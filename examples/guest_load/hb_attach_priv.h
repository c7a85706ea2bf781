/* hb_attach_priv: what the two hb_attach*.c files share. */
#ifndef HB_ATTACH_PRIV_H
#define HB_ATTACH_PRIV_H

#include "hb_attach.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/un.h>

#define HB_ATTACH_LINE_BYTES   512
#define HB_ATTACH_HEADER_BYTES 12

enum hb_attach_state { RUNNING, FREEZING, FROZEN, MOVED, INCOMING, LOADING, LOADED, QUIT };

struct hb_attach {
        struct hb_attach_guest guest;
        struct hb_attach_region regions[HB_ATTACH_REGIONS_MAX];
        char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
        pthread_t thread;
        pthread_mutex_t lock;
        pthread_cond_t changed;
        enum hb_attach_state state;
        atomic_bool wanted; /* the program shall stop at its next safe point */
        uint64_t stop_wall_ns, resume_wall_ns;
        int listen_fd, stop_fd;
        int client_fd; /* who is being served, -1: nobody */
        int stream_fd; /* of load */
        size_t held;   /* of the incoming state, header included */
        uint8_t *buffer;
};

/* Answers one request. *fd: a descriptor that came with it or -1; set to -1 when it is kept. */
void hb_attach_answer(struct hb_attach *a, const char *line, int *fd, char *out, size_t size);
void hb_attach_set_state(struct hb_attach *a, enum hb_attach_state s); /* with the lock */
int hb_attach_write(int fd, const uint8_t *p, size_t n);

#endif
