/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_REPO_MEND_H
#define VARVE_REPO_REPO_MEND_H

#include "repo/repo.h"

/** How the names in tmp/ begin of what a repair keeps aside; a prune leaves them. */
#define REPO_ASIDE_PREFIX "damaged-"

/* Putting back single objects of a repository that was opened with a key. */

/** repo_config_bytes(r, out, err): `config`, byte for byte the one the keys belong to, from wherever
 *  it still is: under its name, or in a key slot. */
MUST_CHECK enum vv_rc repo_config_bytes(struct repo *r, struct vv_buf *out, struct vv_error *err);
/** repo_readme_bytes(r, out, err): the note for people. */
MUST_CHECK enum vv_rc repo_readme_bytes(struct repo *r, struct vv_buf *out, struct vv_error *err);
/** repo_new_site(r, id, out, err): a `site` object with this id (NULL: drawn anew), which ${r} takes
 *  as its own from now on. */
MUST_CHECK enum vv_rc repo_new_site(struct repo *r, const struct vv_uuid *id, struct vv_buf *out,
                                    struct vv_error *err);
/** repo_set_aside(r, name, err): copy what can be read of a damaged object to
 *  tmp/damaged-<random>-<name>, and take the name away.  Fails (VV_EREFUSED and others) where
 *  nothing can be deleted: then the object is as it was. */
MUST_CHECK enum vv_rc repo_set_aside(struct repo *r, const char *name, struct vv_error *err);

#endif
