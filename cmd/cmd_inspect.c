/* SPDX-License-Identifier: BSD-2-Clause */
/* varve inspect: what can be told of a repository without reading its data; what 'varve status' asks. */
#include <string.h>

#include "commands.h"
#include "core/alloc.h"
#include "core/clock.h"
#include "core/text.h"
#include "engine/retention.h"
#include "engine/scrub.h"
#include "format/wal.h"
#include "render.h"

#define RECENTLY (INT64_C(30) * 24 * 3600 * 1000000000)

static const struct option_spec specs[] = {OPTION_END};

/* Snapshots that one job has made on one host. */
struct group {
    const char *job; /* from a tag; "" for snapshots of none */
    const char *host;
    const struct snapshot *newest;
    const struct snapshot *newest_full;
    int64_t oldest;
    uint64_t count;
    uint64_t marked;
};
struct cluster {
    uint64_t system;
    int64_t newest;
};
struct inspection {
    struct snapshot_list list;
    struct retention_marks marks;
    struct group *groups;
    size_t group_count;
    struct cluster *clusters; /* of which there is WAL */
    size_t cluster_count;
    struct scrub_ages ages;
    uint64_t free_bytes;
    uint64_t total_bytes;
    bool space_known;
};

static void
inspection_release(struct inspection *in)
{
    retention_marks_release(&in->marks);
    snapshot_list_release(&in->list);
    vv_free(in->groups);
    vv_free(in->clusters);
}

static struct group *
group_of(struct inspection *in, const char *job, const char *host)
{
    struct group *g = in->groups;

    for (; g < in->groups + in->group_count; g++) {
        if (strcmp(g->job, job) == 0 && strcmp(g->host, host) == 0) {
            return g;
        }
    }
    *g = (struct group){.job = job, .host = host};
    in->group_count++;
    return g;
}

static void
note_wal(struct inspection *in, const struct snapshot *s)
{
    for (uint32_t i = 0; i < s->body.wal_count; i++) {
        struct cluster *c = in->clusters;
        while (c < in->clusters + in->cluster_count && c->system != s->body.wal[i].system) {
            c++;
        }
        if (c == in->clusters + in->cluster_count) {
            *c = (struct cluster){.system = s->body.wal[i].system};
            in->cluster_count++;
        }
        c->newest = s->time > c->newest ? s->time : c->newest;
    }
}

static void
note_snapshot(struct inspection *in, const struct snapshot *s)
{
    struct group *g;

    if (s->body.mode == SNAPSHOT_WAL) {
        note_wal(in, s);
        return;
    }
    g = group_of(in, render_job(&s->body), s->body.host);
    g->oldest = g->count == 0 || s->time < g->oldest ? s->time : g->oldest;
    g->count++;
    g->marked += retention_marked(&in->marks, s) != NULL;
    if (g->newest == NULL || s->time >= g->newest->time) {
        g->newest = s;
    }
    if (s->body.mode == SNAPSHOT_FULL &&
        (g->newest_full == NULL || s->time >= g->newest_full->time)) {
        g->newest_full = s;
    }
}

static enum vv_rc
look_at_snapshots(struct app *app, struct inspection *in)
{
    size_t wal = 0;

    VV_TRY(app_snapshots(app, &in->list));
    VV_TRY(retention_marks_find(&in->list, &in->marks, &app->err));
    for (size_t i = 0; i < in->list.count; i++) {
        wal += in->list.snapshots[i].body.wal_count;
    }
    in->groups = vv_alloc_array(in->list.count + 1, sizeof(*in->groups));
    in->clusters = vv_alloc_array(wal + 1, sizeof(*in->clusters));
    if (in->groups == NULL || in->clusters == NULL) {
        return vv_error_nomem(&app->err);
    }
    for (size_t i = 0; i < in->list.count; i++) {
        note_snapshot(in, &in->list.snapshots[i]);
    }
    return VV_OK;
}

static enum vv_rc
inspect(struct app *app, struct inspection *in)
{
    const struct vv_clock *clock = vv_clock_system();

    VV_TRY(app_open(app, APP_READ));
    VV_TRY(look_at_snapshots(app, in));
    VV_TRY(scrub_ages_read(app->repo, clock->realtime(clock) - RECENTLY, &in->ages, &app->err));
    in->space_known = storage_space(app->storage, &in->free_bytes, &in->total_bytes, NULL) == VV_OK;
    return VV_OK;
}

/* ---- JSON ---- */

static void
put_time_or_null(struct json *j, const char *key, int64_t time)
{
    if (time != 0) {
        json_put_time(j, key, time);
    } else {
        json_put_null(j, key);
    }
}

static void
put_groups(struct json *j, const struct inspection *in)
{
    json_put_array(j, "jobs");
    for (size_t i = 0; i < in->group_count; i++) {
        const struct group *g = &in->groups[i];
        json_put_object(j, NULL);
        json_put_text(j, "job", g->job);
        json_put_text(j, "host", g->host);
        json_put_u64(j, "snapshots", g->count);
        json_put_time(j, "oldest", g->oldest);
        json_put_time(j, "newest", g->newest->time);
        render_json_uuid(j, "newest_id", &g->newest->id);
        put_time_or_null(j, "newest_full", g->newest_full != NULL ? g->newest_full->time : 0);
        json_put_u64(j, "marked", g->marked);
        json_put_end(j);
    }
    json_put_end(j);
}

