/* SPDX-License-Identifier: BSD-2-Clause */
/* Text of unit files and crontabs: quoting, and what is left alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "service/scheduled_job.h"

static struct scheduled_job
job(void)
{
    static const char *const words[] = {
        "/opt/var ve%d/bin/varve", "--config=/a\\b\"c$d.conf", "run", "--quiet", "web", NULL};
    static const char *const environment[] = {"VARVE_STATE_DIR=/var/my $tate/100%", NULL};
    static const char *const writable[] = {"/mnt/back up/100%$x", "/mnt/second", NULL};
    struct scheduled_job j = {.name = "web",
                              .schedule_text = "daily 02:30 14:45",
                              .jitter_s = 90,
                              .words = words,
                              .environment = environment,
                              .writable = writable};

    assert_int_equal(schedule_parse(j.schedule_text, &j.schedule, NULL), VV_OK);
    return j;
}

static void
assert_has(struct vv_buf *text, const char *line)
{
    if (strstr(vv_buf_text(text), line) == NULL) {
        fail_msg("'%s' is not in:\n%s", line, vv_buf_text(text));
    }
}

static void
assert_lacks(struct vv_buf *text, const char *line)
{
    if (strstr(vv_buf_text(text), line) != NULL) {
        fail_msg("'%s' is in:\n%s", line, vv_buf_text(text));
    }
}

static void
unit_text__quotes_what_systemd_would_take_for_its_own(void **state)
{
    struct scheduled_job j = job();
    struct vv_buf out = {0};

    (void)state;
    unit_put_service(&j, false, &out);
    assert_true(schedule_marked(vv_buf_span(&out)));
    assert_has(&out,
               "\nExecStart=\"/opt/var ve%%d/bin/varve\" \"--config=/a\\\\b\\\"c$$d.conf\" run "
               "--quiet web\n");
    /* No variables there, but specifiers. */
    assert_has(&out, "\nEnvironment=\"VARVE_STATE_DIR=/var/my $tate/100%%\"\n");
    assert_has(&out, "\nReadWritePaths=\"-/mnt/back up/100%%$x\" -/mnt/second\n");
    vv_buf_release(&out);
}

static void
unit_text__restricts_by_what_a_job_has(void **state)
{
    struct scheduled_job j = job();
    struct vv_buf out = {0};

    (void)state;
    unit_put_service(&j, false, &out);
    assert_has(&out, "\nProtectSystem=strict\n");
    assert_has(&out, "\nSystemCallFilter=~@mount\n");
    assert_has(&out, "\nDevicePolicy=closed\n");
    assert_has(&out, "\nEnvironment=HOME=%h\n");
    assert_lacks(&out, "DeviceAllow=");
    assert_lacks(&out, "CAP_SETUID");
    assert_lacks(&out, "CAP_CHOWN");
    assert_lacks(&out, "StateDirectory=");
    assert_lacks(&out, "CacheDirectory=");
    vv_buf_reset(&out);
    j.commands = true;
    j.state_directory = true;
    unit_put_service(&j, false, &out);
    assert_has(&out, "\nProtectSystem=full\n");
    assert_has(&out, "\nDevicePolicy=closed\n");
    assert_has(&out, "\nDeviceAllow=block-* rwm\n");
    assert_has(&out, " CAP_KILL\n");
    assert_has(&out, " AF_NETLINK\n");
    assert_lacks(&out, "CAP_CHOWN");
    assert_lacks(&out, "@mount");
    assert_lacks(&out, "ProtectHome");
    assert_has(&out, "\nStateDirectory=varve\n");
    assert_lacks(&out, "CacheDirectory=");
    vv_buf_reset(&out);
    j.restores = true;
    unit_put_service(&j, false, &out);
    assert_has(&out, "\nCapabilityBoundingSet=CAP_CHOWN ");
    assert_has(&out, "\nRestrictSUIDSGID=yes\n");
    assert_lacks(&out, "AF_NETLINK");
    vv_buf_reset(&out);
    /* A user's manager has no rights to take away, and fails when it is asked to. */
    unit_put_service(&j, true, &out);
    assert_lacks(&out, "Protect");
    assert_lacks(&out, "Capability");
    assert_lacks(&out, "network-online");
    assert_has(&out, "\nNice=10\n");
    vv_buf_release(&out);
}

