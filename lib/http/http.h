/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_HTTP_HTTP_H
#define VARVE_HTTP_HTTP_H

#include "core/bytes.h"
#include "core/clock.h"
#include "core/thread.h"

/*
 * One request to a web server, with an end.
 *
 * What cannot be: a request that lasts longer than its limit, whatever names, connections or servers do; an
 * answer that takes more memory than was allowed; another protocol than http and https, also behind a
 * redirect, and http behind one from https; a URL in a message: tokens and passwords are in them, so that
 * errors name the host only.  Of the environment the proxy variables count (http_proxy, https_proxy,
 * all_proxy, no_proxy), and neither ~/.netrc nor ~/.curlrc.
 */

enum http_method { HTTP_GET, HTTP_POST };
struct http_request {
    const char *url;
    enum http_method method;
    struct vv_span body; /* HTTP_POST: text/plain in UTF-8 */
    uint64_t limit_ms;   /* for everything, further tries and pauses as well; 0: 10 s */
    unsigned tries;      /* 0: three; only what may pass is tried again */
    uint64_t pause_ms;   /* before the second try, doubled for each further one; 0: 1 s */
    size_t answer_most;  /* bytes of the answer that are kept; the rest is not waited for */
    const struct vv_clock *clock; /* NULL: the system's */
    struct vv_cancel *cancel;     /* may be NULL */
};
struct http_answer {
    unsigned status; /* 200 to 299 */
    unsigned tries;  /* how many it took */
    struct vv_buf body;
};

/** http_available(): false in a build without libcurl; http_send fails then. */
bool http_available(void);
/** http_url_check(url, err): VV_EUSAGE unless it is http://HOST... or https://HOST... without blanks and control
 *  characters. */
MUST_CHECK enum vv_rc http_url_check(const char *url, struct vv_error *err);
/** http_url_host(url, out): "hc.example:8000", for messages: no user, no path. */
void http_url_host(const char *url, struct vv_buf *out);
/**
 * http_send(request, ret, err): send it, and wait for the answer.  VV_ETRANSIENT: no answer in time, or a server
 * that is out of order (5xx, 429): it was tried again; VV_EAUTH: 401, 403; VV_ENOTFOUND: 404, 410; VV_EIO:
 * anything else that is not 2xx; VV_EUNSUPPORTED: built without libcurl, or it is not there.  ${ret} must be
 * released in any case.
 */
MUST_CHECK enum vv_rc http_send(const struct http_request *request, struct http_answer *ret,
                                struct vv_error *err);
void http_answer_release(struct http_answer *a);

#endif
