/* SPDX-License-Identifier: BSD-2-Clause */
/* Pings, mail and commands, and what was told kept for the next time. */
#include <fcntl.h>
#include <string.h>

#include "core/alloc.h"
#include "core/file.h"
#include "http/http.h"
#include "service/notify.h"
#include "service/process.h"

#define STATE_MOST 4096u

static enum vv_rc
ping(const struct notify_settings *s, const struct notify_facts *f, enum notify_event event,
     struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf url = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf message = {0};
    struct http_request request = {.method = s->ping_get ? HTTP_GET : HTTP_POST,
                                   .limit_ms = s->ping_limit_ms};
    struct http_answer answer = {0};
    enum vv_rc rc;

    notify_ping_address(s, event, &url);
    request.url = vv_buf_text(&url);
    VV_TRY(vv_buf_check(&url, err));
    if (!s->ping_get) {
        notify_message(f, event, &message);
        VV_TRY(vv_buf_check(&message, err));
        request.body = vv_buf_span(&message);
    }
    rc = http_send(&request, &answer, err);
    http_answer_release(&answer);
    return rc;
}

/* Run it, with ${input}; ${name} is for messages. */
static enum vv_rc
run_program(const struct notify_settings *s, struct process_spec *spec, const char *name,
            struct vv_error *err)
{
    struct process_result r = {0};
    enum vv_rc rc;

    spec->limit_ms = s->program_limit_ms;
    rc = process_run(spec, NULL, &r, err);
    if (rc == VV_OK && r.timed_out) {
        rc = vv_error_set(err, VV_EIO, "%s took longer than %llu s, and was ended", name,
                          (unsigned long long)(s->program_limit_ms / 1000));
    } else if (rc == VV_OK && r.code == 127) {
        rc = vv_error_set(err, VV_EIO, "%s is not there, or cannot be run", name);
    } else if (rc == VV_OK && r.code != 0) {
        rc = vv_error_set(err, VV_EIO, "%s ended with exit code %d", name, r.code);
    }
    process_result_release(&r);
    return rc;
}

static enum vv_rc
mail(const struct notify_settings *s, const struct notify_facts *f, enum notify_event event,
     struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf text = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf name = {0};
    VV_CLEANUP(vv_freep) const char **words = vv_alloc_array(s->mail_count + 6, sizeof(*words));
    struct process_spec spec = {.words = words};
    size_t at = 0;

    if (words == NULL) {
        return vv_error_nomem(err);
    }
    words[at++] = s->sendmail;
    words[at++] = "-i"; /* a dot alone in a line does not end it */
    if (s->mail_from != NULL) {
        words[at++] = "-f";
        words[at++] = s->mail_from;
    }
    words[at++] = "--";
    for (size_t i = 0; i < s->mail_count; i++) {
        words[at++] = s->mail_to[i];
    }
    notify_mail(s, f, event, &text);
    vv_buf_printf(&name, "'%s'", s->sendmail);
    VV_TRY(vv_buf_check(&text, err));
    spec.input = vv_buf_span(&text);
    return run_program(s, &spec, vv_buf_text(&name), err);
}

static enum vv_rc
run_command(const struct notify_settings *s, const struct notify_facts *f, enum notify_event event,
            struct vv_error *err)
{
    static const char *const names[] = {"VARVE_EVENT", "VARVE_JOB", "VARVE_RUN", "VARVE_FAILED"};
    const char *const values[] = {notify_event_name(event), f->job, f->run, f->failed};
    const char *words[] = {"bash", "-o", "pipefail", "-c", s->command, NULL};
    struct vv_buf texts[VV_COUNT(names) + 2] = {0};
    const char *environment[VV_COUNT(texts) + 1] = {NULL};
    VV_CLEANUP(vv_buf_release) struct vv_buf message = {0};
    struct process_spec spec = {.words = words, .environment = environment};
    enum vv_rc rc = VV_OK;

    for (size_t i = 0; i < VV_COUNT(names); i++) {
        vv_buf_printf(&texts[i], "%s=%s", names[i], values[i]);
    }
    vv_buf_printf(&texts[VV_COUNT(names)], "VARVE_CODE=%d", f->code);
    vv_buf_put_text(&texts[VV_COUNT(names) + 1], "VARVE_SUBJECT=");
    notify_subject(f, event, &texts[VV_COUNT(names) + 1]);
    for (size_t i = 0; i < VV_COUNT(texts); i++) {
        environment[i] = vv_buf_text(&texts[i]);
        rc = rc == VV_OK ? vv_buf_check(&texts[i], err) : rc;
    }
    notify_message(f, event, &message);
    rc = rc == VV_OK ? vv_buf_check(&message, err) : rc;
    spec.input = vv_buf_span(&message);
    rc = rc == VV_OK ? run_program(s, &spec, "the command", err) : rc;
    for (size_t i = 0; i < VV_COUNT(texts); i++) {
        vv_buf_release(&texts[i]);
    }
    return rc;
}

