/* SPDX-License-Identifier: BSD-2-Clause */
/* What is said on standard error, and kept for the JSON document. */
#include "message.h"

#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/fast_hash.h"
#include "core/text.h"

#define SAID_COUNT 8192u

enum { KEPT_PROBLEMS, KEPT_WARNINGS };

void
message_escape(struct vv_buf *out, const char *text)
{
    const char *end;

    while ((end = strchr(text, '\n')) != NULL) {
        vv_text_escape(out, vv_span(text, (size_t)(end - text)));
        vv_buf_put_text(out, "\n    ");
        text = end + 1;
    }
    vv_text_escape(out, vv_span(text, strlen(text)));
}

void
message_print(const char *text, FILE *file)
{
    struct vv_buf escaped = {0};

    message_escape(&escaped, text);
    fprintf(file, "%s", vv_buf_text(&escaped));
    vv_buf_release(&escaped);
}

/** A line on standard error, or several; the lock is held. */
static void
print_line(struct messages *m, enum event_level level, struct vv_buf *line)
{
    const char *text = line->failed ? "varve: out of memory" : vv_buf_text(line);

    if (m->only_log) {
        return;
    }
    tty_line_clear(&m->line);
    for (const char *end = text; m->journal && (end = strchr(text, '\n')) != NULL; text = end + 1) {
        fprintf(m->line.file, "<%d>%.*s\n", journal_priority(level), (int)(end - text), text);
    }
    if (m->journal) {
        fprintf(m->line.file, "<%d>", journal_priority(level));
    }
    fprintf(m->line.file, "%s\n", text);
}

/** The level of an event, and by that its name in the log. */
static enum event_level
level_of(enum vv_event_kind kind)
{
    switch (kind) {
    case VV_EVENT_NOTICE:
        return EVENT_INFO;
    case VV_EVENT_WARNING:
        return EVENT_WARNING;
    case VV_EVENT_PROBLEM:
        return EVENT_ERROR;
    case VV_EVENT_ENTRY:
        break;
    }
    return EVENT_DEBUG;
}

static void
put_field(struct vv_buf *to, struct vv_span field)
{
    vv_buf_put_u64(to, field.len);
    vv_buf_put(to, field.data, field.len);
}

/** Paths of entries are stored without the slash that people expect; names of objects have none. */
static const char *
slash_for(const struct vv_event *event)
{
    static const char *const about_entries[] = {
        "attributes-", "chunk-",  "content-", "delete-", "entry",  "file-",
        "hard-",       "member-", "name-",    "output-", "proc-",  "restore-",
        "source-",     "tree-",   "verify-",  "would-",  "xattr-",
    };

    if (event->path.len > 0 && event->path.data[0] != '/') {
        for (size_t i = 0; i < VV_COUNT(about_entries); i++) {
            if (strncmp(event->name, about_entries[i], strlen(about_entries[i])) == 0) {
                return "/";
            }
        }
    }
    return "";
}

/** Remember an event for the document. */
static void
keep(struct messages *m, const struct vv_event *event)
{
    bool problem = event->kind == VV_EVENT_PROBLEM;
    struct vv_buf *to = &m->kept[problem ? KEPT_PROBLEMS : KEPT_WARNINGS];

    if (!m->keep || (problem ? m->problems : m->warnings) > MESSAGES_KEPT) {
        return;
    }
    put_field(to, vv_span(event->name, strlen(event->name)));
    vv_buf_put_u64(to, event->path.len + strlen(slash_for(event)));
    vv_buf_put_text(to, slash_for(event));
    vv_buf_put(to, event->path.data, event->path.len);
    put_field(to, vv_span(event->text, strlen(event->text)));
}

static void
print_event(struct messages *m, const struct vv_event *event)
{
    struct vv_buf line = {0};

    vv_buf_put_text(&line, event->kind == VV_EVENT_ENTRY ? "" : "varve: ");
    if (event->kind == VV_EVENT_WARNING) {
        vv_buf_put_text(&line, "warning: ");
    }
    if (event->kind == VV_EVENT_ENTRY) {
        message_escape(&line, event->text);
        vv_buf_printf(&line, " %s", slash_for(event));
        vv_text_escape(&line, event->path);
    } else {
        if (event->path.len > 0) {
            vv_buf_printf(&line, "'%s", slash_for(event));
            vv_text_escape(&line, event->path);
            vv_buf_put_text(&line, "': ");
        }
        message_escape(&line, event->text);
    }
    print_line(m, level_of(event->kind), &line);
    vv_buf_release(&line);
}

/** Into the log: entries only with -v. */
static void
log_event(struct messages *m, const struct vv_event *event)
{
    static const char *const names[] = {[VV_EVENT_NOTICE] = "notice",
                                        [VV_EVENT_WARNING] = "warning",
                                        [VV_EVENT_PROBLEM] = "problem",
                                        [VV_EVENT_ENTRY] = "entry"};
    VV_CLEANUP(vv_buf_release) struct vv_buf path = {0};
    struct event_field fields[3];
    size_t count = 0;

    if (m->log == NULL || (event->kind == VV_EVENT_ENTRY && !m->names)) {
        return;
    }
    fields[count++] = event_text("name", event->name);
    if (event->path.len > 0) {
        vv_buf_put_text(&path, slash_for(event));
        vv_buf_put(&path, event->path.data, event->path.len);
        fields[count++] = event_bytes("path", vv_buf_span(&path));
    }
    fields[count++] = event_text("text", event->text);
    event_log_write(m->log, level_of(event->kind), names[event->kind], fields, count);
}

