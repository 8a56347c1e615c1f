/* SPDX-License-Identifier: BSD-2-Clause */
/* A build without libcurl: it says so. */
#include <stddef.h>

#include "http/http.h"

/* NOLINTBEGIN(readability-non-const-parameter): the signatures are those of the build with libcurl. */

bool
http_available(void)
{
    return false;
}

enum vv_rc
http_send(const struct http_request *request, struct http_answer *ret, struct vv_error *err)
{
    *ret = (struct http_answer){0};
    VV_TRY(http_url_check(request->url, err));
    (void)vv_error_set(err, VV_EUNSUPPORTED, "this build of varve speaks no HTTP");
    vv_error_hint(err,
                  "it was built without libcurl: install libcurl4-openssl-dev, and build it again");
    return VV_EUNSUPPORTED;
}

/* NOLINTEND(readability-non-const-parameter) */
