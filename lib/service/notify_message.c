/* SPDX-License-Identifier: BSD-2-Clause */
/* What is said, and where a ping goes. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "core/text.h"
#include "service/exit_codes.h"
#include "service/notify.h"

#define MAIL_LINE_MOST 900u /* RFC 5322 allows 998 */

void
notify_subject(const struct notify_facts *f, enum notify_event event, struct vv_buf *out)
{
    vv_buf_put_text(out, "varve on ");
    vv_text_escape(out, vv_span(f->host, strlen(f->host)));
    vv_buf_put_text(out, ": ");
    if (f->job[0] != '\0') {
        vv_buf_put_text(out, "job '");
        vv_text_escape(out, vv_span(f->job, strlen(f->job)));
        vv_buf_put_text(out, "' ");
    }
    switch (event) {
    case NOTIFY_START:
        vv_buf_put_text(out, "begins");
        break;
    case NOTIFY_SUCCESS:
        vv_buf_put_text(out, "went well");
        break;
    case NOTIFY_FAILURE:
        if (f->code == CODE_INTERRUPTED) {
            vv_buf_put_text(out, "was stopped");
        } else if (f->code == CODE_PROBLEMS) {
            vv_buf_put_text(out, "is done, with problems");
        } else {
            vv_buf_printf(out, "FAILED, exit code %d", f->code);
        }
        break;
    case NOTIFY_SILENCE:
        vv_buf_put_text(out, "is CRITICAL");
        break;
    case NOTIFY_RECOVERY:
        vv_buf_put_text(out, f->event == NOTIFY_SUCCESS ? "went well again" : "is well again");
        break;
    case NOTIFY_TEST:
    case NOTIFY_EVENTS:
        vv_buf_put_text(out, "sends a test: nothing has happened");
        break;
    }
}

static void
put_lines(const char *text, struct vv_buf *out)
{
    vv_buf_put_text(out, text);
    if (text[0] != '\0' && text[strlen(text) - 1] != '\n') {
        vv_buf_put_u8(out, '\n');
    }
}

void
notify_message(const struct notify_facts *f, enum notify_event event, struct vv_buf *out)
{
    char when[VV_TIME_TEXT];

    notify_subject(f, event, out);
    vv_time_format(f->now, when);
    vv_buf_printf(out, "\n\n%s", when);
    if (f->run[0] != '\0') {
        vv_buf_printf(out, ", run %s", f->run);
    }
    vv_buf_put_u8(out, '\n');
    if (f->summary[0] != '\0') {
        vv_buf_put_u8(out, '\n');
        put_lines(f->summary, out);
    }
    if (f->tail[0] != '\0') {
        vv_buf_put_text(out, "\nThe end of what it said:\n\n");
        put_lines(f->tail, out);
    }
}

/* ---- mail ---- */

/* "Fri, 27 Nov 2026 02:30:00 +0000": English in any locale. */
static void
put_date(int64_t ns, struct vv_buf *out)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t seconds = (time_t)(ns / 1000000000);
    struct tm tm;

    if (gmtime_r(&seconds, &tm) != NULL) {
        vv_buf_printf(out, "Date: %s, %02d %s %d %02d:%02d:%02d +0000\n", days[tm.tm_wday],
                      tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
                      tm.tm_sec);
    }
}

static bool
is_ascii(struct vv_span text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] >= 0x80) {
            return false;
        }
    }
    return true;
}

/* A long line as several, cut between characters. */
static void
put_wrapped(struct vv_span text, struct vv_buf *out)
{
    size_t in_line = 0;

    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (in_line >= MAIL_LINE_MOST && (c & 0xc0) != 0x80) {
            vv_buf_put_u8(out, '\n');
            in_line = 0;
        }
        in_line = c == '\n' ? 0 : in_line + 1;
        vv_buf_put_u8(out, c);
    }
}

void
notify_mail(const struct notify_settings *s, const struct notify_facts *f, enum notify_event event,
            struct vv_buf *out)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf subject = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf message = {0};

    notify_subject(f, event, &subject);
    notify_message(f, event, &message);
    if (s->mail_from != NULL) {
        vv_buf_printf(out, "From: %s\n", s->mail_from);
    }
    for (size_t i = 0; i < s->mail_count; i++) {
        vv_buf_printf(out, "%s%s", i == 0 ? "To: " : ",\n ", s->mail_to[i]);
    }
    /* Host and job are ASCII where they are what they should be. */
    vv_buf_printf(out, "\nSubject: %s\n",
                  is_ascii(vv_buf_span(&subject)) ? vv_buf_text(&subject) : "varve");
    put_date(f->now, out);
    vv_buf_put_text(out, "MIME-Version: 1.0\n"
                         "Content-Type: text/plain; charset=utf-8\n"
                         "Content-Transfer-Encoding: 8bit\n"
                         "Auto-Submitted: auto-generated\n\n");
    put_wrapped(vv_buf_span(&message), out);
    out->failed = out->failed || subject.failed || message.failed;
}

/* ---- pings ---- */

/* The service's address with "/fail" behind its path. */
static void
put_below(const char *url, const char *what, struct vv_buf *out)
{
    size_t path = strcspn(url, "?#");
    size_t len = path;

    while (what[0] != '\0' && len > 0 && url[len - 1] == '/') {
        len--;
    }
    vv_buf_put(out, url, len);
    vv_buf_put_text(out, what);
    vv_buf_put_text(out, url + path);
}

static void
put_one(const struct notify_settings *s, const char *own, const char *below, struct vv_buf *out)
{
    if (own != NULL) {
        vv_buf_put_text(out, own);
    } else if (s->ping_url != NULL) {
        put_below(s->ping_url, below, out);
    }
}

void
notify_ping_address(const struct notify_settings *s, enum notify_event event, struct vv_buf *out)
{
    switch (event) {
    case NOTIFY_START:
        put_one(s, s->ping_start, "/start", out);
        break;
    case NOTIFY_SUCCESS:
    case NOTIFY_RECOVERY:
        put_one(s, s->ping_success, "", out);
        break;
    case NOTIFY_FAILURE:
    case NOTIFY_SILENCE:
        put_one(s, s->ping_failure, "/fail", out);
        break;
    case NOTIFY_TEST:
    case NOTIFY_EVENTS:
        put_one(s, s->ping_failure, "/fail", out);
        if (out->len == 0) {
            put_one(s, s->ping_start != NULL ? s->ping_start : s->ping_success, "", out);
        }
        break;
    }
}
