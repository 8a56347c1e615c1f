/* SPDX-License-Identifier: BSD-2-Clause */
/* Asking the repositories and databases of a job how they are. */
#include "status_ask.h"

#include <string.h>

#include "postgres/postgres.h"
#include "report/json_read.h"
#include "service/process.h"
#include "signals.h"
#include "word_list.h"

#define OURSELVES "/proc/self/exe"
#define SAMPLE_DISTANCE (INT64_C(3600) * 1000000000)
#define SAMPLES_SINCE (INT64_C(60) * 24 * 3600 * 1000000000)
#define SAMPLES_MOST 2000u

/* Copies are opened as the job's repository is: they have its keys. */
static void
put_secret(struct word_list *q, const struct settings_section *repository,
           const struct settings_section *own)
{
    static const char *const keys[] = {"key-file", "passphrase-file", "passphrase-command"};

    for (size_t i = 0; i < VV_COUNT(keys); i++) {
        const char *value = settings_get(own, keys[i]);
        if (settings_get(repository, keys[i]) != NULL) {
            return; /* its own, by its name */
        }
        if (value != NULL) {
            word_list_option(q, keys[i], value);
            return;
        }
    }
}

static void
begin_question(const struct status_asking *a, struct status_facts *f,
               const struct settings_section *job, const char *name, struct word_list *ret)
{
    const struct settings_section *own =
        settings_find(a->settings, "repository", settings_get(job, "repository"));
    const struct settings_section *asked = settings_find(a->settings, "repository", name);

    *ret = (struct word_list){.arena = &f->arena};
    word_list_put(ret, OURSELVES);
    if (a->app->global.config != NULL) {
        word_list_option(ret, "config", a->app->global.config);
    }
    word_list_put(ret, "--json");
    word_list_put(ret, "--quiet");
    word_list_option(ret, "repo", name);
    if (own != NULL && asked != NULL && own != asked) {
        put_secret(ret, asked, own);
    }
}

/* An answer, or why there is none. */
struct answer {
    struct json_value *document; /* NULL: none */
    struct process_result process;
    const char *why; /* no document, or an error in it */
};

static void
answer_release(struct answer *w)
{
    json_value_free(w->document);
    process_result_release(&w->process);
}

static enum vv_rc
ask(const struct status_asking *a, struct word_list *q, struct answer *ret, struct vv_error *err)
{
    struct process_spec spec = {
        .words = word_list_items(q), .capture = true, .silent = true, .limit_ms = a->limit_ms};
    const char *said;
    enum vv_rc rc;

    *ret = (struct answer){.why = NULL};
    if (q->failed) {
        return vv_error_nomem(err);
    }
    rc = process_run(&spec, signals_cancel(), &ret->process, err);
    if (rc == VV_ECANCELLED || rc == VV_ENOMEM) {
        return rc;
    }
    if (rc != VV_OK) {
        ret->why = vv_arena_copy(q->arena, err->message, strlen(err->message));
        vv_error_clear(err);
        return VV_OK;
    }
    if (ret->process.timed_out) {
        ret->why = "no answer in time (--timeout)";
        return VV_OK;
    }
    if (json_read(vv_buf_span(&ret->process.output), &ret->document, NULL) != VV_OK) {
        ret->why = "no answer that can be understood";
        return VV_OK;
    }
    said = json_get_text(json_get(ret->document, "error"), "message");
    if (said[0] != '\0') {
        ret->why = vv_arena_copy(q->arena, said, strlen(said));
    }
    return VV_OK;
}

/* ---- repositories ---- */

static const struct json_value *
group_of(const struct json_value *document, const char *job)
{
    const struct json_value *groups = json_get(document, "jobs");

    for (size_t i = 0; i < json_count(groups); i++) {
        const struct json_value *g = json_item(groups, i);
        if (strcmp(json_get_text(g, "job"), job) == 0 &&
            strcmp(json_get_text(g, "host"), app_host()) == 0) {
            return g;
        }
    }
    return NULL;
}

