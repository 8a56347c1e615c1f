/* SPDX-License-Identifier: BSD-2-Clause */
/* What a job did. */
#include "job_report.h"

#include <string.h>

#include "core/clock.h"
#include "core/text.h"

/* What a part that has failed ends the run with: a program that is none of ours fails with 1. */
static enum exit_code
code_of(const struct job_result *r)
{
    static const enum exit_code known[] = {
        EXIT_FAILED,  EXIT_USAGE,       EXIT_PROBLEMS, EXIT_NO_REPOSITORY, EXIT_WRONG_KEY,
        EXIT_CORRUPT, EXIT_UNREACHABLE, EXIT_FORGED,   EXIT_NO_SPACE,      EXIT_REFUSED};

    if (r->state == JOB_DONE || r->state == JOB_LEFT_OUT) {
        return EXIT_DONE;
    }
    for (size_t i = 0; r->command == NULL && i < VV_COUNT(known); i++) {
        if (r->process.code == (int)known[i]) {
            return known[i];
        }
    }
    return EXIT_FAILED;
}

enum exit_code
job_report_code(const struct job_report *r)
{
    enum exit_code code = r->cancelled ? EXIT_INTERRUPTED : r->overdue ? EXIT_FAILED : EXIT_DONE;

    for (size_t i = 0; i < r->count; i++) {
        code = exit_code_worse(code, code_of(&r->results[i]));
    }
    return code;
}

const char *
job_state_name(enum job_state s)
{
    switch (s) {
    case JOB_DONE:
        return "ok";
    case JOB_PROBLEMS:
        return "problems";
    case JOB_FAILED:
        return "failed";
    case JOB_LEFT_OUT:
        break;
    }
    return "left out";
}

/* ---- text ---- */

/* What the part itself has to say, indented. */
static void
print_output(const struct vv_buf *output)
{
    struct vv_span rest = vv_span(output->data, output->len);

    while (rest.len > 0) {
        const uint8_t *end = memchr(rest.data, '\n', rest.len);
        size_t len = end != NULL ? (size_t)(end - rest.data) : rest.len;
        struct vv_buf line = {0};
        vv_text_escape(&line, vv_span(rest.data, len));
        printf("      %s\n", vv_buf_text(&line));
        vv_buf_release(&line);
        len += end != NULL;
        rest = vv_span(rest.data + len, rest.len - len);
    }
}

/* "  backup      failed    3 s, exit code 13" */
static void
put_result(const struct job_result *r, struct vv_buf *out)
{
    char duration[32];

    vv_text_duration(r->process.milliseconds / 1000, duration);
    vv_buf_printf(out, "  %-11s %-9s %s", r->name, job_state_name(r->state),
                  r->state == JOB_LEFT_OUT ? r->why : duration);
    if (r->state == JOB_FAILED || r->state == JOB_PROBLEMS) {
        if (r->why[0] != '\0') {
            vv_buf_printf(out, ", %s", r->why);
        } else {
            vv_buf_printf(out, ", exit code %d", r->process.code);
        }
    }
}

static void
print_result(const struct job_result *r)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf line = {0};

    put_result(r, &line);
    printf("%s", vv_buf_text(&line));
    if (r->command != NULL) {
        printf(": ");
        message_print(r->command, stdout);
    }
    printf("\n");
    print_output(&r->process.output);
}

static void
print_text(const char *name, const struct job_report *r, int64_t began, enum exit_code code,
           const struct job_notify *n)
{
    char when[VV_TIME_TEXT];

    vv_time_format(began, when);
    printf("job '%s', %s: %s\n", name, when,
           code == EXIT_DONE          ? "all went well"
           : code == EXIT_PROBLEMS    ? "done, with problems"
           : code == EXIT_INTERRUPTED ? "stopped"
           : r->overdue               ? "FAILED, it took longer than max-runtime"
                                      : "FAILED");
    for (size_t i = 0; i < r->count; i++) {
        print_result(&r->results[i]);
    }
    if (r->count == 0) {
        printf("  there is nothing to do in it\n");
    }
    job_notify_print(n);
}

/* ---- JSON ---- */

static void
print_json(struct json *j, const char *name, const struct job_report *r, int64_t began,
           enum exit_code code, const struct job_notify *n)
{
    json_put_object(j, NULL);
    json_put_text(j, "job", name);
    json_put_text(j, "run", n->run);
    json_put_time(j, "began", began);
    json_put_i64(j, "exit_code", (int64_t)code);
    json_put_array(j, "parts");
    for (size_t i = 0; i < r->count; i++) {
        const struct job_result *p = &r->results[i];
        json_put_object(j, NULL);
        json_put_text(j, "part", p->name);
        if (p->command != NULL) {
            json_put_bytes(j, "command", vv_span(p->command, strlen(p->command)));
        }
        json_put_text(j, "state", job_state_name(p->state));
        if (p->why[0] != '\0') {
            json_put_text(j, "why", p->why);
        }
        if (p->state != JOB_LEFT_OUT) {
            json_put_i64(j, "exit_code", p->process.code);
            json_put_real(j, "seconds", (double)p->process.milliseconds / 1000);
        }
        if (p->process.output.len > 0) {
            json_put_document(j, "output", vv_buf_span(&p->process.output));
        }
        json_put_end(j);
    }
    json_put_end(j);
    job_notify_json(n, j);
    json_put_end(j);
}

void
job_report_summary(const struct job_report *r, struct vv_buf *out)
{
    for (size_t i = 0; i < r->count; i++) {
        put_result(&r->results[i], out);
        vv_buf_put_u8(out, '\n');
    }
}

void
job_report_print(struct app *app, const char *name, const struct job_report *r, int64_t began,
                 enum exit_code code, const struct job_notify *n)
{
    struct json *j = app_json(app);

    if (j != NULL) {
        print_json(j, name, r, began, code, n);
    } else if (!app->global.quiet || code != EXIT_DONE) {
        print_text(name, r, began, code, n);
    }
}