/** Was it said before?  Two that share a place say their words a second time at worst. */
static bool
was_said(struct messages *m, const struct vv_event *event)
{
    uint64_t hash = vv_hash64(event->path.data, event->path.len, 1);
    uint64_t *place;
    bool said;

    hash = vv_hash64(event->name, strlen(event->name), hash);
    hash = vv_hash64(event->text, strlen(event->text), hash);
    place = &m->said[hash % SAID_COUNT];
    said = *place == hash;
    *place = hash;
    return said;
}

static void
deliver(struct messages *m, const struct vv_event *event)
{
    vv_mutex_lock(&m->lock);
    if (event->kind == VV_EVENT_PROBLEM) {
        m->problems++;
        keep(m, event);
    } else if (event->kind == VV_EVENT_WARNING) {
        m->warnings++;
        keep(m, event);
    }
    if ((m->names || event->kind == VV_EVENT_PROBLEM || event->kind == VV_EVENT_WARNING) &&
        (m->said == NULL || event->kind == VV_EVENT_ENTRY || !was_said(m, event))) {
        print_event(m, event);
    }
    log_event(m, event);
    vv_mutex_unlock(&m->lock);
}

static void
on_event(struct vv_events *self, const struct vv_event *event)
{
    deliver((struct messages *)self, event);
}

void
messages_init(struct messages *m)
{
    memset(m, 0, sizeof(*m));
    m->events.emit = on_event;
    m->line.file = stderr;
    m->journal = journal_is(STDERR_FILENO);
    vv_mutex_init(&m->lock);
}

void
messages_once(struct messages *m, bool again)
{
    vv_mutex_lock(&m->lock);
    if (m->said == NULL) {
        m->said = vv_alloc_array(SAID_COUNT, sizeof(*m->said));
    } else if (again) {
        memset(m->said, 0, SAID_COUNT * sizeof(*m->said));
    }
    vv_mutex_unlock(&m->lock);
}

void
messages_release(struct messages *m)
{
    vv_free(m->said);
    vv_buf_release(&m->kept[KEPT_PROBLEMS]);
    vv_buf_release(&m->kept[KEPT_WARNINGS]);
    vv_mutex_release(&m->lock);
}

void
messages_error(struct messages *m, const struct vv_error *err)
{
    struct vv_buf line = {0};

    vv_buf_put_text(&line, "varve: ");
    message_escape(&line, err->message[0] != '\0' ? err->message : vv_rc_name(err->rc));
    if (err->hint[0] != '\0') {
        vv_buf_put_text(&line, "\nhint: ");
        message_escape(&line, err->hint);
    }
    vv_mutex_lock(&m->lock);
    print_line(m, EVENT_ERROR, &line);
    if (m->log != NULL) {
        const struct event_field fields[] = {event_text("reason", vv_rc_name(err->rc)),
                                             event_text("text", err->message),
                                             event_text("hint", err->hint)};
        event_log_write(m->log, EVENT_ERROR, "error", fields,
                        VV_COUNT(fields) - (err->hint[0] == '\0'));
    }
    vv_mutex_unlock(&m->lock);
    vv_buf_release(&line);
}

void
messages_warning(struct messages *m, const char *name, const char *fmt, ...)
{
    char text[2048];
    va_list args;

    va_start(args, fmt);
    if (vsnprintf(text, sizeof(text), fmt, args) < 0) {
        text[0] = '\0';
    }
    va_end(args);
    struct vv_event event = {.kind = VV_EVENT_WARNING, .name = name, .text = text};
    deliver(m, &event);
}

void
messages_say(struct messages *m, const char *fmt, ...)
{
    char text[2048];
    struct vv_buf line = {0};
    va_list args;

    va_start(args, fmt);
    if (vsnprintf(text, sizeof(text), fmt, args) < 0) {
        text[0] = '\0';
    }
    va_end(args);
    message_escape(&line, text);
    vv_mutex_lock(&m->lock);
    print_line(m, EVENT_INFO, &line);
    if (m->log != NULL) {
        const struct event_field field = event_text("text", text);
        event_log_write(m->log, EVENT_INFO, "note", &field, 1);
    }
    vv_mutex_unlock(&m->lock);
    vv_buf_release(&line);
}

static struct vv_span
get_field(struct vv_reader *r)
{
    return vv_get_bytes(r, vv_get_u64(r), 1);
}

static void
put_kept(struct json *j, const char *key, const struct vv_buf *kept)
{
    struct vv_reader r = vv_reader(kept->data, kept->failed ? 0 : kept->len);

    json_put_array(j, key);
    while (vv_reader_left(&r) > 0) {
        struct vv_span name = get_field(&r);
        struct vv_span path = get_field(&r);
        struct vv_span text = get_field(&r);
        json_put_object(j, NULL);
        json_put_bytes(j, "name", name);
        if (path.len > 0) {
            json_put_bytes(j, "path", path);
        }
        json_put_bytes(j, "text", text);
        json_put_end(j);
    }
    json_put_end(j);
}

void
messages_json(const struct messages *m, struct json *j)
{
    json_put_u64(j, "problem_count", m->problems);
    put_kept(j, "problems", &m->kept[KEPT_PROBLEMS]);
    put_kept(j, "warnings", &m->kept[KEPT_WARNINGS]);
}