static void
take_document(const struct json_value *d, const char *job, int64_t known, struct status_place *ret)
{
    const struct json_value *g = group_of(d, job);

    ret->known = known;
    ret->newest = json_get_time(g, "newest");
    ret->newest_full = json_get_time(g, "newest_full");
    ret->snapshots = (uint64_t)json_get_i64(g, "snapshots");
    ret->marked = (uint64_t)json_get_i64(g, "marked");
    ret->damaged = (uint64_t)json_get_i64(d, "damaged");
    ret->forged = json_get_i64(d, "forged") > 0 || json_get_bool(d, "rolled_back");
    ret->bytes = (uint64_t)json_get_i64(d, "bytes");
    ret->bytes_recent = (uint64_t)json_get_i64(d, "bytes_read_in_30_days");
    ret->never_read = (uint64_t)json_get_i64(d, "never_read");
    ret->oldest_read = json_get_time(d, "oldest_read");
    ret->last_read = json_get_time(d, "last_read");
    ret->oldest = json_get_time(g, "oldest");
    ret->space_known = json_get(d, "space_total") != NULL;
    ret->space_free = (uint64_t)json_get_i64(d, "space_free");
    ret->space_total = (uint64_t)json_get_i64(d, "space_total");
}

struct sampling {
    struct status_sample samples[SAMPLES_MOST];
    size_t count;
};

static enum vv_rc
take_sample(void *ctx, const struct history_event *e, struct vv_error *err)
{
    struct sampling *s = ctx;

    (void)err;
    s->samples[s->count++] = (struct status_sample){e->time, e->bytes};
    return VV_OK;
}

/* How long the space lasts; and this sample, unless there is a young one. */
static void
look_at_space(const struct status_asking *a, const char *name, struct status_place *p)
{
    static struct sampling s; /* large, and there is one thread */

    s.count = 0;
    p->space_lasts = -1;
    if (a->history == NULL ||
        run_history_events(a->history, HISTORY_SPACE, name, a->now - SAMPLES_SINCE, SAMPLES_MOST,
                           take_sample, &s, NULL) != VV_OK) {
        return;
    }
    p->space_lasts = status_space_lasts(s.samples, s.count, a->now);
    if (p->reach == STATUS_REACHED && p->space_known && a->unwritable->rc == VV_OK &&
        (s.count == 0 || a->now - s.samples[0].time > SAMPLE_DISTANCE)) {
        const struct history_event e = {.kind = HISTORY_SPACE,
                                        .run = "",
                                        .job = "",
                                        .time = a->now,
                                        .repository = name,
                                        .bytes = (int64_t)p->space_free,
                                        .total = (int64_t)p->space_total};
        run_notes_event(a->app, &e);
    }
}

/* By its name and its address: another place of the same name is another place. */
static void
fact_name(const struct status_asking *a, const char *name, struct vv_buf *out)
{
    const struct settings_section *s = settings_find(a->settings, "repository", name);

    vv_buf_printf(out, "inspect %s %s", name, s != NULL ? settings_get(s, "url") : "");
}

/* What was known last. */
static void
recall(const struct status_asking *a, const char *job, const char *name, struct status_place *ret)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf about = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf text = {0};
    VV_CLEANUP(json_value_freep) struct json_value *d = NULL;
    int64_t known = 0;

    fact_name(a, name, &about);
    if (a->history != NULL &&
        run_history_fact(a->history, vv_buf_text(&about), &known, &text, NULL) == VV_OK &&
        known != 0 && json_read(vv_buf_span(&text), &d, NULL) == VV_OK) {
        take_document(d, job, known, ret);
    }
}

static void
remember(const struct status_asking *a, const char *name, struct answer *w)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf about = {0};

    if (a->history == NULL) { /* a run makes one, or a new one; until then that is to be seen */
        return;
    }
    fact_name(a, name, &about);
    if (a->unwritable->rc == VV_OK) {
        enum vv_rc rc = run_notes_fact(a->app, vv_buf_text(&about), vv_buf_text(&w->process.output),
                                       a->unwritable);
        a->unwritable->rc = rc;
    }
}