static void
unit_text__is_passed_over_where_the_program_is_gone(void **state)
{
    static const char *const lost[] = {"/opt/varve ", "run", NULL};
    static const char *const continued[] = {"/opt/varve\\", "run", NULL};
    struct scheduled_job j = job();
    struct vv_buf out = {0};

    (void)state;
    unit_put_service(&j, false, &out);
    assert_has(&out,
               "(1)\nConditionFileIsExecutable=/opt/var ve%%d/bin/varve\n"); /* no quotes there */
    vv_buf_reset(&out);
    unit_put_service(&j, true, &out);
    assert_has(&out, "\nConditionFileIsExecutable=/opt/var ve%%d/bin/varve\n");
    vv_buf_reset(&out);
    /* What systemd would read as another path is no condition that is ever met. */
    j.words = lost;
    unit_put_service(&j, false, &out);
    assert_lacks(&out, "Condition");
    vv_buf_reset(&out);
    j.words = continued;
    unit_put_service(&j, false, &out);
    assert_lacks(&out, "Condition");
    vv_buf_reset(&out);
    /* A timer that was passed over at the start of the machine would not come back with the program. */
    unit_put_timer(&j, &out);
    assert_lacks(&out, "Condition");
    vv_buf_release(&out);
}

static void
unit_text__has_a_timer_with_every_expression(void **state)
{
    struct scheduled_job j = job();
    struct vv_buf out = {0};

    (void)state;
    unit_put_timer(&j, &out);
    assert_true(schedule_marked(vv_buf_span(&out)));
    assert_has(&out, "\n[Timer]\nOnCalendar=*-*-* 02:30:00\nOnCalendar=*-*-* 14:45:00\n#");
    assert_has(&out, "\nRandomizedDelaySec=90\n");
    assert_has(&out, "\nPersistent=true\n");
    assert_has(&out, "\nWantedBy=timers.target\n");
    vv_buf_release(&out);
}

static void
crontab_text__quotes_for_the_shell_and_for_cron(void **state)
{
    static const char *const words[] = {"/opt/it's/varve", "--config=/etc/a b%c", "run", "", NULL};
    static const char *const none[] = {NULL};
    struct scheduled_job j = job();
    struct vv_buf out = {0};

    (void)state;
    j.words = words;
    crontab_put_begin(&out);
    assert_true(schedule_marked(vv_buf_span(&out)));
    vv_buf_reset(&out);
    crontab_put_job(&j, "root", &out);
    assert_string_equal(vv_buf_text(&out),
                        "# job 'web': daily 02:30 14:45\n"
                        "30 2 * * * root [ ! -x '/opt/it'\\''s/varve' ] || /usr/bin/env "
                        "'VARVE_STATE_DIR=/var/my $tate/100\\%' nice -n 10 ionice -c "
                        "2 "
                        "-n 7 '/opt/it'\\''s/varve' '--config=/etc/a b\\%c' run ''\n"
                        "45 14 * * * root [ ! -x '/opt/it'\\''s/varve' ] || /usr/bin/env "
                        "'VARVE_STATE_DIR=/var/my $tate/100\\%' nice -n 10 ionice -c "
                        "2 -n 7 '/opt/it'\\''s/varve' '--config=/etc/a b\\%c' run ''\n");
    vv_buf_reset(&out);
    /* Where a setting would count for lines of others, too. */
    crontab_put_missed(words, none, NULL, &out);
    assert_has(&out,
               "\n@reboot [ ! -x '/opt/it'\\''s/varve' ] || /usr/bin/env PATH=/usr/local/sbin:");
    assert_has(&out, ":/bin nice -n 10 ");
    vv_buf_release(&out);
}

