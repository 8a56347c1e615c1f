/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_ENGINE_REHEARSE_INTERNAL_H
#define VARVE_ENGINE_REHEARSE_INTERNAL_H

#include "engine/rehearse.h"
#include "engine/rehearse_process.h"
#include "postgres/postgres.h"

#define REHEARSE_TOOL_MS (UINT64_C(24) * 3600 * 1000)

struct rehearsal {
    const struct rehearse_options *o;
    struct rehearse_report *report;
    struct rehearse_user user;
    struct rehearse_process server;
    struct vv_buf scratch;
    struct vv_buf data; /* the restored data directory */
    struct vv_buf
        sockets;       /* directory of the server's socket; may be outside the scratch directory */
    struct vv_buf bin; /* of the cluster's major version */
    unsigned major;    /* that version */
    bool checksums;    /* the cluster has them */
};

/* ---- rehearse_place.c ---- */
/** The scratch directory; who will own it; what it takes to run there. */
MUST_CHECK enum vv_rc rehearse_place_make(struct rehearsal *h, struct vv_error *err);
/** Who runs the server: decided by the restored data directory, and all of it given to them. */
MUST_CHECK enum vv_rc rehearse_place_own(struct rehearsal *h, struct vv_error *err);
/** h->major, h->bin; VV_ENOTFOUND names the package. */
MUST_CHECK enum vv_rc rehearse_place_programs(struct rehearsal *h, struct vv_error *err);
/** Everything goes; what cannot is named in the report. */
void rehearse_place_remove(struct rehearsal *h);

/* ---- rehearse_server.c ---- */
/** Start it and wait until it has recovered.  VV_OK with a verdict about REHEARSE_REPLAY; h->server
 *  runs if that is REHEARSE_PROVEN. */
MUST_CHECK enum vv_rc rehearse_server_start(struct rehearsal *h, struct vv_error *err);
/** A clean stop: *ret_clean. */
MUST_CHECK enum vv_rc rehearse_server_stop(struct rehearsal *h, bool *ret_clean,
                                           struct vv_error *err);
/** How its database is reached, as a connection string. */
MUST_CHECK enum vv_rc rehearse_server_target(struct rehearsal *h, const char *database,
                                             struct vv_buf *out, struct vv_error *err);
MUST_CHECK enum vv_rc rehearse_server_connect(struct rehearsal *h, const char *database,
                                              struct postgres **ret, struct vv_error *err);
/** rehearse_file(h, name, out, err): the path of a file in the scratch directory. */
MUST_CHECK enum vv_rc rehearse_file(struct rehearsal *h, const char *name, struct vv_buf *out,
                                    struct vv_error *err);

/* ---- rehearse_checks.c: VV_OK with a verdict ---- */
MUST_CHECK enum vv_rc rehearse_check_manifest(struct rehearsal *h, struct vv_error *err);
MUST_CHECK enum vv_rc rehearse_check_structure(struct rehearsal *h, struct vv_error *err);
MUST_CHECK enum vv_rc rehearse_check_questions(struct rehearsal *h, struct vv_error *err);
MUST_CHECK enum vv_rc rehearse_check_pages(struct rehearsal *h, struct vv_error *err);

#endif
