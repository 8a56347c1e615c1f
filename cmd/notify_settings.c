/* SPDX-License-Identifier: BSD-2-Clause */
/* The keys of [notify]. */
#include "notify_settings.h"

#include <string.h>

#include "duration.h"
#include "http/http.h"

#define PING_LIMIT_MS 10000u
#define PROGRAM_LIMIT_MS 60000u
#define REPEAT_AFTER_NS (INT64_C(24) * 3600 * 1000000000)
#define LIMIT_MOST_MS (UINT64_C(3600) * 1000)
#define ADDRESS_MOST 254u

/* ---- values ---- */

bool
notify_seconds_parse(const char *text, uint64_t *ret_ms)
{
    int64_t ns;
    uint64_t ms;

    if (!duration_parse(text, &ns) || ns <= 0) {
        return false;
    }
    ms = (uint64_t)ns / 1000000;
    if (ms > LIMIT_MOST_MS) {
        return false;
    }
    *ret_ms = ms;
    return true;
}

bool
notify_events_parse(const char *text, unsigned *ret)
{
    unsigned on = 0;

    for (const char *at = text + strspn(text, ", \t"); *at != '\0';) {
        size_t len = strcspn(at, ", \t");
        unsigned found = 0;
        for (enum notify_event e = NOTIFY_START; e < NOTIFY_TEST; e++) {
            const char *name = notify_event_name(e);
            if (strlen(name) == len && memcmp(at, name, len) == 0) {
                found = NOTIFY_ON(e);
            }
        }
        if (found == 0) {
            return false;
        }
        on |= found;
        at += len;
        at += strspn(at, ", \t");
    }
    if (on == 0) {
        return false;
    }
    *ret = on;
    return true;
}

bool
notify_is_address(const char *text)
{
    size_t len = strlen(text);

    if (len == 0 || len > ADDRESS_MOST || text[0] == '-') {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (text[i] <= ' ' || text[i] == 0x7f || strchr(",;:<>()[]\\\"'|", text[i]) != NULL) {
            return false;
        }
    }
    return true;
}

static bool
is_ping_url(const char *text)
{
    return http_url_check(text, NULL) == VV_OK;
}

static bool
is_seconds(const char *text)
{
    uint64_t ms;

    return notify_seconds_parse(text, &ms);
}

static bool
is_events(const char *text)
{
    unsigned on;

    return notify_events_parse(text, &on);
}

static bool
is_method(const char *text)
{
    return strcmp(text, "post") == 0 || strcmp(text, "get") == 0;
}

static bool
is_program(const char *text)
{
    return text[0] == '/';
}

static bool
is_pause(const char *text)
{
    int64_t ns;

    return duration_parse(text, &ns);
}

/* ---- keys ---- */

#define PING_URL                                                                                   \
    .discreet = true, .secret = true, .check = is_ping_url,                                        \
    .wanted = "an address such as https://hc-ping.com/UUID"

const struct settings_key notify_keys[] = {
    {.name = "ping-url",
     PING_URL,
     .value = "https://hc-ping.com/UUID",
     .help = "a dead-man service: this address at success, with /start and /fail behind it at "
             "start and failure"},
    {.name = "ping-start",
     PING_URL,
     .value = "https://status.example/TOKEN/run",
     .help = "instead, or alone: the address at start"},
    {.name = "ping-success",
     PING_URL,
     .value = "https://status.example/TOKEN/up",
     .help = "and at success"},
    {.name = "ping-failure",
     PING_URL,
     .value = "https://status.example/TOKEN/down",
     .help = "and at failure"},
    {.name = "ping-method",
     .check = is_method,
     .value = "post",
     .wanted = "post or get",
     .help = "post, with the end of the log, or get (default: post)"},
    {.name = "ping-timeout",
     .check = is_seconds,
     .value = "10s",
     .wanted = "a time such as 10s, 2min, up to one hour",
     .help = "a ping is given up after so long, with further tries (default: 10s)"},
    {.name = "mail-to",
     .list = true,
     .check = notify_is_address,
     .value = "root",
     .wanted = "an address such as root or admin@example.org, one a line",
     .help = "send mail there"},
    {.name = "mail-from",
     .check = notify_is_address,
     .value = "varve@example.org",
     .wanted = "an address such as varve@example.org",
     .help = "the sender of mail (default: what sendmail makes of it)"},
    {.name = "sendmail",
     .check = is_program,
     .value = "/usr/sbin/sendmail",
     .wanted = "an absolute path",
     .help = "the program that sends mail (default: /usr/sbin/sendmail)"},
    {.name = "command", .value = "COMMAND", .help = "run this, with the message on standard input"},
    {.name = "command-timeout",
     .check = is_seconds,
     .value = "60s",
     .wanted = "a time such as 60s, 2min, up to one hour",
     .help = "the command, and sendmail, are ended after so long (default: 60s)"},
    {.name = "on",
     .check = is_events,
     .value = "failure, recovery, silence",
     .wanted = "a list of start, success, failure, recovery, silence",
     .help = "when mail is sent and the command is run (default: failure, recovery, silence)"},
    {.name = "repeat-after",
     .check = is_pause,
     .value = "1d",
     .wanted = "a duration such as 4h, 1d, or 0",
     .help = "the same failure is not mailed again before (default: 1d)"},
    {0},
};

