/* SPDX-License-Identifier: BSD-2-Clause */
/* Metrics for Prometheus: https://prometheus.io/docs/instrumenting/exposition_formats/, the text format. */
#include <fcntl.h>
#include <sys/stat.h>

#include "core/file.h"
#include "status_print.h"

/* A value, if there is one. */
struct sample {
    bool there;
    double value;
};
struct job_metric {
    const char *name;
    const char *help;
    struct sample (*of)(const struct status_looked *l);
};
struct place_metric {
    const char *name;
    const char *help;
    struct sample (*of)(const struct status_job *j, const struct status_place *p);
};

static struct sample
number(double value)
{
    return (struct sample){true, value};
}

static struct sample
number_if(bool there, double value)
{
    return (struct sample){there, value};
}

static double
seconds(int64_t ns)
{
    return (double)ns / 1e9;
}

/* ---- of a job ---- */

static struct sample
level(const struct status_looked *l)
{
    return number((double)l->report.level);
}

static struct sample
run_began(const struct status_looked *l)
{
    return number_if(l->facts.job.last.began != 0, seconds(l->facts.job.last.began));
}

static struct sample
run_took(const struct status_looked *l)
{
    const struct status_run *r = &l->facts.job.last;

    return number_if(r->began != 0, seconds(r->ended - r->began));
}

static struct sample
run_code(const struct status_looked *l)
{
    return number_if(l->facts.job.last.began != 0, (double)l->facts.job.last.exit_code);
}

static struct sample
running(const struct status_looked *l)
{
    return number(l->facts.job.running_since != 0 ? 1 : 0);
}

static struct sample
rehearsed(const struct status_looked *l)
{
    return number_if(l->facts.job.rehearsal.time != 0, seconds(l->facts.job.rehearsal.time));
}

static struct sample
rehearsal_took(const struct status_looked *l)
{
    const struct status_rehearsal *r = &l->facts.job.rehearsal;

    return number_if(r->time != 0, (double)r->milliseconds / 1000);
}

static struct sample
rehearsal_code(const struct status_looked *l)
{
    return number_if(l->facts.job.rehearsal.time != 0, (double)l->facts.job.rehearsal.exit_code);
}

static const struct job_metric job_metrics[] = {
    {"varve_job_status", "How the job is doing: 0 ok, 1 warning, 2 critical, 3 unknown.", level},
    {"varve_job_last_run_timestamp_seconds", "When the last run that has ended began.", run_began},
    {"varve_job_last_run_duration_seconds", "How long that run took.", run_took},
    {"varve_job_last_run_exit_code", "Its exit code.", run_code},
    {"varve_job_running", "Whether a run goes on now.", running},
    {"varve_job_last_rehearsal_timestamp_seconds", "When a restore was last rehearsed.", rehearsed},
    {"varve_job_last_rehearsal_duration_seconds", "How long that took.", rehearsal_took},
    {"varve_job_last_rehearsal_exit_code", "Its exit code.", rehearsal_code},
};

/* ---- of a repository of a job ---- */

static struct sample
reached(const struct status_job *j, const struct status_place *p)
{
    (void)j;
    return number(p->reach == STATUS_REACHED ? 1 : 0);
}

static struct sample
known(const struct status_job *j, const struct status_place *p)
{
    (void)j;
    return number_if(p->known != 0, seconds(p->known));
}

static struct sample
snapshots(const struct status_job *j, const struct status_place *p)
{
    (void)j;
    return number_if(p->known != 0, (double)p->snapshots);
}

static struct sample
newest(const struct status_job *j, const struct status_place *p)
{
    (void)j;
    return number_if(p->newest != 0, seconds(p->newest));
}

static struct sample
newest_full(const struct status_job *j, const struct status_place *p)
{
    (void)j;
    return number_if(p->newest_full != 0, seconds(p->newest_full));
}

static struct sample
behind(const struct status_job *j, const struct status_place *p)
{
    int64_t own = j->places[0].newest;

    return number_if(p != j->places && p->newest != 0 && own != 0,
                     own > p->newest ? seconds(own - p->newest) : 0);
}

static struct sample
marked(const struct status_job *j, const struct status_place *p)
{
    (void)j;
    return number_if(p->known != 0, (double)p->marked);
}

static struct sample
bytes(const struct status_job *j, const struct status_place *p)
{
    (void)j;
    return number_if(p->known != 0, (double)p->bytes);
}

static struct sample
read_back(const struct status_job *j, const struct status_place *p)
{
    (void)j;
    return number_if(p->known != 0, (double)p->bytes_recent);
}

