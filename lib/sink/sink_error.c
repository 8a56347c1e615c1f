/* SPDX-License-Identifier: BSD-2-Clause */

/* Errors of the target, and the count of what rights or file system do not allow (K4). */

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "sink/sink_internal.h"

/* Longer paths are shown by their end. */
#define SHOWN 600u

enum vv_rc
sink_error(struct vv_error *err, int sys, const char *what, struct vv_span path)
{
    const char *dots = "";
    enum vv_rc rc;

    if (path.len > SHOWN) {
        path = vv_span(path.data + (path.len - SHOWN), SHOWN);
        dots = "...";
    } else if (path.len == 0) {
        path = vv_span(".", 1);
    }
    if (sys == ELOOP || sys == EXDEV || sys == ESTALE) {
        rc = vv_error_set(err, VV_EREFUSED, "cannot %s '%s%.*s': %s", what, dots, (int)path.len,
                          (const char *)path.data,
                          sys == ELOOP ? "a symbolic link stands in the way and is not followed"
                                       : "somebody moved or replaced it meanwhile");
        if (err != NULL) {
            err->sys = sys;
        }
    } else {
        rc = vv_error_sys(err, sys, "cannot %s '%s%.*s'", what, dots, (int)path.len,
                          (const char *)path.data);
    }
    return vv_error_origin(err, VV_ORIGIN_TARGET, rc);
}

enum vv_rc
sink_kept(struct vv_error *err, struct vv_span path, const char *why)
{
    size_t len = path.len < SHOWN ? path.len : SHOWN;
    enum vv_rc rc = vv_error_set(err, VV_EEXISTS, "'%.*s' %s: kept", (int)len,
                                 (const char *)(path.data + (path.len - len)), why);

    return vv_error_origin(err, VV_ORIGIN_TARGET, rc);
}

void
sink_refuse(struct sink *s, enum sink_refusal kind)
{
    atomic_fetch_add_explicit(&s->refused[kind], 1, memory_order_relaxed);
}

bool
sink_refused(const struct sink *s, enum sink_refusal kind)
{
    return atomic_load_explicit(&s->refused[kind], memory_order_relaxed) != 0;
}

/* "<what> of N entries <why>" */
static const struct {
    const char *what;
    const char *why;
} refusal_text[SINK_REFUSALS] = {
    [REFUSED_OWNER] = {"owner", "could not be set: not permitted"},
    [REFUSED_GROUP] = {"group", "could not be set: not permitted"},
    [REFUSED_SETID] = {"setuid and setgid bits",
                       "were left off because owner or group are not the original ones"},
    [REFUSED_MODE] = {"permissions", "could not be set: not permitted"},
    [REFUSED_TIME] = {"modification time", "could not be set: not permitted"},
    [REFUSED_DEVICE] = {"device node", "could not be made: not permitted"},
    [REFUSED_CAPABILITY] = {"file capabilities", "could not be set: not permitted"},
    [REFUSED_SECURITY] = {"security attributes", "could not be set: not permitted"},
    [REFUSED_TRUSTED] = {"trusted attributes", "could not be set: not permitted"},
    [REFUSED_ACL] = {"access control lists", "could not be set: not permitted"},
    [REFUSED_USER_XATTR] = {"extended attributes", "could not be set: not permitted"},
    [REFUSED_OTHER_XATTR] = {"system attributes", "could not be set: not permitted"},
    [REFUSED_FLAGS] = {"inode flags", "could not be set: not permitted"},
    [UNSUPPORTED_ACL] = {"access control lists",
                         "could not be set: the file system does not support them"},
    [UNSUPPORTED_XATTR] = {"extended attributes",
                           "could not be set: the file system does not support them"},
    [UNSUPPORTED_XATTR_SIZE] = {"extended attributes",
                                "could not be set: the file system does not take their values"},
    [UNSUPPORTED_FLAGS] = {"inode flags",
                           "could not be set: the file system does not support them"},
};

void
sink_refusals_report(struct sink *s)
{
    for (unsigned i = 0; i < SINK_REFUSALS; i++) {
        uint64_t count = atomic_load(&s->refused[i]);
        if (count == 0) {
            continue;
        }
        vv_emit(s->events, VV_EVENT_PROBLEM, "not-permitted", vv_span(NULL, 0),
                "%s of %" PRIu64 " %s %s", refusal_text[i].what, count,
                count == 1 ? "entry" : "entries", refusal_text[i].why);
    }
}
