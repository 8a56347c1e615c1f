/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests by libcurl. */
#include <string.h>

#include "http/http.h"
#include "loaded/curl_functions.h"

#define LIMIT_MS 10000u
#define TRIES 3u
#define PAUSE_MS 1000u
#define REDIRECTS_MOST 3L

static const char *const agent = "varve/" VARVE_VERSION;

/* One request, and where it stands. */
struct exchange {
    const struct http_request *request;
    const struct vv_clock *clock;
    uint64_t deadline_ms;
    struct vv_buf host;
    CURL *curl;
    struct curl_slist *headers;
    struct http_answer *answer;
    bool enough; /* of the answer */
};

bool
http_available(void)
{
    return true;
}

static uint64_t
now_ms(const struct exchange *x)
{
    return x->clock->monotonic(x->clock) / 1000000;
}

static size_t
take_answer(char *data, size_t size, size_t count, void *ctx)
{
    struct exchange *x = ctx;
    size_t room = x->request->answer_most - x->answer->body.len;
    size_t len = size * count;

    vv_buf_put(&x->answer->body, data, len < room ? len : room);
    x->enough = len > room;
    return x->enough ? 0 : len;
}

static int
look_for_stop(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const struct exchange *x = ctx;

    (void)a;
    (void)b;
    (void)c;
    (void)d;
    return vv_cancel_check(x->request->cancel, NULL) != VV_OK;
}

/* curl_easy_setopt fails for memory, and for what this libcurl was built without. */
#define SET(option, value)                                                                         \
    do {                                                                                           \
        if (curl_easy_setopt(x->curl, option, value) != CURLE_OK) {                                \
            return vv_error_set(err, VV_EUNSUPPORTED,                                              \
                                "this libcurl does not take the option " #option);                 \
        }                                                                                          \
    } while (0)

static enum vv_rc
prepare_body(struct exchange *x, struct vv_error *err)
{
    const struct http_request *r = x->request;

    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.len);
    SET(CURLOPT_POSTFIELDS, r->body.len > 0 ? (const char *)r->body.data : "");
    SET(CURLOPT_POSTREDIR, (long)CURL_REDIR_POST_ALL);
    x->headers = curl_slist_append(NULL, "Content-Type: text/plain; charset=utf-8");
    if (x->headers == NULL || curl_slist_append(x->headers, "Expect:") == NULL) {
        return vv_error_nomem(err);
    }
    SET(CURLOPT_HTTPHEADER, x->headers);
    return VV_OK;
}

static enum vv_rc
prepare(struct exchange *x, struct vv_error *err)
{
    const char *after_redirect =
        strncmp(x->request->url, "https:", 6) == 0 ? "https" : "http,https";

    x->curl = curl_easy_init();
    if (x->curl == NULL) {
        return vv_error_nomem(err);
    }
    SET(CURLOPT_URL, x->request->url);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_REDIR_PROTOCOLS_STR, after_redirect);
    SET(CURLOPT_FOLLOWLOCATION, 1L);
    SET(CURLOPT_MAXREDIRS, REDIRECTS_MOST);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_QUICK_EXIT, 1L); /* a resolver that hangs is not waited for */
    SET(CURLOPT_USERAGENT, agent);
    SET(CURLOPT_WRITEFUNCTION, take_answer);
    SET(CURLOPT_WRITEDATA, x);
    SET(CURLOPT_NOPROGRESS, 0L);
    SET(CURLOPT_XFERINFOFUNCTION, look_for_stop);
    SET(CURLOPT_XFERINFODATA, x);
    return x->request->method == HTTP_POST ? prepare_body(x, err) : VV_OK;
}

/* What to do about it, where that is known. */
static void
advise(CURLcode code, struct vv_error *err)
{
    if (code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_RESOLVE_PROXY) {
        vv_error_hint(err, "is the name right, and does this host reach a name server?");
    } else if (code == CURLE_COULDNT_CONNECT) {
        vv_error_hint(err, "is a server running there, and does no firewall keep it away?");
    } else if (code == CURLE_OPERATION_TIMEDOUT) {
        vv_error_hint(err, "the server took too long");
    } else if (code == CURLE_PEER_FAILED_VERIFICATION) {
        vv_error_hint(err, "its certificate is not one that this host trusts (package "
                           "ca-certificates), or is for another name");
    } else if (code == CURLE_TOO_MANY_REDIRECTS || code == CURLE_UNSUPPORTED_PROTOCOL) {
        vv_error_hint(err, "write the URL that the server redirects to");
    }
}

