/* SPDX-License-Identifier: BSD-2-Clause */
/* From the configuration to jobs that systemd and cron run. */
#include "schedule_jobs.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "duration.h"
#include "notify_settings.h"
#include "word_list.h"

#define JITTER_S UINT64_C(600)
#define STATUS_JITTER_S UINT64_C(300)
#define NS_PER_S INT64_C(1000000000)

static const char *
copy_text(struct vv_arena *a, struct vv_buf *text)
{
    return text->failed ? NULL : vv_arena_copy(a, vv_buf_text(text), text->len);
}

bool
schedule_of(const struct settings_section *section, struct schedule *ret)
{
    const char *text = settings_get(section, "schedule");

    return text != NULL && schedule_parse(text, ret, NULL) == VV_OK;
}

struct making {
    struct app *app;
    const struct settings *settings;
    enum schedule_manager manager;
    bool user;
    struct schedule_jobs *jobs;
    const char *program;
    const char *config; /* "--config=FILE", or NULL */
    const char *state;  /* VARVE_STATE_DIR, or NULL */
    const char *cache;
};

/* ---- what we are run with ---- */

static enum vv_rc
check_fits(const char *text, const char *what, struct vv_error *err)
{
    if (schedule_text_fits(text)) {
        return VV_OK;
    }
    return vv_error_set(err, VV_EREFUSED,
                        "%s has a control character, which no unit file or crontab can hold", what);
}

static enum vv_rc
find_program(struct making *m, struct vv_error *err)
{
    static const char deleted[] = " (deleted)";
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path));

    if (n < 0 || (size_t)n == sizeof(path)) {
        return vv_error_sys(err, n < 0 ? errno : ENAMETOOLONG, "cannot tell where varve is");
    }
    if ((size_t)n >= sizeof(deleted) &&
        memcmp(path + n - (sizeof(deleted) - 1), deleted, sizeof(deleted) - 1) == 0) {
        (void)vv_error_set(err, VV_EREFUSED, "this varve was replaced while it was running");
        vv_error_hint(err, "give the command again");
        return VV_EREFUSED;
    }
    m->program = vv_arena_copy(&m->jobs->arena, path, (size_t)n);
    return m->program == NULL ? vv_error_nomem(err)
                              : check_fits(m->program, "the path of this program", err);
}

/* "PREFIX" and the path from the root. */
static enum vv_rc
absolute(struct making *m, const char *prefix, const char *path, const char **ret,
         struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf text = {0};
    char here[PATH_MAX];

    vv_buf_put_text(&text, prefix);
    if (path[0] != '/') {
        if (getcwd(here, sizeof(here)) == NULL) {
            return vv_error_sys(err, errno, "cannot tell the current directory");
        }
        vv_buf_printf(&text, "%s/", here);
    }
    vv_buf_put_text(&text, path);
    *ret = copy_text(&m->jobs->arena, &text);
    return *ret == NULL ? vv_error_nomem(err) : check_fits(*ret, path, err);
}

/* What the environment of this command says about where things are counts for the runs, too. */
static enum vv_rc
find_environment(struct making *m, struct vv_error *err)
{
    static const struct {
        const char *name;
        bool of_user; /* root's runs do not ask for it */
    } known[] = {{"VARVE_STATE_DIR", false},
                 {"VARVE_CACHE_DIR", false},
                 {"XDG_CONFIG_HOME", true},
                 {"XDG_STATE_HOME", true},
                 {"XDG_CACHE_HOME", true}};
    struct word_list w = {.arena = &m->jobs->arena};

    for (size_t i = 0; i < VV_COUNT(known); i++) {
        const char *value = getenv(known[i].name);
        char prefix[32];
        const char *word = NULL;
        if (value == NULL || value[0] == '\0' || (known[i].of_user && !m->user)) {
            continue;
        }
        (void)snprintf(prefix, sizeof(prefix), "%s=", known[i].name);
        VV_TRY(absolute(m, prefix, value, &word, err));
        word_list_put(&w, word);
        if (i == 0) {
            m->state = word + strlen(prefix);
        } else if (i == 1) {
            m->cache = word + strlen(prefix);
        }
    }
    m->jobs->environment = word_list_items(&w);
    return m->jobs->environment == NULL ? vv_error_nomem(err) : VV_OK;
}

static enum vv_rc
find_ourselves(struct making *m, struct vv_error *err)
{
    const char *config =
        m->app->global.config != NULL ? m->app->global.config : getenv("VARVE_CONFIG");

    VV_TRY(find_program(m, err));
    if (config != NULL && config[0] != '\0') {
        VV_TRY(absolute(m, "--config=", config, &m->config, err));
    }
    return find_environment(m, err);
}

/* ---- one job ---- */

static void
begin_words(const struct making *m, struct word_list *w, const char *command)
{
    *w = (struct word_list){.arena = &m->jobs->arena};
    word_list_put(w, m->program);
    if (m->config != NULL) {
        word_list_put(w, m->config);
    }
    word_list_put(w, command);
    word_list_put(w, "--quiet");
}

