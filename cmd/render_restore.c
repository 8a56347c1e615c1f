/* SPDX-License-Identifier: BSD-2-Clause */
/* The summary of a restore. */
#include "core/text.h"
#include "render.h"

void
render_restore_json(struct json *j, const struct restore_summary *s)
{
    json_put_u64(j, "files", s->files);
    json_put_u64(j, "directories", s->directories);
    json_put_u64(j, "others", s->others);
    json_put_u64(j, "hard_links", s->hard_links);
    json_put_u64(j, "bytes", s->bytes);
    json_put_u64(j, "already", s->already);
    json_put_u64(j, "kept", s->kept);
    json_put_u64(j, "deleted", s->deleted);
    json_put_u64(j, "damaged", s->damaged);
    json_put_u64(j, "failed", s->failed);
    json_put_u64(j, "bytes_read", s->bytes_read);
    json_put_u64(j, "bytes_planned", s->bytes_planned);
    json_put_bool(j, "verified", s->verified);
    json_put_bool(j, "verified_from_memory", s->verified_from_memory);
    json_put_u64(j, "verified_files", s->verified_files);
    json_put_u64(j, "verified_bytes", s->verified_bytes);
    json_put_u64(j, "not_verified", s->not_verified);
    json_put_u64(j, "verify_differences", s->verify_differences);
    json_put_real(j, "seconds", (double)s->duration_ns / 1e9);
    json_put_real(j, "verify_seconds", (double)s->verify_ns / 1e9);
    json_put_u64(j, "measured_rate", s->measured_rate);
}

static void
put_line(uint64_t n, const char *one, const char *many, FILE *file)
{
    if (n > 0) {
        fprintf(file, "  ");
        render_count(n, one, many, file);
        fputc('\n', file);
    }
}

static void
put_dry_run(const struct restore_summary *s, FILE *file)
{
    const struct vv_clock *clock = vv_clock_system();
    char text[VV_TIME_TEXT];

    fprintf(file, "dry run, nothing was written\n  ");
    render_size(s->bytes_planned, file);
    fprintf(file, " would be read from the repository for ");
    render_count(s->files, "file", "files", file);
    fprintf(file, " of ");
    render_size(s->bytes, file);
    fputc('\n', file);
    if (s->measured_rate > 0) {
        uint64_t seconds = s->bytes_planned / s->measured_rate + 1;
        fprintf(file, "  at the measured ");
        render_size(s->measured_rate, file);
        vv_text_duration(seconds, text);
        fprintf(file, "/s that takes %s", text);
        vv_time_format(clock->realtime(clock) + (int64_t)seconds * 1000000000, text);
        fprintf(file, ": begun now, ready at %s\n", text);
    }
}

static void
put_verified(const struct restore_summary *s, const struct restore_options *o, FILE *file)
{
    if (!s->verified && s->not_verified == 0) {
        fprintf(file, o->verify ? "  not verified\n" : "  not verified (--no-verify)\n");
        return;
    }
    fprintf(file, "  verified: ");
    render_count(s->verified_files, "file", "files", file);
    fprintf(file, ", ");
    render_size(s->verified_bytes, file);
    fprintf(file, " read back %s in ",
            s->verified_from_memory ? "from memory (the target has no device)" : "from the device");
    render_duration(s->verify_ns, file);
    if (s->verify_differences > 0) {
        fprintf(file, ": ");
        render_count(s->verify_differences, "difference", "differences", file);
        fprintf(file, " (named above)\n");
    } else {
        fprintf(file, s->verified ? ", all as in the snapshot\n" : ", as in the snapshot\n");
    }
    put_line(s->not_verified, "entry not verified (named above)",
             "entries not verified (named above)", file);
}

void
render_restore(const struct restore_summary *s, const struct restore_options *o, FILE *file)
{
    if (o->dry_run) {
        put_dry_run(s, file);
    } else {
        fprintf(file, "  restored ");
        render_count(s->files, "file", "files", file);
        fprintf(file, ", ");
        render_count(s->directories, "directory", "directories", file);
        fprintf(file, ", ");
        render_count(s->others, "other entry", "other entries", file);
        fprintf(file, ": ");
        render_size(s->bytes, file);
        fprintf(file, " in ");
        render_duration(s->duration_ns, file);
        fputc('\n', file);
    }
    put_line(s->hard_links, "hard link", "hard links", file);
    put_line(s->already, "entry was there already", "entries were there already", file);
    put_line(s->kept, "different entry kept (--overwrite never)",
             "different entries kept (--overwrite never)", file);
    put_line(s->deleted, o->dry_run ? "entry would be deleted" : "entry deleted",
             o->dry_run ? "entries would be deleted" : "entries deleted", file);
    put_line(s->damaged, "file damaged in the repository, not restored (named above)",
             "files damaged in the repository, not restored (named above)", file);
    put_line(s->failed, "entry could not be written (named above)",
             "entries could not be written (named above)", file);
    if (!o->dry_run) {
        put_verified(s, o, file);
    }
}
