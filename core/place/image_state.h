/* image_state: the head of an image's state file: whose image this is, of what shape, and which files hold
 * it. Internal to the room.
 *
 * The head is one page: magic, phase, processed epoch, then a checked body. The records (struct
 * hb_image_page, by gfn) follow it. CREATING and GOING say that a kill interrupted us: the files named in it
 * are nobody's and may be removed. */
#pragma once
#include "place/image.h"

#define HB_IMAGE_HEAD 4096u

enum hb_image_phase { HB_IMAGE_CREATING = 1, HB_IMAGE_READY, HB_IMAGE_GOING };

struct hb_image_file { /* tells our region file from another of the same name; 0, 0: not made yet */
        uint64_t dev, ino;
};

struct hb_image_state {
        enum hb_image_phase phase;
        uint32_t processed;
        struct hb_image_id id;
        struct hb_shape shape;
        struct hb_image_file file[HB_MAX_REGIONS];
};

int hb_image_state_encode(const struct hb_image_state *s, uint8_t head[HB_IMAGE_HEAD]); /* -ENOMEM */
/* -ENODATA: a head of zeros (killed before anything was made); -EBADMSG: not ours, damaged or cut. */
int hb_image_state_decode(const void *head, size_t size, struct hb_image_state *ret);
/* The two fields that change, in a mapped head. */
void hb_image_state_set_phase(uint8_t *head, enum hb_image_phase phase);
uint32_t *hb_image_state_processed(uint8_t *head);
