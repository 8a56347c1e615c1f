/* SPDX-License-Identifier: BSD-2-Clause */
/* varve export SNAP[:PATH] [--format tar|zip] [-o FILE]: an archive other programs read. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands.h"
#include "core/file.h"
#include "engine/look.h"
#include "render.h"
#include "snapshot_argument.h"

struct export_options {
    const char *output;
    const char *host;
    int format;
};
static const char *const formats[] = {"tar", "zip", NULL};
static const struct option_spec specs[] = {
    {"format", '\0', OPTION_CHOICE, offsetof(struct export_options, format), "FORMAT",
     "tar (default; keeps everything but inode flags) or zip", formats},
    {"output", 'o', OPTION_TEXT, offsetof(struct export_options, output), "FILE",
     "write this new file (default, and '-': standard output, if it is no terminal)", NULL},
    {"host", '\0', OPTION_TEXT, offsetof(struct export_options, host), "HOST",
     "whose 'latest' is meant (default: this host)", NULL},
    OPTION_END,
};

/** Open FILE.  What exists and is a regular file is left alone; devices and pipes are fine. */
static enum vv_rc
open_output(struct app *app, const char *path, int *ret, bool *ret_made)
{
    struct stat st;
    bool special = stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
    int fd = special ? open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY)
                     : open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    enum vv_rc rc;

    if (fd < 0) {
        rc = vv_error_sys(&app->err, errno, "cannot create '%s'", path);
        if (rc == VV_EEXISTS) {
            vv_error_hint(&app->err, "name another file; an existing one is never overwritten");
        }
        return vv_error_origin(&app->err, VV_ORIGIN_TARGET, rc);
    }
    *ret = fd;
    *ret_made = !special;
    return VV_OK;
}

/** Write the archive to ${fd}, durably if it is a file of ours. */
static enum vv_rc
write_archive(struct app *app, const struct export_options *o, struct snapshot_argument *a, int fd,
              bool to_stdout, bool made)
{
    static const char *const phases[] = {"exporting"};
    struct vv_progress *progress = app_progress(app, phases, VV_COUNT(phases));
    enum vv_rc rc =
        look_export(app->repo, a->snapshot, vv_buf_span(&a->path.path), formats[o->format], fd,
                    to_stdout ? "standard output" : o->output, progress, &app->err);

    progress_stop(&app->progress);
    if (rc == VV_OK && made && fsync(fd) != 0) {
        rc = vv_error_origin(&app->err, VV_ORIGIN_TARGET,
                             vv_error_sys(&app->err, errno, "cannot write '%s'", o->output));
    }
    return rc;
}

static void
report(struct app *app, const struct export_options *o, const struct snapshot_argument *a, int fd)
{
    struct json *j = app_json(app);
    struct stat st;
    uint64_t size = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;

    if (j != NULL) {
        render_json_uuid(j, "snapshot", &a->snapshot->id);
        json_put_text(j, "format", formats[o->format]);
        json_put_text(j, "file", o->output);
        json_put_u64(j, "bytes", size);
    } else if (!app->global.quiet) {
        messages_say(&app->messages, "wrote '%s'", o->output);
    }
}

static enum vv_rc
export_snapshot(struct app *app, const struct export_options *o, struct snapshot_argument *a)
{
    bool to_stdout = o->output == NULL || strcmp(o->output, "-") == 0;
    bool made = false;
    int fd = STDOUT_FILENO;
    enum vv_rc rc;

    if (!to_stdout) {
        VV_TRY(open_output(app, o->output, &fd, &made));
    }
    rc = write_archive(app, o, a, fd, to_stdout, made);
    if (rc == VV_OK && !to_stdout) {
        report(app, o, a, fd);
    }
    if (rc != VV_OK && to_stdout && app->err.sys == EPIPE) {
        app->output_closed = true;
        rc = VV_OK;
    }
    if (!to_stdout) {
        vv_fd_close(fd);
    }
    if (rc != VV_OK && made) {
        (void)unlink(o->output); /* half an archive is worse than none */
    }
    return rc;
}

static enum exit_code
run(struct app *app, int argc, char **argv)
{
    struct export_options o = {0};
    struct snapshot_argument a = {0};
    struct arguments args = {0};
    enum vv_rc rc = VV_OK;
    bool to_stdout;

    if (!app_arguments(app, &o, argc, argv, 1, 1, &args)) {
        return app_finish(app, app->err.rc, EXIT_DONE);
    }
    to_stdout = o.output == NULL || strcmp(o.output, "-") == 0;
    if (to_stdout && isatty(STDOUT_FILENO) == 1) {
        rc = app_usage(app, "an archive is not for a terminal: give -o FILE");
    } else if (to_stdout && app->global.json) {
        rc = app_usage(app, "--json and an archive both want standard output: give -o FILE");
    }
    if (rc == VV_OK) {
        rc = snapshot_argument_open(app, args.items[0], o.host, &a);
    }
    if (rc == VV_OK) {
        rc = export_snapshot(app, &o, &a);
    }
    snapshot_argument_release(&a);
    arguments_release(&args);
    return app_finish(app, rc, app->output_closed ? EXIT_FAILED : EXIT_DONE);
}

const struct command cmd_export = {
    .name = "export",
    .arguments = "SNAP[:PATH]",
    .summary = "write a snapshot as a tar or zip archive",
    .specs = specs,
    .run = run,
};
