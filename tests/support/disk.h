/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/support/disk: a disk in memory for the charging spool, which can refuse. */
#ifndef TESTS_SUPPORT_DISK_H
#define TESTS_SUPPORT_DISK_H

#include "common/charging/charging.h"

enum { DISK_FILES = 16, DISK_FILE_MAX = 1 << 20 };

struct disk {
    struct {
        char path[256]; /* "" = free */
        char *bytes;
        size_t n;
    } file[DISK_FILES];
    bool refuses; /* writes and syncs fail with -ENOSPC */
    struct charging_disk port;
};

void disk_init(struct disk *d);
void disk_fini(struct disk *d);

#endif
