/* SPDX-License-Identifier: BSD-2-Clause */
/* Who is told what, given what was told before.  Touches nothing. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/fast_hash.h"
#include "service/notify.h"

#define HEAD "varve-notify 1\n"
#define HASH_TEXT sizeof("#0123456789abcdef")

const char *
notify_event_name(enum notify_event e)
{
    static const char *const names[NOTIFY_EVENTS] = {"start",   "success",  "failure",
                                                     "silence", "recovery", "test"};

    return names[e];
}

const char *
notify_channel_name(enum notify_channel c)
{
    static const char *const names[NOTIFY_CHANNELS] = {"ping", "mail", "command"};

    return names[c];
}

bool
notify_has(const struct notify_settings *s, enum notify_channel c)
{
    switch (c) {
    case NOTIFY_PING:
        return s->ping_url != NULL || s->ping_start != NULL || s->ping_success != NULL ||
               s->ping_failure != NULL;
    case NOTIFY_MAIL:
        return s->mail_count > 0;
    case NOTIFY_COMMAND:
        return s->command != NULL;
    case NOTIFY_CHANNELS:
        break;
    }
    return false;
}

/* ---- state ---- */

/* "1 backup replicate", "copy site, wal shop": what makes two troubles the same.  Of what is too long the beginning
 * and a hash of all; nobody gains by two names of his own configuration that have the same one. */
static void
describe(const struct notify_facts *f, char out[NOTIFY_WHAT_SIZE])
{
    char code[16] = "";
    int len;

    if (f->event == NOTIFY_FAILURE) {
        (void)snprintf(code, sizeof(code), "%d ", f->code);
    }
    len = snprintf(out, NOTIFY_WHAT_SIZE, "%s%s", code, f->failed);
    if (len < 0 || (size_t)len >= NOTIFY_WHAT_SIZE) {
        (void)snprintf(out + NOTIFY_WHAT_SIZE - HASH_TEXT, HASH_TEXT, "#%016" PRIx64,
                       vv_hash64(f->failed, strlen(f->failed), 0));
    }
}

/* "mail failure 1764200000000000000 1 backup" */
static bool
parse_line(char *line, struct notify_state *s)
{
    char *words[3];
    char *end;
    struct notify_trouble t = {.told = true};
    enum notify_trouble_kind kind;

    for (size_t i = 0; i < VV_COUNT(words); i++) {
        words[i] = line;
        line = strchr(line, ' ');
        if (line == NULL) {
            return false;
        }
        *line++ = '\0';
    }
    if (strcmp(words[1], "failure") != 0 && strcmp(words[1], "silence") != 0) {
        return false;
    }
    kind = words[1][0] == 'f' ? NOTIFY_FAILED_BEFORE : NOTIFY_SILENT_BEFORE;
    t.when = strtoll(words[2], &end, 10);
    if (end == words[2] || *end != '\0' || strlen(line) >= sizeof(t.what)) {
        return false;
    }
    memcpy(t.what, line, strlen(line) + 1);
    for (enum notify_channel c = NOTIFY_MAIL; c < NOTIFY_CHANNELS; c++) {
        if (strcmp(words[0], notify_channel_name(c)) == 0 && !s->troubles[c][kind].told) {
            s->troubles[c][kind] = t;
            return true;
        }
    }
    return false;
}

struct notify_state
notify_state_parse(struct vv_span text)
{
    struct notify_state s = {0};
    size_t at = sizeof(HEAD) - 1;
    char line[512];

    if (text.len < at || memcmp(text.data, HEAD, at) != 0) {
        return s;
    }
    while (at < text.len) {
        const uint8_t *end = memchr(text.data + at, '\n', text.len - at);
        size_t len = end != NULL ? (size_t)(end - text.data) - at : 0;
        if (end == NULL || len >= sizeof(line) || memchr(text.data + at, '\0', len) != NULL) {
            return (struct notify_state){0};
        }
        memcpy(line, text.data + at, len);
        line[len] = '\0';
        if (!parse_line(line, &s)) {
            return (struct notify_state){0};
        }
        at += len + 1;
    }
    return s;
}