/* "jobs" is there if it could be looked into, whatever was found. */
static void
take_answer(const struct status_asking *a, const char *job, const char *name, struct answer *w,
            struct status_place *ret, struct status_facts *f)
{
    bool own = f->job.places == ret;

    if (w->document != NULL && w->why == NULL && json_get(w->document, "jobs") != NULL) {
        ret->reach = STATUS_REACHED;
        take_document(w->document, job, a->now, ret);
        remember(a, name, w);
        if (own) {
            f->wal_received = json_count(json_get(w->document, "wal")) > 0;
        }
        return;
    }
    ret->why = w->why != NULL ? w->why : "no answer that can be understood";
    ret->reach =
        w->process.timed_out || w->process.code == EXIT_UNREACHABLE ? STATUS_AWAY : STATUS_UNUSABLE;
    recall(a, job, name, ret);
}

enum vv_rc
status_ask_place(const struct status_asking *a, const struct settings_section *job,
                 const char *name, struct status_facts *f, struct status_place *ret,
                 struct vv_error *err)
{
    const struct settings_section *section = settings_find(a->settings, "repository", name);
    struct word_list q;
    struct answer w;
    enum vv_rc rc;

    *ret = (struct status_place){.name = name, .why = "", .space_lasts = -1};
    ret->remote = section != NULL && settings_get(section, "url")[0] != '/';
    if (a->offline) {
        ret->reach = STATUS_AWAY;
        ret->why = "not asked, with --offline";
        recall(a, job->name, name, ret);
        look_at_space(a, name, ret);
        return VV_OK;
    }
    begin_question(a, f, job, name, &q);
    word_list_put(&q, "inspect");
    rc = ask(a, &q, &w, err);
    if (rc == VV_OK) {
        take_answer(a, job->name, name, &w, ret, f);
        look_at_space(a, name, ret);
    }
    answer_release(&w);
    return rc;
}

/* ---- databases ---- */

static enum vv_rc
ask_database(const struct status_asking *a, const struct settings_section *job, const char *text,
             struct status_facts *f, struct status_wal *ret, struct vv_error *err)
{
    const char *url = postgres_url_of(text);
    const struct json_value *first;
    struct word_list q;
    struct answer w;
    enum vv_rc rc;

    begin_question(a, f, job, settings_get(job, "repository"), &q);
    word_list_put(&q, "wal");
    word_list_put(&q, "check");
    word_list_put(&q, url != NULL ? url : text);
    ret->database = url != NULL && url > text
                        ? vv_arena_copy(&f->arena, text, (size_t)(url - text) - 1)
                        : "postgres";
    q.failed = q.failed || ret->database == NULL;
    rc = ask(a, &q, &w, err);
    if (rc == VV_OK) {
        ret->asked = w.why == NULL;
        ret->well = ret->asked && w.process.code == EXIT_DONE;
        first = json_item(json_get(w.document, "problems"), 0);
        ret->text = w.why != NULL ? w.why : json_get_text(first, "text");
        ret->text = vv_arena_copy(&f->arena, ret->text, strlen(ret->text));
        rc = ret->text != NULL ? VV_OK : vv_error_nomem(err);
    }
    answer_release(&w);
    return rc;
}

enum vv_rc
status_ask_wal(const struct status_asking *a, const struct settings_section *job,
               struct status_facts *f, struct vv_error *err)
{
    const struct settings_value *v = NULL;
    struct status_wal *wal;
    size_t count = 0;

    while ((v = settings_next(job, "database", v)) != NULL) {
        count++;
    }
    if (count == 0 || !f->wal_received) {
        return VV_OK;
    }
    wal = vv_arena_alloc(&f->arena, count * sizeof(*wal));
    if (wal == NULL) {
        return vv_error_nomem(err);
    }
    f->job.wal = wal;
    while ((v = settings_next(job, "database", v)) != NULL) {
        VV_TRY(ask_database(a, job, v->text, f, &wal[f->job.wal_count++], err));
    }
    return VV_OK;
}