/* ---- sections ---- */

const struct settings_section *
notify_settings_of(const struct settings *c, const struct settings_section *job)
{
    const char *name = job != NULL ? settings_get(job, "notify") : NULL;

    return settings_find(c, "notify", name != NULL ? name : "");
}

static enum vv_rc
take_addresses(const struct settings_section *section, struct vv_arena *arena,
               struct notify_settings *ret, struct vv_error *err)
{
    const struct settings_value *v = NULL;
    const char **items;
    size_t count = 0;

    while ((v = settings_next(section, "mail-to", v)) != NULL) {
        count++;
    }
    items = vv_arena_alloc(arena, (count + 1) * sizeof(*items));
    if (items == NULL) {
        return vv_error_nomem(err);
    }
    ret->mail_to = items;
    ret->mail_count = count;
    while ((v = settings_next(section, "mail-to", v)) != NULL) {
        *items++ = v->text;
    }
    return VV_OK;
}

/* The values were checked when they were read. */
static uint64_t
limit_of(const struct settings_section *section, const char *key, uint64_t otherwise)
{
    const char *text = settings_get(section, key);
    uint64_t ms = otherwise;

    return text != NULL && notify_seconds_parse(text, &ms) ? ms : otherwise;
}

enum vv_rc
notify_settings_make(const struct settings_section *section, struct vv_arena *arena,
                     struct notify_settings *ret, struct vv_error *err)
{
    const char *method = settings_get(section, "ping-method");
    const char *sendmail = settings_get(section, "sendmail");
    const char *on = settings_get(section, "on");
    const char *repeat = settings_get(section, "repeat-after");

    *ret = (struct notify_settings){
        .ping_url = settings_get(section, "ping-url"),
        .ping_start = settings_get(section, "ping-start"),
        .ping_success = settings_get(section, "ping-success"),
        .ping_failure = settings_get(section, "ping-failure"),
        .ping_get = method != NULL && strcmp(method, "get") == 0,
        .ping_limit_ms = limit_of(section, "ping-timeout", PING_LIMIT_MS),
        .mail_from = settings_get(section, "mail-from"),
        .sendmail = sendmail != NULL ? sendmail : "/usr/sbin/sendmail",
        .command = settings_get(section, "command"),
        .program_limit_ms = limit_of(section, "command-timeout", PROGRAM_LIMIT_MS),
        .on = NOTIFY_ON(NOTIFY_FAILURE) | NOTIFY_ON(NOTIFY_RECOVERY) | NOTIFY_ON(NOTIFY_SILENCE),
        .repeat_after_ns = REPEAT_AFTER_NS};
    if (on != NULL && !notify_events_parse(on, &ret->on)) {
        return vv_error_set(err, VV_EUSAGE, "on: '%s' is no list of events", on);
    }
    if (repeat != NULL && !duration_parse(repeat, &ret->repeat_after_ns)) {
        return vv_error_set(err, VV_EUSAGE, "repeat-after: '%s' is no duration", repeat);
    }
    return take_addresses(section, arena, ret, err);
}
