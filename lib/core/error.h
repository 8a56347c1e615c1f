/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CORE_ERROR_H
#define VARVE_CORE_ERROR_H

#include <stdbool.h>

#include "core/macros.h"

/**
 * The closed list of results.  A category decides whether a call is tried again, whether an
 * entry is skipped and reported, and which documented exit code ends the program.
 */
enum vv_rc {
    VV_OK = 0,
    VV_EUSAGE,       /* the caller asked for something that makes no sense */
    VV_ENOTFOUND,    /* the named thing does not exist */
    VV_EEXISTS,      /* the name is taken */
    VV_EIO,          /* input or output failed for good */
    VV_ETRANSIENT,   /* failed in passing: trying again may help */
    VV_ENOSPACE,     /* no space, no inodes, or a quota */
    VV_EAUTH,        /* a server refused credentials, or its host key is wrong */
    VV_EKEY,         /* no key slot opens with the secret given */
    VV_EREFUSED,     /* a rule forbids it */
    VV_ECORRUPT,     /* bytes are not what they must be */
    VV_EFORGED,      /* a signature is wrong, a record is missing or rolled back */
    VV_EUNSUPPORTED, /* a newer format, or an ability this storage or build lacks */
    VV_ELIMIT,       /* a documented limit would be exceeded */
    VV_ECANCELLED,   /* asked to stop */
    VV_ENOMEM,       /* out of memory */
    VV_ENOREPO,      /* there is no repository at that place */
};

/** Where an error comes from.  Trouble of the source is skipped and named; trouble of the
 *  repository ends the run: the two must never be mistaken for each other. */
enum vv_origin {
    VV_ORIGIN_NONE = 0,
    VV_ORIGIN_SOURCE,     /* what is being backed up */
    VV_ORIGIN_REPOSITORY, /* where it is kept */
    VV_ORIGIN_TARGET,     /* where it is being restored to */
    VV_ORIGIN_LOCAL,      /* cache and state directories, temporary files */
};

/** An error as text.  Whoever detects a failure writes it; callers may put context in front,
 *  never replace it.  Initialise with {0}; belongs to the caller, holds no allocated memory. */
struct vv_error {
    enum vv_rc rc;
    enum vv_origin origin;
    int sys;            /* errno of the failed call, 0 if none */
    bool exhausted;     /* VV_ETRANSIENT, and it was tried again for as long as is worth while */
    char message[1024]; /* lower case, no full stop, names in single quotes */
    char hint[512];     /* what to do about it; empty if there is nothing to say */
};

/**
 * vv_error_set(err, rc, fmt, ...): Record a failure in ${err} (which may be NULL) and return
 * ${rc}.  Control characters of arguments are kept here; output escapes them.
 */
enum vv_rc vv_error_set(struct vv_error *err, enum vv_rc rc, const char *fmt, ...) VV_PRINTF(3, 4);

/**
 * vv_error_sys(err, sys, fmt, ...): Record a failed system call: appends ": " and the text of
 * errno value ${sys}, and returns the category that fits it (ENOSPC, EDQUOT -> VV_ENOSPACE;
 * ENOENT, ENOTDIR -> VV_ENOTFOUND; EEXIST -> VV_EEXISTS; ENOMEM -> VV_ENOMEM; else VV_EIO).
 */
enum vv_rc vv_error_sys(struct vv_error *err, int sys, const char *fmt, ...) VV_PRINTF(3, 4);

/** vv_error_nomem(err): Record that memory ran out; returns VV_ENOMEM. */
enum vv_rc vv_error_nomem(struct vv_error *err);

/** vv_error_prefix(err, fmt, ...): Put "context: " in front of the message; returns err->rc (of
 *  a NULL ${err}: VV_EIO). */
enum vv_rc vv_error_prefix(struct vv_error *err, const char *fmt, ...) VV_PRINTF(2, 3);

/** vv_error_hint(err, fmt, ...): Say what the user can do about it. */
void vv_error_hint(struct vv_error *err, const char *fmt, ...) VV_PRINTF(2, 3);

/** vv_error_origin(err, origin, rc): Note where the error comes from unless already noted;
 *  returns ${rc}, so that it can wrap a call. */
enum vv_rc vv_error_origin(struct vv_error *err, enum vv_origin origin, enum vv_rc rc);

/** vv_error_mark_exhausted(err): nobody should try again (${err} may be NULL). */
void vv_error_mark_exhausted(struct vv_error *err);

/** vv_error_clear(err): Back to {0}. */
void vv_error_clear(struct vv_error *err);

/** vv_rc_name(rc): A short stable name of the category ("corrupt", "no-space"), for JSON. */
const char *vv_rc_name(enum vv_rc rc);

#endif