static bool
may_pass(CURLcode code)
{
    return code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_RESOLVE_PROXY ||
           code == CURLE_COULDNT_CONNECT || code == CURLE_OPERATION_TIMEDOUT ||
           code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR || code == CURLE_GOT_NOTHING ||
           code == CURLE_PARTIAL_FILE;
}

/* No answer.  curl's own message would do, but may hold the URL. */
static enum vv_rc
no_answer(struct exchange *x, CURLcode code, struct vv_error *err)
{
    enum vv_rc rc = code == CURLE_OUT_OF_MEMORY ? VV_ENOMEM
                    : may_pass(code)            ? VV_ETRANSIENT
                                                : VV_EIO;

    if (code == CURLE_ABORTED_BY_CALLBACK) {
        return vv_cancel_check(x->request->cancel, err);
    }
    (void)vv_error_set(err, rc, "'%s': %s", vv_buf_text(&x->host), curl_easy_strerror(code));
    advise(code, err);
    return rc;
}

static enum vv_rc
judge(struct exchange *x, long status, struct vv_error *err)
{
    enum vv_rc rc = status == 401 || status == 403   ? VV_EAUTH
                    : status == 404 || status == 410 ? VV_ENOTFOUND
                    : status >= 500 || status == 429 ? VV_ETRANSIENT
                                                     : VV_EIO;

    if (status >= 200 && status < 300) {
        x->answer->status = (unsigned)status;
        return VV_OK;
    }
    (void)vv_error_set(err, rc, "'%s' answers with status %ld", vv_buf_text(&x->host), status);
    if (rc == VV_EAUTH || rc == VV_ENOTFOUND) {
        vv_error_hint(err, "is the URL the one that the service gave, with its whole token?");
    }
    return rc;
}

static enum vv_rc
try_once(struct exchange *x, struct vv_error *err)
{
    uint64_t now = now_ms(x);
    long left = now < x->deadline_ms ? (long)(x->deadline_ms - now) : 1;
    long status = 0;
    CURLcode code;

    vv_buf_reset(&x->answer->body);
    x->enough = false;
    SET(CURLOPT_TIMEOUT_MS, left);
    SET(CURLOPT_CONNECTTIMEOUT_MS, left);
    code = curl_easy_perform(x->curl);
    if (code != CURLE_OK && !(code == CURLE_WRITE_ERROR && x->enough)) {
        return no_answer(x, code, err);
    }
    VV_TRY(vv_buf_check(&x->answer->body, err));
    if (curl_easy_getinfo(x->curl, CURLINFO_RESPONSE_CODE, &status) != CURLE_OK) {
        return vv_error_set(err, VV_EIO, "'%s': no status", vv_buf_text(&x->host));
    }
    return judge(x, status, err);
}

/* Until it works, cannot, or the time is over; the last failure is the one told. */
static enum vv_rc
try_on(struct exchange *x, struct vv_error *err)
{
    unsigned tries = x->request->tries != 0 ? x->request->tries : TRIES;
    uint64_t pause = x->request->pause_ms != 0 ? x->request->pause_ms : PAUSE_MS;

    for (;;) {
        enum vv_rc rc = try_once(x, err);
        x->answer->tries++;
        if (rc != VV_ETRANSIENT || x->answer->tries >= tries ||
            now_ms(x) + pause >= x->deadline_ms) {
            return rc;
        }
        vv_error_clear(err);
        x->clock->sleep(x->clock, pause * 1000000);
        VV_TRY(vv_cancel_check(x->request->cancel, err));
        pause *= 2;
    }
}

enum vv_rc
http_send(const struct http_request *request, struct http_answer *ret, struct vv_error *err)
{
    struct exchange exchange = {.request = request, .clock = request->clock, .answer = ret};
    struct exchange *x = &exchange;
    struct vv_error own = {0};
    enum vv_rc rc;

    *ret = (struct http_answer){0};
    VV_TRY(http_url_check(request->url, err));
    VV_TRY(curl_functions_load(err));
    if (err == NULL) {
        err = &own;
    }
    x->clock = x->clock != NULL ? x->clock : vv_clock_system();
    x->deadline_ms = now_ms(x) + (request->limit_ms != 0 ? request->limit_ms : LIMIT_MS);
    http_url_host(request->url, &x->host);
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) { /* counts its calls */
        vv_buf_release(&x->host);
        return vv_error_nomem(err);
    }
    rc = prepare(x, err);
    rc = rc == VV_OK ? try_on(x, err) : rc;
    curl_easy_cleanup(x->curl);
    curl_slist_free_all(x->headers);
    curl_global_cleanup();
    vv_buf_release(&x->host);
    return rc;
}
