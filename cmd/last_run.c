/* SPDX-License-Identifier: BSD-2-Clause */
/* When a job was last run: a line in run-JOB.last. */
#include "last_run.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "core/file.h"

#define RECORD_MOST 256u

static enum vv_rc
record_path(const char *directory, const char *job, struct vv_buf *out, struct vv_error *err)
{
    vv_buf_printf(out, "%s/run-%s.last", directory, job);
    return vv_buf_check(out, err);
}

enum vv_rc
last_run_read(const char *directory, const char *job, struct last_run *ret, bool *ret_found,
              struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf path = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf text = {0};
    struct last_run run = {0};
    int code;
    int used = 0;
    enum vv_rc rc;

    VV_TRY(record_path(directory, job, &path, err));
    rc = vv_file_read(AT_FDCWD, vv_buf_text(&path), RECORD_MOST, &text, err);
    *ret_found = false;
    if (rc == VV_ENOTFOUND || rc == VV_ELIMIT) {
        vv_error_clear(err);
        return VV_OK;
    }
    VV_TRY(rc);
    /* NOLINTNEXTLINE(cert-err34-c): a number too large reads as another time, and is judged as one */
    if (sscanf(vv_buf_text(&text), "began %" SCNd64 " ended %" SCNd64 " code %d\n%n", &run.began,
               &run.ended, &code, &used) == 3 &&
        (size_t)used == text.len) {
        run.code = (enum exit_code)code;
        *ret = run;
        *ret_found = true;
    }
    return VV_OK;
}

enum vv_rc
last_run_write(const char *directory, const char *job, const struct last_run *run,
               struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf path = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf text = {0};

    VV_TRY(record_path(directory, job, &path, err));
    vv_buf_printf(&text, "began %" PRId64 " ended %" PRId64 " code %d\n", run->began, run->ended,
                  (int)run->code);
    VV_TRY(vv_buf_check(&text, err));
    return vv_error_origin(
        err, VV_ORIGIN_LOCAL,
        vv_file_replace(AT_FDCWD, vv_buf_text(&path), vv_buf_span(&text), 0600, err));
}