static enum vv_rc
send_by(const struct notify_settings *s, const struct notify_facts *f, enum notify_event event,
        enum notify_channel c, struct vv_error *err)
{
    switch (c) {
    case NOTIFY_PING:
        return ping(s, f, event, err);
    case NOTIFY_MAIL:
        return mail(s, f, event, err);
    case NOTIFY_COMMAND:
        return run_command(s, f, event, err);
    case NOTIFY_CHANNELS:
        break;
    }
    return VV_OK;
}

static struct notify_state
read_state(const char *file, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf text = {0};
    enum vv_rc rc = vv_file_read(AT_FDCWD, file, STATE_MOST, &text, err);

    if (rc != VV_OK) {
        if (rc == VV_ENOTFOUND) {
            vv_error_clear(err);
        }
        return (struct notify_state){0};
    }
    return notify_state_parse(vv_buf_span(&text));
}

/* If it is another one. */
static void
keep_state(const char *file, const struct notify_state *before, const struct notify_state *after,
           struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf old = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf now = {0};
    bool same;

    notify_state_print(before, &old);
    notify_state_print(after, &now);
    same = old.len == now.len && memcmp(old.data, now.data, old.len) == 0;
    if (vv_buf_check(&old, err) != VV_OK || vv_buf_check(&now, err) != VV_OK || same) {
        return;
    }
    if (vv_file_replace(AT_FDCWD, file, vv_buf_span(&now), 0600, err) != VV_OK) {
        err->rc = err->rc != VV_OK ? err->rc : VV_EIO;
    }
}

/* Of a file beside it, which stays: who replaces the state gives its name to another file.  Without one it is
 * remembered all the same: at worst something is told once more. */
static int
lock_state(const char *file)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf path = {0};
    VV_CLEANUP(vv_fd_closep) int fd = -1;
    bool got = false;
    int lock;

    vv_buf_printf(&path, "%s.lock", file);
    fd = open(vv_buf_text(&path), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || vv_file_lock(fd, true, &got, NULL) != VV_OK) {
        return -1;
    }
    lock = fd;
    fd = -1;
    return lock;
}

/* Sending may have taken minutes: what another process has told meanwhile, as it stands there now, stays. */
static void
keep_told(const char *file, const struct notify_facts *f, const bool remember[NOTIFY_CHANNELS],
          struct vv_error *err)
{
    int lock = lock_state(file);
    struct notify_state before = read_state(file, err);
    struct notify_state after = before;

    for (enum notify_channel c = NOTIFY_PING; c < NOTIFY_CHANNELS; c++) {
        if (remember[c]) {
            notify_remember(&after, f, c);
        }
    }
    keep_state(file, &before, &after, err);
    vv_fd_close(lock);
}

bool
notify_told(const char *state_file, enum notify_trouble_kind kind)
{
    struct vv_error err = {0};
    struct notify_state s = read_state(state_file, &err);

    for (enum notify_channel c = NOTIFY_PING; c < NOTIFY_CHANNELS; c++) {
        if (s.troubles[c][kind].told) {
            return true;
        }
    }
    return false;
}

void
notify_send(const struct notify_settings *s, const struct notify_facts *f, const char *state_file,
            struct notify_report *ret)
{
    bool ends = f->event == NOTIFY_SUCCESS || f->event == NOTIFY_RECOVERY;
    bool remember[NOTIFY_CHANNELS] = {false};
    struct notify_state before = {0};

    *ret = (struct notify_report){0};
    if (state_file != NULL) {
        before = read_state(state_file, &ret->state);
    }
    for (enum notify_channel c = NOTIFY_PING; c < NOTIFY_CHANNELS; c++) {
        struct notify_result *r = &ret->results[c];
        struct notify_decision d = notify_decide(s, f, &before, c);
        r->event = d.event;
        if (d.verdict == NOTIFY_DUE) {
            r->outcome = send_by(s, f, d.event, c, &r->err) == VV_OK ? NOTIFY_SENT : NOTIFY_FAILED;
        } else if (d.verdict == NOTIFY_HELD_BACK) {
            r->outcome = NOTIFY_SUPPRESSED;
        }
        remember[c] = r->outcome == NOTIFY_SENT || (d.verdict == NOTIFY_UNWANTED && ends); /* N4 */
    }
    if (state_file != NULL) {
        keep_told(state_file, f, remember, &ret->state);
    }
}
