/* SPDX-License-Identifier: BSD-2-Clause */
/* What servers refuse, and what is not SFTP, as errors. */
#include <stdarg.h>
#include <stdio.h>

#include "ssh/sftp_client_internal.h"

static enum vv_rc
category(uint32_t status)
{
    switch (status) {
    case SFTP_NO_SUCH_FILE:
        return VV_ENOTFOUND;
    case SFTP_PERMISSION_DENIED:
        return VV_EREFUSED;
    case SFTP_OP_UNSUPPORTED:
        return VV_EUNSUPPORTED;
    default:
        return VV_EIO;
    }
}

static const char *
status_name(uint32_t status)
{
    switch (status) {
    case SFTP_EOF:
        return "end of file";
    case SFTP_NO_SUCH_FILE:
        return "no such file";
    case SFTP_PERMISSION_DENIED:
        return "permission denied";
    case SFTP_FAILURE:
        return "failure";
    case SFTP_BAD_MESSAGE:
        return "bad message";
    case SFTP_OP_UNSUPPORTED:
        return "operation unsupported";
    default:
        return "unknown status";
    }
}

enum vv_rc
sftp_refused(uint32_t status, const char *words, struct vv_error *err, const char *fmt, ...)
{
    char what[640];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(what, sizeof(what), fmt, args);
    va_end(args);
    enum vv_rc rc = words[0] != '\0'
                        ? vv_error_set(err, category(status),
                                       "%s: the server says '%s' (status %u)", what, words, status)
                        : vv_error_set(err, category(status), "%s: the server says %s (status %u)",
                                       what, status_name(status), status);
    if (err != NULL) {
        err->sys = (int)status;
    }
    return rc;
}

enum vv_rc
sftp_not_sftp(const struct sftp_client *c, struct vv_error *err, const char *fmt, ...)
{
    char what[512];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(what, sizeof(what), fmt, args);
    va_end(args);
    return vv_error_set(err, VV_EIO, "%s: the server does not speak SFTP as it should: %s",
                        c->stream->name, what);
}
