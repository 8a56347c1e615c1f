/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_ENGINE_WAL_CHECK_H
#define VARVE_ENGINE_WAL_CHECK_H

#include "engine/wal_catalog.h"

/* Is WAL being received?  Each thing that is wrong is a problem event. */
struct wal_check_options {
    const char *target; /* the server; NULL: only the repository is looked at */
    const char
        *slot;       /* NULL: the server's WAL is not kept by a slot (an archive command is used) */
    uint64_t system; /* without a server: only of this cluster; 0: of all */
    int64_t most_age; /* ns: the newest publication is not older, while there is something newer */
    uint64_t least_safe; /* bytes the server may still write before it lets go of the slot's WAL */
    bool unbounded_slot; /* a slot that keeps WAL without bound is accepted */
};
struct wal_check_summary {
    size_t clusters; /* looked at */
    size_t gaps;
    int64_t newest; /* time of the newest publication; INT64_MIN: there is none */
    uint64_t
        published; /* on the server's timeline, or (without a server) the highest; 0: nothing */
    bool asked;    /* the server was; then: */
    uint64_t system;
    uint32_t timeline;
    uint64_t position;
    bool slot_reserved;
    bool bounded;
    uint64_t safe; /* if reserved and bounded */
};
/** wal_check(r, l, o, ret, err): events "wal-gap", "wal-old", "wal-none", "slot-missing",
 *  "slot-unbounded", "slot-unsafe".  VV_OK also if something is wrong. */
MUST_CHECK enum vv_rc wal_check(struct repo *r, const struct snapshot_list *l,
                                const struct wal_check_options *o, struct wal_check_summary *ret,
                                struct vv_error *err);

/** wal_size_setting(text, ret): a size as a server shows it ("64GB", "512kB", "0"); false for "-1" and
 *  whatever it is not. */
MUST_CHECK bool wal_size_setting(const char *text, uint64_t *ret);

#endif