static void
schedule_text__has_no_control_characters(void **state)
{
    (void)state;
    assert_true(schedule_text_fits("/srv/a b\"'%$\\"));
    assert_true(schedule_text_fits("/srv/\xc3\xa4"));
    assert_false(schedule_text_fits("/srv/a\nb"));
    assert_false(schedule_text_fits("/srv/a\tb"));
    assert_false(schedule_marked(vv_span("# Written by hand", 17)));
    assert_false(schedule_marked(vv_span("# Written", 9)));
}

/* ---- a user's crontab ---- */

static struct vv_span
span_of(const char *text)
{
    return vv_span(text, strlen(text));
}

static void
assert_replaced(const char *before, const char *block, const char *after)
{
    struct vv_error err = {0};
    struct vv_buf out = {0};

    if (crontab_replace_block(span_of(before), span_of(block), &out, &err) != VV_OK) {
        fail_msg("%s", err.message);
    }
    assert_string_equal(vv_buf_text(&out), after);
    vv_buf_release(&out);
}

#define BEGIN "# BEGIN varve schedule: written by 'varve schedule install', changes are lost\n"
#define END "# END varve schedule\n"

static void
crontab_text__leaves_the_lines_of_others(void **state)
{
    struct vv_span block = {0};

    (void)state;
    assert_replaced("", "x\n", BEGIN "x\n" END);
    assert_replaced("1 2 * * * mine\n", "x\n", "1 2 * * * mine\n" BEGIN "x\n" END);
    assert_replaced("1 2 * * * mine", "x\n", "1 2 * * * mine\n" BEGIN "x\n" END);
    assert_replaced("a\n" BEGIN "x\ny\n" END "b\n", "z\n", "a\n" BEGIN "z\n" END "b\n");
    assert_replaced("a\n" BEGIN "x\n" END "b", "", "a\nb");
    assert_replaced(BEGIN "x\n# END varve schedule", "", "");
    assert_replaced("a\n", "", "a\n");
    /* What only looks like it is another's. */
    assert_replaced(" " BEGIN "# END varve schedules\n", "", " " BEGIN "# END varve schedules\n");

    assert_int_equal(crontab_block(span_of("a\n" BEGIN "x\ny\n" END), &block, NULL), VV_OK);
    assert_int_equal(block.len, 4);
    assert_memory_equal(block.data, "x\ny\n", 4);
    assert_int_equal(crontab_block(span_of("a\n"), &block, NULL), VV_OK);
    assert_int_equal(block.len, 0);
}

static void
crontab_text__does_not_guess_where_its_lines_end(void **state)
{
    static const char *const damaged[] = {"a\n" BEGIN "x\nmine\n", "a\nx\n" END "b\n",
                                          END "x\n" BEGIN, BEGIN "x\n" BEGIN "y\n" END};

    (void)state;
    for (size_t i = 0; i < VV_COUNT(damaged); i++) {
        struct vv_error err = {0};
        struct vv_buf out = {0};
        struct vv_span block = {0};
        assert_int_equal(crontab_replace_block(span_of(damaged[i]), span_of("z\n"), &out, &err),
                         VV_EREFUSED);
        assert_non_null(strstr(err.message, "damaged"));
        assert_int_equal(out.len, 0);
        assert_int_equal(crontab_block(span_of(damaged[i]), &block, NULL), VV_EREFUSED);
        vv_buf_release(&out);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unit_text__quotes_what_systemd_would_take_for_its_own),
        cmocka_unit_test(unit_text__restricts_by_what_a_job_has),
        cmocka_unit_test(unit_text__is_passed_over_where_the_program_is_gone),
        cmocka_unit_test(unit_text__has_a_timer_with_every_expression),
        cmocka_unit_test(crontab_text__quotes_for_the_shell_and_for_cron),
        cmocka_unit_test(schedule_text__has_no_control_characters),
        cmocka_unit_test(crontab_text__leaves_the_lines_of_others),
        cmocka_unit_test(crontab_text__does_not_guess_where_its_lines_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