void
notify_state_print(const struct notify_state *s, struct vv_buf *out)
{
    static const char *const kinds[NOTIFY_TROUBLES] = {"failure", "silence"};

    vv_buf_put_text(out, HEAD);
    for (enum notify_channel c = NOTIFY_MAIL; c < NOTIFY_CHANNELS; c++) {
        for (unsigned kind = 0; kind < NOTIFY_TROUBLES; kind++) {
            const struct notify_trouble *t = &s->troubles[c][kind];
            if (t->told) {
                vv_buf_printf(out, "%s %s %" PRId64 " %s\n", notify_channel_name(c), kinds[kind],
                              t->when, t->what);
            }
        }
    }
}

/* ---- decision ---- */

static bool
told_lately(const struct notify_settings *s, const struct notify_facts *f,
            const struct notify_trouble *t)
{
    char what[NOTIFY_WHAT_SIZE];

    describe(f, what);
    return t->told && strcmp(t->what, what) == 0 && t->when <= f->now &&
           f->now - t->when < s->repeat_after_ns;
}

static bool
is_held_back(const struct notify_settings *s, const struct notify_facts *f,
             const struct notify_trouble *troubles)
{
    return (f->event == NOTIFY_FAILURE && told_lately(s, f, &troubles[NOTIFY_FAILED_BEFORE])) ||
           (f->event == NOTIFY_SILENCE && told_lately(s, f, &troubles[NOTIFY_SILENT_BEFORE]));
}

static struct notify_decision
decide_ping(const struct notify_settings *s, enum notify_event event)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf url = {0};

    notify_ping_address(s, event, &url);
    return (struct notify_decision){
        .verdict = url.len > 0 || url.failed ? NOTIFY_DUE : NOTIFY_UNWANTED, .event = event};
}

struct notify_decision
notify_decide(const struct notify_settings *s, const struct notify_facts *f,
              const struct notify_state *state, enum notify_channel c)
{
    const struct notify_trouble *t = state->troubles[c];
    struct notify_decision d = {.verdict = NOTIFY_UNWANTED, .event = f->event};
    unsigned wanted = NOTIFY_ON(f->event);

    if (!notify_has(s, c) || (f->event == NOTIFY_RECOVERY && !t[NOTIFY_SILENT_BEFORE].told)) {
        return d;
    }
    if (c == NOTIFY_PING) {
        return decide_ping(s, f->event); /* N1 */
    }
    if (f->event == NOTIFY_TEST) {
        d.verdict = NOTIFY_DUE;
        return d;
    }
    if (f->event == NOTIFY_SUCCESS && t[NOTIFY_FAILED_BEFORE].told) { /* N3 */
        d.event = NOTIFY_RECOVERY;
        wanted |= NOTIFY_ON(NOTIFY_RECOVERY);
    }
    if ((s->on & wanted) != 0) {
        d.verdict = is_held_back(s, f, t) ? NOTIFY_HELD_BACK : NOTIFY_DUE; /* N2 */
    }
    return d;
}

void
notify_remember(struct notify_state *state, const struct notify_facts *f, enum notify_channel c)
{
    struct notify_trouble *t = state->troubles[c];

    if (c == NOTIFY_PING) {
        return;
    }
    if (f->event == NOTIFY_SUCCESS) {
        t[NOTIFY_FAILED_BEFORE] = (struct notify_trouble){0};
    } else if (f->event == NOTIFY_RECOVERY) {
        t[NOTIFY_SILENT_BEFORE] = (struct notify_trouble){0};
    } else if (f->event == NOTIFY_FAILURE || f->event == NOTIFY_SILENCE) {
        t += f->event == NOTIFY_FAILURE ? NOTIFY_FAILED_BEFORE : NOTIFY_SILENT_BEFORE;
        *t = (struct notify_trouble){.told = true, .when = f->now};
        describe(f, t->what);
    }
}