static void
put_jitter(struct word_list *w, uint64_t seconds)
{
    if (seconds > 0) {
        word_list_printf(w, "--jitter=%llus", (unsigned long long)seconds);
    }
}

/*
 * systemd starts no second one beside a first, so that waiting for one by hand is right.  cron does: those
 * that wait would become more and more, if a run takes longer than it is to the next; so none waits.
 */
static enum vv_rc
make_words(const struct making *m, struct scheduled_job *j, struct vv_error *err)
{
    struct word_list w;

    begin_words(m, &w, j->kind == SCHEDULED_WATCH ? "watch" : "run");
    if (m->manager == SCHEDULE_CRONTAB) {
        put_jitter(&w, j->jitter_s);
    } else if (j->kind == SCHEDULED_RUN) {
        word_list_put(&w, "--wait");
    }
    word_list_put(&w, j->name);
    j->words = word_list_items(&w);
    return j->words == NULL ? vv_error_nomem(err) : VV_OK;
}

static enum vv_rc
find_jitter(const struct settings_section *s, struct scheduled_job *j, struct vv_error *err)
{
    const struct settings_value *v = settings_next(s, "schedule-jitter", NULL);
    uint64_t shortest = schedule_shortest(&j->schedule);
    int64_t ns = 0;

    if (v == NULL) {
        j->jitter_s = JITTER_S < shortest / 4 ? JITTER_S : shortest / 4;
        return VV_OK;
    }
    if (!duration_parse(v->text, &ns)) {
        return vv_error_set(err, VV_EUSAGE, "'%s' is no duration", v->text);
    }
    j->jitter_s = (uint64_t)(ns / NS_PER_S);
    if (j->jitter_s >= shortest) {
        (void)vv_error_set(err, VV_EUSAGE,
                           "%s:%u: schedule-jitter: '%s' is not shorter than what is between two "
                           "runs of '%s'",
                           v->place.file, v->place.line, v->text, j->schedule_text);
        vv_error_hint(err, "at most half of it leaves room for the run itself");
        return VV_EUSAGE;
    }
    return VV_OK;
}

/* Those for state and cache, where they are not systemd's to make. */
static void
put_directories(const struct making *m, struct word_list *writable)
{
    if (m->state != NULL) {
        word_list_put(writable, m->state);
    }
    if (m->cache != NULL) {
        word_list_put(writable, m->cache);
    }
}

/* Repositories here that the job writes to; and do they have commands of their own? */
static void
look_at_repositories(const struct making *m, const struct settings_section *s,
                     struct scheduled_job *j, struct word_list *writable)
{
    static const char *const uses[] = {"repository", "replicate-to"};
    static const char *const commands[] = {"passphrase-command", "ssh-command",
                                           "ssh-passphrase-command"};

    for (size_t i = 0; i < VV_COUNT(uses); i++) {
        const struct settings_value *v = NULL;
        while ((v = settings_next(s, uses[i], v)) != NULL) {
            const struct settings_section *r = settings_find(m->settings, "repository", v->text);
            const char *url = r != NULL ? settings_get(r, "url") : NULL;
            if (url != NULL && url[0] == '/') {
                word_list_put(writable, url);
            }
            for (size_t k = 0; r != NULL && k < VV_COUNT(commands); k++) {
                j->commands = j->commands || settings_get(r, commands[k]) != NULL;
            }
        }
    }
}

/* Is anybody told of this job? */
static enum vv_rc
is_told(const struct making *m, const struct settings_section *s, bool *ret, struct vv_error *err)
{
    const struct settings_section *n = notify_settings_of(m->settings, s);
    struct notify_settings channels;

    if (n != NULL) {
        VV_TRY(notify_settings_make(n, &m->jobs->arena, &channels, err));
        for (enum notify_channel c = NOTIFY_PING; c < NOTIFY_CHANNELS; c++) {
            *ret = *ret || notify_has(&channels, c);
        }
    }
    return VV_OK;
}

/* Mail is put into a spool, and a command does whatever it does. */
static bool
tells_by_programs(const struct making *m, const struct settings_section *s)
{
    const struct settings_section *n = notify_settings_of(m->settings, s);

    return n != NULL && (settings_get(n, "mail-to") != NULL || settings_get(n, "command") != NULL);
}

static enum vv_rc
make_job(const struct making *m, const struct settings_section *s, struct scheduled_job *j,
         struct vv_error *err)
{
    static const char *const commands[] = {"before", "on-success", "on-error", "after", "exec"};
    struct word_list writable = {.arena = &m->jobs->arena};

