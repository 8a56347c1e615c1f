/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_STORAGE_SFTP_URL_H
#define VARVE_STORAGE_SFTP_URL_H

#include "core/error.h"

/*
 * sftp://[user@]host[:port]/path: a directory of another host.  The path is absolute;
 * sftp://host/~/path is relative to the login directory (a directory whose name really is "~" is
 * written %7E).  An IPv6 address stands in brackets.  %XX is any byte but NUL.
 */
struct sftp_url {
    char *user;    /* NULL: none was given */
    char *host;    /* without brackets */
    unsigned port; /* 0: none was given */
    char *path;    /* "/srv/varve", or "varve" relative to the login directory; never empty, no
                      slash at the end (but "/" itself); "." is the login directory */
};

/** sftp_url_parse(url, ret, err): VV_EUSAGE with a hint that shows the right form.  A password in
 *  the URL is refused: command lines and environments are seen by others.  Nothing that begins
 *  with '-' passes as user or host, for these become arguments of ssh. */
MUST_CHECK enum vv_rc sftp_url_parse(const char *url, struct sftp_url *ret, struct vv_error *err);
/** sftp_url_release(u): to {0}. */
void sftp_url_release(struct sftp_url *u);

#endif
