/* SPDX-License-Identifier: BSD-2-Clause */
/* Errors as values: fixed buffers, no allocation, safe with a NULL error everywhere. */
#include "core/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MESSAGE_SIZE sizeof(((struct vv_error *)0)->message)
/* Room kept for what stands in front of a long message when a prefix is added. */
#define PREFIX_MIN 200

/* Cut ${text} to at most ${max} bytes (max >= 3), showing that something is missing. */
static size_t
shorten(char *text, size_t len, size_t max)
{
    if (len <= max) {
        return len;
    }
    size_t keep = max - 3;
    /* Do not leave half a UTF-8 character behind. */
    while (keep > 0 && ((unsigned char)text[keep] & 0xc0) == 0x80) {
        keep--;
    }
    memcpy(text + keep, "...", 4);
    return keep + 3;
}

/* Format into ${out}; too long a text ends in "...".  Returns its length. */
static size_t VV_PRINTF(2, 0) format(char out[MESSAGE_SIZE], const char *fmt, va_list args)
{
    int n = vsnprintf(out, MESSAGE_SIZE, fmt, args);

    if (n < 0) {
        out[0] = '\0';
        return 0;
    }
    if ((size_t)n < MESSAGE_SIZE) {
        return (size_t)n;
    }
    return shorten(out, MESSAGE_SIZE - 1, MESSAGE_SIZE - 2);
}

static const char *
errno_text(int sys)
{
    const char *text = strerrordesc_np(sys);

    return text != NULL ? text : "unknown error";
}

static enum vv_rc
errno_category(int sys)
{
    switch (sys) {
    case ENOSPC:
    case EDQUOT:
        return VV_ENOSPACE;
    case ENOENT:
    case ENOTDIR:
        return VV_ENOTFOUND;
    case EEXIST:
        return VV_EEXISTS;
    case ENOMEM:
        return VV_ENOMEM;
    default:
        return VV_EIO;
    }
}

enum vv_rc
vv_error_set(struct vv_error *err, enum vv_rc rc, const char *fmt, ...)
{
    /* The arguments may point into ${err} itself: format first, then clear. */
    char text[MESSAGE_SIZE];
    va_list args;

    if (err == NULL) {
        return rc;
    }
    va_start(args, fmt);
    size_t len = format(text, fmt, args);
    va_end(args);
    vv_error_clear(err);
    err->rc = rc;
    memcpy(err->message, text, len + 1);
    return rc;
}

enum vv_rc
vv_error_sys(struct vv_error *err, int sys, const char *fmt, ...)
{
    enum vv_rc rc = errno_category(sys);
    char text[MESSAGE_SIZE];
    va_list args;

    if (err == NULL) {
        return rc;
    }
    va_start(args, fmt);
    size_t len = format(text, fmt, args);
    va_end(args);

    /* The reason matters more than the end of an overlong path. */
    const char *reason = errno_text(sys);
    size_t reason_len = strlen(reason);
    len = shorten(text, len, MESSAGE_SIZE - 1 - 2 - reason_len);
    memcpy(text + len, ": ", 2);
    memcpy(text + len + 2, reason, reason_len + 1);

    vv_error_clear(err);
    err->rc = rc;
    err->sys = sys;
    memcpy(err->message, text, len + 2 + reason_len + 1);
    return rc;
}

enum vv_rc
vv_error_nomem(struct vv_error *err)
{
    enum vv_rc rc = vv_error_set(err, VV_ENOMEM, "out of memory");

    if (err != NULL) {
        err->sys = ENOMEM;
    }
    return rc;
}

enum vv_rc
vv_error_prefix(struct vv_error *err, const char *fmt, ...)
{
    char prefix[MESSAGE_SIZE];
    va_list args;

    if (err == NULL) {
        return VV_EIO;
    }
    va_start(args, fmt);
    size_t prefix_len = format(prefix, fmt, args);
    va_end(args);

    /* Shorten the context before the cause, and the cause only if it is overlong itself. */
    size_t room = MESSAGE_SIZE - 1 - 2;
    size_t message_len = strlen(err->message);
    size_t prefix_max = message_len + PREFIX_MIN < room ? room - message_len : PREFIX_MIN;
    prefix_len = shorten(prefix, prefix_len, prefix_max);
    message_len = shorten(err->message, message_len, room - prefix_len);
    memmove(err->message + prefix_len + 2, err->message, message_len + 1);
    memcpy(err->message, prefix, prefix_len);
    memcpy(err->message + prefix_len, ": ", 2);
    return err->rc;
}

void
vv_error_hint(struct vv_error *err, const char *fmt, ...)
{
    char hint[sizeof(err->hint)];
    va_list args;

    if (err == NULL) {
        return;
    }
    va_start(args, fmt);
    int n = vsnprintf(hint, sizeof(hint), fmt, args);
    va_end(args);
    if (n < 0) {
        return;
    }
    memcpy(err->hint, hint, strlen(hint) + 1);
}

enum vv_rc
vv_error_origin(struct vv_error *err, enum vv_origin origin, enum vv_rc rc)
{
    if (err != NULL && rc != VV_OK && err->origin == VV_ORIGIN_NONE) {
        err->origin = origin;
    }
    return rc;
}

void
vv_error_mark_exhausted(struct vv_error *err)
{
    if (err != NULL) {
        err->exhausted = true;
    }
}

void
vv_error_clear(struct vv_error *err)
{
    if (err != NULL) {
        *err = (struct vv_error){0};
    }
}

const char *
vv_rc_name(enum vv_rc rc)
{
    switch (rc) {
    case VV_OK:
        return "ok";
    case VV_EUSAGE:
        return "usage";
    case VV_ENOTFOUND:
        return "not-found";
    case VV_EEXISTS:
        return "exists";
    case VV_EIO:
        return "io";
    case VV_ETRANSIENT:
        return "transient";
    case VV_ENOSPACE:
        return "no-space";
    case VV_EAUTH:
        return "auth";
    case VV_EKEY:
        return "key";
    case VV_EREFUSED:
        return "refused";
    case VV_ECORRUPT:
        return "corrupt";
    case VV_EFORGED:
        return "forged";
    case VV_EUNSUPPORTED:
        return "unsupported";
    case VV_ELIMIT:
        return "limit";
    case VV_ECANCELLED:
        return "cancelled";
    case VV_ENOMEM:
        return "no-memory";
    case VV_ENOREPO:
        return "no-repository";
    }
    return "unknown";
}