    j->name = s->name;
    j->schedule_text = settings_get(s, "schedule");
    j->environment = m->jobs->environment;
    j->state_directory = m->state == NULL;
    j->cache_directory = m->cache == NULL;
    if (j->kind == SCHEDULED_RUN) {
        VV_TRY(find_jitter(s, j, err));
    }
    VV_TRY(make_words(m, j, err));
    for (size_t i = 0; i < VV_COUNT(commands); i++) {
        j->commands = j->commands || settings_get(s, commands[i]) != NULL;
    }
    j->commands = j->commands || tells_by_programs(m, s);
    j->restores = j->kind == SCHEDULED_RUN && settings_get(s, "rehearse-every") != NULL;
    look_at_repositories(m, s, j, &writable);
    if (j->restores && settings_get(s, "rehearse-scratch") != NULL) {
        word_list_put(&writable, settings_get(s, "rehearse-scratch"));
    }
    put_directories(m, &writable);
    j->writable = word_list_items(&writable);
    return j->writable == NULL ? vv_error_nomem(err) : VV_OK;
}

static enum vv_rc
make_missed(const struct making *m, struct vv_error *err)
{
    struct word_list w;
    uint64_t jitter_s = 0;

    for (size_t i = 0; i < m->jobs->count; i++) {
        const struct scheduled_job *j = &m->jobs->items[i];
        jitter_s = j->kind == SCHEDULED_RUN && j->jitter_s > jitter_s ? j->jitter_s : jitter_s;
    }
    begin_words(m, &w, "run");
    word_list_put(&w, "--missed");
    word_list_put(&w, "--all");
    put_jitter(&w, jitter_s);
    m->jobs->missed_words = word_list_items(&w);
    return m->jobs->missed_words == NULL ? vv_error_nomem(err) : VV_OK;
}

/* 'varve status --notify' of all jobs: it notices what does not take place. */
static enum vv_rc
make_status(const struct making *m, struct scheduled_job *j, struct vv_error *err)
{
    struct word_list w;
    struct word_list writable = {.arena = &m->jobs->arena};

    *j = (struct scheduled_job){.kind = SCHEDULED_STATUS,
                                .name = "",
                                .schedule_text = "hourly :25",
                                .jitter_s = STATUS_JITTER_S,
                                .environment = m->jobs->environment,
                                .state_directory = m->state == NULL,
                                .cache_directory = m->cache == NULL,
                                .commands = true};
    VV_TRY(schedule_parse(j->schedule_text, &j->schedule, err));
    begin_words(m, &w, "status");
    word_list_put(&w, "--notify");
    put_directories(m, &writable);
    j->words = word_list_items(&w);
    j->writable = word_list_items(&writable);
    return j->words == NULL || j->writable == NULL ? vv_error_nomem(err) : VV_OK;
}

/* cron starts nothing that stays. */
static bool
is_watched(const struct making *m, const struct settings_section *s)
{
    bool wanted = settings_flag(s, "watch", false);

    if (wanted && m->manager == SCHEDULE_CRONTAB) {
        messages_warning(&m->app->messages, "watch-needs-systemd",
                         "job '%s' is to be watched, which cron cannot do: start 'varve watch %s' "
                         "by other means",
                         s->name, s->name);
    }
    return wanted && m->manager == SCHEDULE_SYSTEMD;
}

static enum vv_rc
make_jobs(const struct making *m, struct vv_error *err)
{
    struct schedule_jobs *all = m->jobs;
    struct schedule schedule;
    bool told = false;

    for (const struct settings_section *s = settings_sections(m->settings); s != NULL;
         s = s->next) {
        if (strcmp(s->spec->kind, "job") != 0) {
            continue;
        }
        if (schedule_of(s, &schedule)) {
            struct scheduled_job *j = &all->items[all->count++];
            *j = (struct scheduled_job){.kind = SCHEDULED_RUN, .schedule = schedule};
            VV_TRY(make_job(m, s, j, err));
            VV_TRY(is_told(m, s, &told, err));
        }
        if (is_watched(m, s)) {
            struct scheduled_job *j = &all->items[all->count++];
            *j = (struct scheduled_job){.kind = SCHEDULED_WATCH};
            VV_TRY(make_job(m, s, j, err));
            VV_TRY(is_told(m, s, &told, err));
        }
    }
    return told ? make_status(m, &all->items[all->count++], err) : VV_OK;
}

enum vv_rc
schedule_jobs_make(struct app *app, const struct settings *c, enum schedule_manager manager,
                   bool user, struct schedule_jobs *ret, struct vv_error *err)
{
    struct making m = {.app = app, .settings = c, .manager = manager, .user = user, .jobs = ret};
    size_t most = 1;

    *ret = (struct schedule_jobs){0};
    VV_TRY(find_ourselves(&m, err));
    for (const struct settings_section *s = settings_sections(c); s != NULL; s = s->next) {
        most += strcmp(s->spec->kind, "job") == 0 ? 2 : 0;
    }
    ret->items = vv_arena_alloc(&ret->arena, most * sizeof(*ret->items));
    if (ret->items == NULL) {
        return vv_error_nomem(err);
    }
    VV_TRY(make_jobs(&m, err));
    return make_missed(&m, err);
}

void
schedule_jobs_release(struct schedule_jobs *j)
{
    vv_arena_release(&j->arena);
    *j = (struct schedule_jobs){0};
}