static struct sample
never_read(const struct status_job *j, const struct status_place *p)
{
    (void)j;
    return number_if(p->known != 0, (double)p->never_read);
}

static struct sample
oldest_read(const struct status_job *j, const struct status_place *p)
{
    (void)j;
    return number_if(p->oldest_read != 0, seconds(p->oldest_read));
}

static struct sample
space_free(const struct status_job *j, const struct status_place *p)
{
    (void)j;
    return number_if(p->space_known, (double)p->space_free);
}

static struct sample
space_total(const struct status_job *j, const struct status_place *p)
{
    (void)j;
    return number_if(p->space_known, (double)p->space_total);
}

static struct sample
space_lasts(const struct status_job *j, const struct status_place *p)
{
    (void)j;
    return number_if(p->space_lasts >= 0, seconds(p->space_lasts));
}

static const struct place_metric place_metrics[] = {
    {"varve_repository_reached", "Whether the repository answered just now.", reached},
    {"varve_repository_known_timestamp_seconds", "When the other values were found out.", known},
    {"varve_repository_snapshots", "Snapshots of the job.", snapshots},
    {"varve_repository_newest_snapshot_timestamp_seconds", "Time of the job's newest snapshot.",
     newest},
    {"varve_repository_newest_full_snapshot_timestamp_seconds",
     "Time of the job's newest full snapshot.", newest_full},
    {"varve_repository_behind_seconds", "How far a copy is behind the job's own repository.",
     behind},
    {"varve_repository_marked_snapshots", "Snapshots with far more changes than usual.", marked},
    {"varve_repository_stored_bytes", "Bytes stored.", bytes},
    {"varve_repository_read_back_bytes", "Bytes that were read back in the last 30 days.",
     read_back},
    {"varve_repository_never_read_objects", "Objects that this host never read back.", never_read},
    {"varve_repository_oldest_read_timestamp_seconds",
     "When the object whose reading is longest ago was read.", oldest_read},
    {"varve_repository_space_free_bytes", "Space that is free.", space_free},
    {"varve_repository_space_size_bytes", "Space in all.", space_total},
    {"varve_repository_space_lasts_seconds", "How long the space lasts at the present growth.",
     space_lasts},
};

/* ---- text ---- */

static void
put_head(struct vv_buf *out, const char *name, const char *help)
{
    vv_buf_printf(out, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name);
}

static void
put_job_metric(struct vv_buf *out, const struct job_metric *m, const struct status_looked *jobs,
               size_t count)
{
    put_head(out, m->name, m->help);
    for (size_t i = 0; i < count; i++) {
        struct sample s = m->of(&jobs[i]);
        if (s.there) {
            vv_buf_printf(out, "%s{job_name=\"%s\"} %.17g\n", m->name, jobs[i].facts.job.name,
                          s.value);
        }
    }
}

static void
put_place_metric(struct vv_buf *out, const struct place_metric *m, const struct status_looked *jobs,
                 size_t count)
{
    put_head(out, m->name, m->help);
    for (size_t i = 0; i < count; i++) {
        const struct status_job *j = &jobs[i].facts.job;
        for (size_t p = 0; p < j->place_count; p++) {
            struct sample s = m->of(j, &j->places[p]);
            if (s.there) {
                vv_buf_printf(out, "%s{job_name=\"%s\",repository=\"%s\"} %.17g\n", m->name,
                              j->name, j->places[p].name, s.value);
            }
        }
    }
}

/* Names of jobs and repositories are words (varve.conf(5)): nothing in them needs escaping. */
static void
put_all(struct vv_buf *out, const struct status_looked *jobs, size_t count, int64_t now)
{
    static const char when[] = "varve_status_timestamp_seconds";

    put_head(out, when, "When 'varve status' wrote this.");
    vv_buf_printf(out, "%s %.17g\n", when, seconds(now));
    for (size_t i = 0; i < VV_COUNT(job_metrics); i++) {
        put_job_metric(out, &job_metrics[i], jobs, count);
    }
    for (size_t i = 0; i < VV_COUNT(place_metrics); i++) {
        put_place_metric(out, &place_metrics[i], jobs, count);
    }
}

enum vv_rc
status_metrics_write(const char *path, const struct status_looked *jobs, size_t count, int64_t now,
                     struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf text = {0};
    mode_t mask;
    enum vv_rc rc;

    put_all(&text, jobs, count, now);
    VV_TRY(vv_buf_check(&text, err));
    mask = umask(022); /* somebody else is to read it */
    rc = vv_file_replace(AT_FDCWD, path, vv_buf_span(&text), 0644, err);
    (void)umask(mask);
    return rc;
}
