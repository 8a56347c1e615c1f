/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines of crontabs. */
#include <ctype.h>
#include <string.h>

#include "service/scheduled_job.h"

#define PATHS "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define BLOCK_BEGIN                                                                                \
    "# BEGIN varve schedule: written by 'varve schedule install', changes are lost\n"
#define BLOCK_END "# END varve schedule\n"

/* In quotes for a shell where it needs them; '%' is the end of a line for cron unless a backslash is
 * before it, in quotes as well, and that is taken away. */
static void
put_word(struct vv_buf *out, const char *word)
{
    static const char plain[] = "+-./:=@_,%";
    bool quote = word[0] == '\0';

    for (const char *c = word; *c != '\0'; c++) {
        quote = quote || (!isalnum((unsigned char)*c) && strchr(plain, *c) == NULL);
    }
    vv_buf_put_text(out, quote ? "'" : "");
    for (const char *c = word; *c != '\0'; c++) {
        if (*c == '\'') {
            vv_buf_put_text(out, "'\\'");
        } else if (*c == '%') {
            vv_buf_put_text(out, "\\");
        }
        vv_buf_put(out, c, 1);
    }
    vv_buf_put_text(out, quote ? "'" : "");
}

/*
 * Settings of a user's crontab would count for the lines behind ours as well, so there env(1) makes them.
 * Where the program is gone (a package that was removed leaves the lines), there is nothing to do and no mail.
 */
static void
put_command(struct vv_buf *out, const char *const *words, const char *const *environment,
            const char *user)
{
    vv_buf_put_text(out, "[ ! -x ");
    put_word(out, words[0]);
    vv_buf_put_text(out, " ] || ");
    if (user == NULL || environment[0] != NULL) {
        vv_buf_put_text(out, "/usr/bin/env ");
    }
    if (user == NULL) {
        vv_buf_put_text(out, "PATH=" PATHS " ");
    }
    for (size_t i = 0; environment[i] != NULL; i++) {
        put_word(out, environment[i]);
        vv_buf_put_text(out, " ");
    }
    vv_buf_put_text(out, "nice -n 10 ionice -c 2 -n 7");
    for (size_t i = 0; words[i] != NULL; i++) {
        vv_buf_put_text(out, " ");
        put_word(out, words[i]);
    }
    vv_buf_put_text(out, "\n");
}

static void
put_user(struct vv_buf *out, const char *user)
{
    if (user != NULL) {
        vv_buf_printf(out, "%s ", user);
    }
}

void
crontab_put_begin(struct vv_buf *out)
{
    vv_buf_put_text(out, SCHEDULE_MARK ": changes are lost.\n"
                                       "SHELL=/bin/sh\n"
                                       "PATH=" PATHS "\n");
}

void
crontab_put_title(const struct scheduled_job *j, struct vv_buf *out)
{
    if (j->kind == SCHEDULED_STATUS) {
        vv_buf_put_text(out, "are all jobs well? ");
    } else {
        vv_buf_printf(out, "job '%s': ", j->name);
    }
}

void
crontab_put_job(const struct scheduled_job *j, const char *user, struct vv_buf *out)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf fields = {0};
    char *line;
    char *end;

    schedule_crontab(&j->schedule, &fields);
    vv_buf_put_u8(&fields, 0);
    if (fields.failed) {
        out->failed = true;
        return;
    }
    vv_buf_put_text(out, "# ");
    crontab_put_title(j, out);
    vv_buf_printf(out, "%s\n", j->schedule_text);
    for (line = (char *)fields.data; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        vv_buf_printf(out, "%.*s ", (int)(end - line), line);
        put_user(out, user);
        put_command(out, j->words, j->environment, user);
    }
}

void
crontab_put_missed(const char *const *words, const char *const *environment, const char *user,
                   struct vv_buf *out)
{
    vv_buf_put_text(out, "# what was due while the machine was off\n@reboot ");
    put_user(out, user);
    put_command(out, words, environment, user);
}

/* ---- a user's crontab ---- */

/* Where a line that is ${mark} begins, from ${from} on; the length of the text: nowhere. */
static size_t
find_line(struct vv_span text, size_t from, const char *mark)
{
    size_t len = strlen(mark);

    while (from < text.len) {
        const uint8_t *end = memchr(text.data + from, '\n', text.len - from);
        if (text.len - from >= len - 1 && memcmp(text.data + from, mark, len - 1) == 0 &&
            (text.len - from == len - 1 || text.data[from + len - 1] == '\n')) {
            return from;
        }
        if (end == NULL) {
            break;
        }
        from = (size_t)(end - text.data) + 1;
    }
    return text.len;
}

/* Where the lines of both marks begin; both the length of the text: they are not there. */
static enum vv_rc
find_block(struct vv_span text, size_t *ret_begin, size_t *ret_end, struct vv_error *err)
{
    size_t begin = find_line(text, 0, BLOCK_BEGIN);
    size_t end = find_line(text, 0, BLOCK_END);

    if ((begin == text.len) != (end == text.len) || (begin != text.len && end < begin) ||
        (begin != text.len && find_line(text, begin + 1, BLOCK_BEGIN) != text.len)) {
        (void)vv_error_set(err, VV_EREFUSED,
                           "the marks around varve's lines in the crontab are damaged");
        vv_error_hint(err, "with 'crontab -e' remove all between and with '# BEGIN varve schedule' "
                           "and '# END varve schedule'");
        return VV_EREFUSED;
    }
    *ret_begin = begin;
    *ret_end = end;
    return VV_OK;
}

enum vv_rc
crontab_block(struct vv_span text, struct vv_span *ret, struct vv_error *err)
{
    size_t begin;
    size_t end;

    VV_TRY(find_block(text, &begin, &end, err));
    *ret = (struct vv_span){0};
    if (begin < text.len) {
        begin += strlen(BLOCK_BEGIN);
        *ret = vv_span(text.data + begin, end - begin);
    }
    return VV_OK;
}

enum vv_rc
crontab_replace_block(struct vv_span text, struct vv_span block, struct vv_buf *out,
                      struct vv_error *err)
{
    size_t begin;
    size_t end;
    size_t behind;

    VV_TRY(find_block(text, &begin, &end, err));
    vv_buf_put(out, text.data, begin);
    if (block.len > 0) {
        if (begin > 0 && text.data[begin - 1] != '\n') {
            vv_buf_put_text(out, "\n");
        }
        vv_buf_put_text(out, BLOCK_BEGIN);
        vv_buf_put(out, block.data, block.len);
        vv_buf_put_text(out, BLOCK_END);
    }
    behind = end + strlen(BLOCK_END);
    if (behind < text.len) {
        vv_buf_put(out, text.data + behind, text.len - behind);
    }
    return vv_buf_check(out, err);
}
