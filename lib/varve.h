/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_VARVE_H
#define VARVE_VARVE_H

/*
 * libvarve: everything the varve command is made of, for programs that back up or restore by
 * themselves.  This header includes what such a program needs; each header included here is the
 * contract of its part.
 *
 *   Call crypto_init once, open a storage (storage/storage.h), open or make the repository on it
 * (repo/repo.h), then call one engine: backup_run, restore_run, verify_run, or those of
 * engine/look.h.
 *
 * Rules that hold everywhere: a function that can fail returns enum vv_rc and explains itself in
 * the struct vv_error passed last; outputs are untouched on failure; the library neither prints nor
 * ends the program, it emits events (core/event.h); a run stops when its vv_cancel asks for it
 * (core/thread.h).  Before 1.0 neither these interfaces nor the layout of structures is stable.
 *
 * Compile with `pkg-config --cflags --libs varve`.
 */

#include "core/bytes.h"
#include "core/error.h"
#include "core/event.h"
#include "core/thread.h"

#include "crypto/secret.h"

#include "storage/storage.h"

#include "repo/repo.h"
#include "repo/snapshots.h"

#include "engine/backup.h"
#include "engine/look.h"
#include "engine/parity_site.h"
#include "engine/repair.h"
#include "engine/replicate.h"
#include "engine/restore.h"
#include "engine/scrub.h"
#include "engine/verify.h"

#endif
