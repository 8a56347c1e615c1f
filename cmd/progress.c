/* SPDX-License-Identifier: BSD-2-Clause */
/* The display of progress. */
#include "progress.h"

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/text.h"

#define DRAW_MS 250
#define LOG_MS 60000
#define NS UINT64_C(1000000000)
#define TIME_LEFT_AFTER (5 * NS)
#define CURRENT_MIN 12 /* columns below which the current file is left out */

static uint64_t
load(_Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

/** Note where we are; the oldest sample falls out. */
static void
take_sample(struct progress *p, uint64_t now)
{
    if (p->sample_count == VV_COUNT(p->samples)) {
        memmove(&p->samples[0], &p->samples[1], sizeof(p->samples) - sizeof(p->samples[0]));
        p->sample_count--;
    }
    p->samples[p->sample_count].at = now;
    p->samples[p->sample_count].bytes = load(&p->counters.bytes_done);
    p->samples[p->sample_count].files = load(&p->counters.files_done);
    p->sample_count++;
}

/** Bytes a second over the samples (the last ten seconds or so). */
static double
recent_rate(const struct progress *p)
{
    unsigned last = p->sample_count - 1;
    double seconds;

    if (p->sample_count < 2 || p->samples[last].at <= p->samples[0].at ||
        p->samples[last].bytes < p->samples[0].bytes) {
        return 0;
    }
    seconds = (double)(p->samples[last].at - p->samples[0].at) / (double)NS;
    return (double)(p->samples[last].bytes - p->samples[0].bytes) / seconds;
}

/** Seconds left, from the whole run's pace; 0: nobody knows. */
static uint64_t
time_left(struct progress *p, uint64_t now)
{
    uint64_t done = load(&p->counters.bytes_done);
    uint64_t total = load(&p->counters.bytes_total);
    double elapsed = (double)(now - p->started) / (double)NS;

    if (now - p->started < TIME_LEFT_AFTER || done == 0 || total <= done) {
        return 0;
    }
    return (uint64_t)((double)(total - done) * elapsed / (double)done) + 1;
}

static void
put_amounts(struct progress *p, struct vv_buf *out)
{
    uint64_t total = load(&p->counters.bytes_total);
    uint64_t done = load(&p->counters.bytes_done);
    char a[32];
    char b[32];

    vv_text_size(done, a);
    vv_buf_put_text(out, a);
    if (total >= done && total > 0) {
        vv_text_size(total, b);
        /* The parent's totals are a guess. */
        vv_buf_printf(out, " of %s%s", atomic_load(&p->counters.total_is_final) ? "" : "~", b);
    }
    vv_text_count(load(&p->counters.files_done), a);
    vv_buf_printf(out, ", %s files", a);
}

/** What only a backup counts. */
static void
put_changes(struct progress *p, struct vv_buf *out)
{
    uint64_t counts[] = {load(&p->counters.files_new), load(&p->counters.files_changed),
                         load(&p->counters.files_unchanged)};
    static const char *const names[] = {"new", "changed", "unchanged"};
    char text[32];

    if (counts[0] == 0 && counts[1] == 0 && counts[2] == 0) {
        return;
    }
    for (size_t i = 0; i < VV_COUNT(counts); i++) {
        vv_text_count(counts[i], text);
        vv_buf_printf(out, ", %s %s", text, names[i]);
    }
}

/** The end of the current path, in what is left of the line. */
static void
put_current(struct progress *p, size_t columns, struct vv_buf *out)
{
    char raw[256];
    struct vv_buf escaped = {0};
    size_t used = tty_columns(vv_buf_span(out)) + 2;
    struct vv_span text;

    vv_progress_read_current(&p->counters, raw);
    if (raw[0] == '\0' || used + CURRENT_MIN > columns) {
        return;
    }
    vv_text_escape(&escaped, vv_span(raw, strlen(raw)));
    text = vv_buf_span(&escaped);
    vv_buf_put_text(out, "  ");
    if (tty_columns(text) > columns - used) {
        size_t keep = tty_fit_end(text, columns - used - 3);
        vv_buf_put_text(out, "...");
        text = vv_span(text.data + text.len - keep, keep);
    }
    vv_buf_put(out, text.data, text.len);
    vv_buf_release(&escaped);
}

void
progress_text(struct progress *p, uint64_t now, size_t columns, struct vv_buf *out)
{
    unsigned phase = (unsigned)atomic_load(&p->counters.phase);
    uint64_t problems = load(&p->counters.problems);
    uint64_t left = time_left(p, now);
    double rate;
    char text[32];

    take_sample(p, now);
    vv_buf_printf(out, "%s: ", phase < p->phase_count ? p->phases[phase] : "working");
    put_amounts(p, out);
    rate = recent_rate(p);
    if (rate >= 1) {
        vv_text_size((uint64_t)rate, text);
        vv_buf_printf(out, ", %s/s", text);
    }
    if (left > 0) {
        vv_text_duration(left, text);
        vv_buf_printf(out, ", %s left", text);
    }
    put_changes(p, out);
    if (problems > 0) {
        vv_text_count(problems, text);
        vv_buf_printf(out, ", %s problem%s", text, problems == 1 ? "" : "s");
    }
    put_current(p, columns, out);
}

static void
show(struct progress *p)
{
    const struct vv_clock *clock = vv_clock_system();
    struct vv_buf text = {0};
    struct messages *m = p->messages;

    if (p->style == PROGRESS_LINE) {
        progress_text(p, clock->monotonic(clock), tty_width(STDERR_FILENO) - 1, &text);
        vv_mutex_lock(&m->lock);
        tty_line_draw(&m->line, vv_buf_span(&text));
        vv_mutex_unlock(&m->lock);
    } else {
        progress_text(p, clock->monotonic(clock), 0, &text); /* no current file */
        messages_say(m, "%s", vv_buf_text(&text));
    }
    vv_buf_release(&text);
}

static void
run(void *arg)
{
    struct progress *p = arg;
    uint64_t pause = p->style == PROGRESS_LINE ? DRAW_MS : LOG_MS;

    vv_mutex_lock(&p->lock);
    while (!p->ending) {
        if (vv_cond_wait_ms(&p->wake, &p->lock, pause)) {
            continue;
        }
        vv_mutex_unlock(&p->lock);
        show(p);
        vv_mutex_lock(&p->lock);
    }
    vv_mutex_unlock(&p->lock);
}

void
progress_start(struct progress *p, struct messages *m, enum progress_style style,
               const char *const *phases, unsigned phase_count)
{
    const struct vv_clock *clock = vv_clock_system();

    memset(p, 0, sizeof(*p));
    atomic_flag_clear(&p->counters.current_busy);
    p->messages = m;
    p->style = style;
    p->phases = phases;
    p->phase_count = phase_count;
    p->started = clock->monotonic(clock);
    if (style == PROGRESS_NONE) {
        return;
    }
    vv_mutex_init(&p->lock);
    vv_cond_init(&p->wake);
    if (vv_thread_start(&p->thread, "progress", run, p, NULL) != VV_OK) {
        p->style = PROGRESS_NONE;
    }
}

void
progress_stop(struct progress *p)
{
    if (p->style == PROGRESS_NONE) {
        return;
    }
    vv_mutex_lock(&p->lock);
    p->ending = true;
    vv_cond_signal(&p->wake);
    vv_mutex_unlock(&p->lock);
    vv_thread_join(&p->thread);
    vv_mutex_lock(&p->messages->lock);
    tty_line_clear(&p->messages->line);
    vv_mutex_unlock(&p->messages->lock);
    p->style = PROGRESS_NONE;
}
