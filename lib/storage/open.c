/* SPDX-License-Identifier: BSD-2-Clause */
/* From what a user wrote for REPO to a driver. */
#include <string.h>

#include "core/alloc.h"
#include "storage/sftp_internal.h"
#include "storage/storage.h"
#include "storage/storage_internal.h"

/* Schemes that are known but for which this version has no driver. */
static const char *const later_schemes[] = {"s3"};

/* The length of the scheme of "scheme://", 0 if ${url} does not look like one. */
static size_t
scheme_len(const char *url)
{
    size_t len = strspn(url, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-");
    return strncmp(url + len, "://", 3) == 0 ? len : 0;
}

static bool
scheme_is(const char *url, size_t len, const char *scheme)
{
    return strlen(scheme) == len && strncasecmp(url, scheme, len) == 0;
}

/* file:///path, with an empty host. */
static enum vv_rc
open_file_url(const char *url, const char *after_scheme, struct storage **ret, struct vv_error *err)
{
    if (after_scheme[0] != '/') {
        vv_error_set(err, VV_EUSAGE, "'%s' names a host or a relative path", url);
        vv_error_hint(err, "write file:///absolute/path, or just the path");
        return VV_EUSAGE;
    }
    VV_CLEANUP(vv_freep) char *path = vv_strdup(after_scheme);
    if (path == NULL) {
        return vv_error_nomem(err);
    }
    if (!storage_percent_decode(path)) {
        vv_error_set(err, VV_EUSAGE, "'%s' has a malformed percent escape", url);
        vv_error_hint(err, "in a file URL a percent sign is written %%25; a plain path needs no "
                           "escapes");
        return VV_EUSAGE;
    }
    return storage_local_new(path, ret, err);
}

/* The driver for ${url}, without the mark of the repository on errors. */
static enum vv_rc
dispatch(const char *url, const struct storage_options *options, struct storage **ret,
         struct vv_error *err)
{
    if (url[0] == '\0') {
        return vv_error_set(err, VV_EUSAGE, "the repository's location is empty");
    }
    size_t len = scheme_len(url);
    if (len == 0) {
        size_t head = strcspn(url, ":/");
        if (url[head] != ':') {
            return storage_local_new(url, ret, err);
        }
        /* host:path and sftp:host:path are too easily meant as something else than a path */
        vv_error_set(err, VV_EUSAGE, "'%s' is neither a path nor a URL", url);
        vv_error_hint(
            err,
            "write ./%s if a directory of that name is meant, sftp://USER@HOST/PATH for a "
            "directory of another host",
            url);
        return VV_EUSAGE;
    }
    if (scheme_is(url, len, "file")) {
        return open_file_url(url, url + len + 3, ret, err);
    }
    if (scheme_is(url, len, "sftp")) {
        return storage_sftp_new(url, options, ret, err);
    }
    for (size_t i = 0; i < VV_COUNT(later_schemes); i++) {
        if (scheme_is(url, len, later_schemes[i])) {
            vv_error_set(err, VV_EUNSUPPORTED, "%s repositories are not supported by this version",
                         later_schemes[i]);
            vv_error_hint(err, "use a directory, for example one mounted from that server");
            return VV_EUNSUPPORTED;
        }
    }
    vv_error_set(err, VV_EUSAGE, "'%.*s' is not a kind of repository", (int)len, url);
    vv_error_hint(err, "a repository is a path, sftp://USER@HOST/PATH or file:///PATH");
    return VV_EUSAGE;
}

enum vv_rc
storage_open(const char *url, const struct storage_options *options, struct storage **ret,
             struct vv_error *err)
{
    enum vv_rc rc = dispatch(url, options, ret, err);
    return rc == VV_OK ? VV_OK : vv_error_origin(err, VV_ORIGIN_REPOSITORY, rc);
}