static void
put_clusters(struct json *j, const struct inspection *in)
{
    char system[32];

    json_put_array(j, "wal");
    for (size_t i = 0; i < in->cluster_count; i++) {
        json_put_object(j, NULL);
        (void)snprintf(system, sizeof(system), "%llu", (unsigned long long)in->clusters[i].system);
        json_put_text(j, "system", system);
        json_put_time(j, "newest", in->clusters[i].newest);
        json_put_end(j);
    }
    json_put_end(j);
}

static void
report_json(struct app *app, struct json *j, const struct inspection *in)
{
    render_json_uuid(j, "repository", repo_id(app->repo));
    render_json_uuid(j, "site", &repo_site(app->repo)->id);
    json_put_text(j, "url", app->storage->url);
    put_groups(j, in);
    put_clusters(j, in);
    json_put_u64(j, "damaged", in->list.damaged);
    json_put_u64(j, "forged", in->list.forged);
    json_put_bool(j, "rolled_back", in->list.freshness == FRESHNESS_ROLLED_BACK);
    json_put_u64(j, "objects", in->ages.objects);
    json_put_u64(j, "bytes", in->ages.bytes);
    json_put_u64(j, "bytes_read_in_30_days", in->ages.bytes_since);
    json_put_u64(j, "never_read", in->ages.never_read);
    put_time_or_null(j, "oldest_read", in->ages.oldest_read);
    put_time_or_null(j, "last_read", in->ages.last_read);
    if (in->space_known) {
        json_put_u64(j, "space_free", in->free_bytes);
        json_put_u64(j, "space_total", in->total_bytes);
    }
}

/* ---- text ---- */

static void
print_groups(const struct inspection *in)
{
    char when[VV_TIME_TEXT];

    for (size_t i = 0; i < in->group_count; i++) {
        const struct group *g = &in->groups[i];
        printf("  %s%s%son ", g->job[0] != '\0' ? "job '" : "", g->job,
               g->job[0] != '\0' ? "' " : "");
        message_print(g->host, stdout);
        printf(": ");
        render_count(g->count, "snapshot", "snapshots", stdout);
        vv_time_format(g->newest->time, when);
        printf(", the newest of %s", when);
        if (g->newest_full != NULL) {
            vv_time_format(g->newest_full->time, when);
            printf(", full of %s", when);
        }
        if (g->marked > 0) {
            printf(", %llu MARKED", (unsigned long long)g->marked);
        }
        printf("\n");
    }
    for (size_t i = 0; i < in->cluster_count; i++) {
        vv_time_format(in->clusters[i].newest, when);
        printf("  WAL of cluster %llu: the newest of %s\n",
               (unsigned long long)in->clusters[i].system, when);
    }
}

static void
print_ages(const struct inspection *in)
{
    const struct scrub_ages *a = &in->ages;
    char when[VV_TIME_TEXT];

    printf("  ");
    render_count(a->objects, "object", "objects", stdout);
    printf(", ");
    render_size(a->bytes, stdout);
    printf("; read by this host in the last 30 days: ");
    render_size(a->bytes_since, stdout);
    if (a->never_read > 0) {
        printf("; never: ");
        render_count(a->never_read, "object", "objects", stdout);
    } else if (a->oldest_read != 0) {
        vv_time_format(a->oldest_read, when);
        printf("; all of it since %s", when);
    }
    printf("\n");
    if (in->space_known) {
        printf("  free: ");
        render_size(in->free_bytes, stdout);
        printf(" of ");
        render_size(in->total_bytes, stdout);
        printf("\n");
    }
}

static enum exit_code
run(struct app *app, int argc, char **argv)
{
    struct inspection in = {0};
    struct arguments args;
    char none = 0;
    enum exit_code code = EXIT_DONE;
    enum vv_rc rc;

    if (!app_arguments(app, &none, argc, argv, 0, 0, &args)) {
        return app_finish(app, app->err.rc, EXIT_DONE);
    }
    arguments_release(&args);
    rc = inspect(app, &in);
    if (rc == VV_OK) {
        struct json *j = app_json(app);
        code = app_list_verdict(&in.list);
        if (j != NULL) {
            report_json(app, j, &in);
        } else {
            message_print(app->storage->url, stdout);
            printf("\n");
            print_groups(&in);
            print_ages(&in);
        }
    }
    inspection_release(&in);
    return app_finish(app, rc, code);
}

const struct command cmd_inspect = {
    .name = "inspect",
    .arguments = "",
    .summary = "tell what a repository holds, by job and host, and how much of it was read lately",
    .details = "Nothing is read but snapshots and names.  'varve status' puts together what this\n"
               "says of all repositories of a job.",
    .specs = specs,
    .run = run,
};
