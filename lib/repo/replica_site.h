/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_REPLICA_SITE_H
#define VARVE_REPO_REPLICA_SITE_H

#include "repo/record_scan.h"

/*
 * Making a place a replica, and bringing it the small objects.
 *
 * Y1  what becomes a replica is empty, or holds a repository of the source's id and another site
 *     id, or what an interrupted attempt has left, or nothing but packs; everything else is refused
 *     and stays as it is;
 * Y2  every copy has a `site` of its own; `config` is published last, so that a place without it is
 *     no repository;
 * Y3  of admin/ only what is valid everywhere travels: certificates, revocations, epochs, when
 *     snapshots were first listed (it can only make a replica keep more), and graves that name
 *     nothing but revoked snapshots, or are bound to another site and name some;
 * Y4  nothing is ever deleted or replaced;
 * Y5  a client is revoked at a replica from the sequence number on from which it is at the source, or
 *     an earlier one: where another revocation has the name, it gets the next number.
 */

/** replica_open(source, st, options, reserve, ret, ret_made, err): ${st} as a replica of ${source},
 *  made one if it is none (with ${reserve} bytes set aside); opened without a key.  VV_EREFUSED with
 *  the remedy; VV_EFORGED if its administrator is another one. */
MUST_CHECK enum vv_rc replica_open(struct repo *source, struct storage *st,
                                   const struct repo_options *options, uint64_t reserve,
                                   struct repo **ret, bool *ret_made, struct vv_error *err);

struct replica_small_objects {
    uint64_t copied;      /* admin records and key slots' objects published */
    uint64_t key_slots;   /* of those, objects of key slots */
    uint64_t slots_extra; /* key slots at the site that the source has removed */
    uint64_t refused;     /* names taken there by what says something else ("object-differs") */
};
/** repo_open_replica(r, st, events, ret, err): the same repository at another storage, with the
 *  keys of ${r} and a cache of its own. */
MUST_CHECK enum vv_rc repo_open_replica(struct repo *r, struct storage *st,
                                        struct vv_events *events, struct repo **ret,
                                        struct vv_error *err);

/** replica_copy_small(source, admin, site, ret, err): key slots and Y3, ${admin} as read from the
 *  source.  A name may be taken meanwhile by a record of the administrator's that says the same: a
 *  client that backs up there, too, was certified there. */
MUST_CHECK enum vv_rc replica_copy_small(struct repo *source, const struct admin_records *admin,
                                         struct repo *site, struct replica_small_objects *ret,
                                         struct vv_error *err);

/** replica_revocations_hold(admin, there): does Y5 hold, by what was read at both sides? */
bool replica_revocations_hold(const struct admin_records *admin, const struct admin_records *there);
/** replica_copy_revocations(source, admin, site, there, ret, err): make it so. */
MUST_CHECK enum vv_rc replica_copy_revocations(struct repo *source,
                                               const struct admin_records *admin, struct repo *site,
                                               const struct admin_records *there,
                                               struct replica_small_objects *ret,
                                               struct vv_error *err);

/** publish_same(st, name, object, err): publish; where the name is taken, or the reply was lost,
 *  the same bytes there are as good.  VV_EEXISTS if they are others; VV_ETRANSIENT if that cannot be
 *  said now. */
MUST_CHECK enum vv_rc publish_same(struct storage *st, const char *name, struct vv_span object,
                                   struct vv_error *err);

#endif
