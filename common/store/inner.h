/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common/store, inside. Not for other rooms. */
#ifndef COMMON_STORE_INNER_H
#define COMMON_STORE_INNER_H

#include "common/store/store.h"

/* True when SQLite has undone the transaction by itself (full disk, I/O error). */
bool store_db_broken(const struct store_db *db);
void store_db_error_clear(struct store_db *db);
/* The failure of rc: what the db reported since the clear, or what rc alone says. */
struct store_error store_error_of(const struct store_db *db, int rc);

#endif
