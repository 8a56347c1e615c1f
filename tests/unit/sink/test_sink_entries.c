/* SPDX-License-Identifier: BSD-2-Clause */

/* Every type of entry with every attribute, restored and read back, as root and as a user. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "sink/helper_sink.h"

/* user::rw- user:12345:rwx group::r-- mask::rwx other::--- */
static const uint8_t acl_access[] = {
    2, 0,   0,   0,   1,   0,  6, 0, 255, 255, 255, 255, 2,   0,  7, 0, 57, 48,  0,   0,   4,  0, 4,
    0, 255, 255, 255, 255, 16, 0, 7, 0,   255, 255, 255, 255, 32, 0, 0, 0,  255, 255, 255, 255};
/* cap_net_bind_service+ep, revision 2 */
static const uint8_t capability[] = {1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};

static struct xattr
attribute(const char *name, const void *value, size_t len)
{
    return (struct xattr){.name = text(name), .value = vv_span(value, len)};
}

static struct stat
stat_of(const struct scratch *dir, const char *path)
{
    struct stat st = {0};
    char full[512];

    (void)snprintf(full, sizeof(full), "%s/target/%s", dir->path, path);
    CHECK(lstat(full, &st) == 0);
    return st;
}

/* A tree with everything an ordinary user may make. */
static void
scenario_all_types(const struct scratch *dir)
{
    struct counting_events events;
    struct sink *s;
    struct vv_error *err = helper_error();
    struct entry d = make_entry(ENTRY_DIRECTORY, "d", 0555);
    struct entry f = make_entry(ENTRY_FILE, "d/f", 04755);
    struct entry g = make_entry(ENTRY_FILE, "d/read only", 0440);
    struct entry l = make_entry(ENTRY_SYMLINK, "d/link", 0777);
    struct entry p = make_entry(ENTRY_FIFO, "d/pipe", 0620);
    struct entry empty = make_entry(ENTRY_FILE, "d/\xff\x01 empty", 0600);
    struct xattr user[2] = {attribute("user.empty", "", 0), attribute("user.x", "value", 5)};
    struct xattr acl[1] = {attribute("system.posix_acl_access", acl_access, sizeof(acl_access))};
    struct xattr directory[1] = {attribute("user.directory", "yes", 3)};

    counting_events_init(&events);
    s = open_sink(dir, SINK_NEVER, &events);
    d.xattrs = directory;
    d.xattr_count = 1;
    f.inode_flags = FS_NODUMP_FL | FS_NOATIME_FL;
    g.xattrs = user;
    g.xattr_count = 2;
    l.target = text("../no/such/place");
    l.size = l.target.len;
    empty.xattrs = acl;
    empty.xattr_count = 1;
    empty.mode = 0670;
    p.mtime.sec = -100;
    CHECK_OK(sink_directory(s, &d, err));
    CHECK_OK(put_file(s, &f, "content", 7, err));
    CHECK_OK(put_file(s, &g, "abc", 3, err));
    CHECK_OK(put_file(s, &empty, "", 0, err));
    CHECK_OK(sink_other(s, &l, err));
    CHECK_OK(sink_other(s, &p, err));
    struct entry hard = f;
    hard.path = text("d/second name");
    CHECK_OK(sink_link(s, &hard, f.path, err));
    CHECK_OK(sink_finish(s, err));
    CHECK(events.problems == 0) ? (void)0 : (void)fprintf(stderr, "%s", events.all);
    CHECK(stat_of(dir, "d/f").st_ino == stat_of(dir, "d/second name").st_ino);
    CHECK((stat_of(dir, "d/f").st_mode & 07777) == 04755);
    CHECK((stat_of(dir, "d").st_mode & 07777) == 0555);
    CHECK(stat_of(dir, "d").st_mtim.tv_nsec == 123456789);
    agrees(s, &d);
    agrees(s, &f);
    agrees(s, &g);
    agrees(s, &l);
    agrees(s, &p);
    agrees(s, &empty);
    sink_free(s);

    /* Again into the same target: all equal but for what is now looked at. */
    s = open_sink(dir, SINK_NEVER, &events);
    const struct entry *all[] = {&f, &g, &l, &p, &empty};
    CHECK_OK(sink_directory(s, &d, err));
    for (size_t i = 0; i < VV_COUNT(all); i++) {
        enum sink_existing e = SINK_ABSENT;
        CHECK_OK(sink_existing(s, all[i], &e, err));
        CHECK(e == SINK_EQUAL);
    }
    struct entry more = make_entry(ENTRY_FILE, "d/more", 0644); /* into a directory 0555 */
    CHECK_OK(put_file(s, &more, "x", 1, err));
    CHECK_OK(sink_finish(s, err));
    agrees(s, &d);
    agrees(s, &more);
    more.mode = 0600;
    differs_in(s, &more, "mode 0644 instead of 0600");
    more.mode = 0644;
    more.mtime.nsec++;
    differs_in(s, &more, "modification time");
    g.xattr_count = 1;
    differs_in(s, &g, "user.x too many");
    user[1].value = text("other");
    g.xattr_count = 2;
    differs_in(s, &g, "user.x with another value");
    l.target = text("elsewhere");
    differs_in(s, &l, "target");
    f.inode_flags = FS_NODUMP_FL;
    differs_in(s, &f, "inode flags dA instead of d");
    sink_free(s);
}

static void
entries__all_types_as_whoever_runs_this(void **state)
{
    struct scratch dir;

    (void)state;
    scratch_make(&dir);
    scenario_all_types(&dir);
    scratch_remove(&dir);
    assert_int_equal(helper_failures(), 0);
}

static void
entries__all_types_as_ordinary_user(void **state)
{
    struct scratch dir;

    (void)state;
    if (geteuid() != 0) {
        skip();
    }
    scratch_make(&dir);
    as_ordinary_user(scenario_all_types, &dir);
    scratch_remove(&dir);
    assert_int_equal(helper_failures(), 0);
}

static void
entries__root_restores_owners_devices_capabilities_flags(void **state)
{
    struct scratch dir;
    struct counting_events events;
    struct vv_error *err = helper_error();
    struct sink *s;
    struct entry d = make_entry(ENTRY_DIRECTORY, "d", 02770);
    struct entry f = make_entry(ENTRY_FILE, "d/f", 06755);
    struct entry c = make_entry(ENTRY_CHARACTER_DEVICE, "d/null", 0666);
    struct entry b = make_entry(ENTRY_BLOCK_DEVICE, "d/loop", 0640);
    struct entry l = make_entry(ENTRY_SYMLINK, "d/l", 0777);
    struct entry cap = make_entry(ENTRY_FILE, "d/cap", 0755);
    struct xattr x[2] = {attribute("security.capability", capability, sizeof(capability)),
                         attribute("trusted.t", "\0\1", 2)};
    struct xattr y[1] = {attribute("trusted.link", "v", 1)};

    (void)state;
    if (geteuid() != 0) {
        skip();
    }
    scratch_make(&dir);
    counting_events_init(&events);
    s = open_sink(&dir, SINK_NEVER, &events);
    d.uid = f.uid = c.uid = l.uid = cap.uid = 1234;
    d.gid = f.gid = b.gid = l.gid = cap.gid = 4321;
    d.inode_flags = FS_IMMUTABLE_FL | FS_NOATIME_FL;
    f.inode_flags = FS_APPEND_FL;
    c.flags = b.flags = ENTRY_HAS_DEVICE;
    c.major = 1;
    c.minor = 3;
    b.major = 7;
    b.minor = 70000;
    l.target = text("f");
    l.xattrs = y;
    l.xattr_count = 1;
    cap.xattrs = x;
    cap.xattr_count = 2;
    CHECK_OK(sink_directory(s, &d, err));
    CHECK_OK(put_file(s, &f, "1", 1, err));
    CHECK_OK(put_file(s, &cap, "2", 1, err));
    CHECK_OK(sink_other(s, &c, err));
    CHECK_OK(sink_other(s, &b, err));
    CHECK_OK(sink_other(s, &l, err));
    CHECK_OK(sink_finish(s, err));
    CHECK(events.problems == 0);
    agrees(s, &d);
    agrees(s, &f);
    agrees(s, &c);
    agrees(s, &b);
    agrees(s, &l);
    agrees(s, &cap);
    CHECK(stat_of(&dir, "d/f").st_uid == 1234 && stat_of(&dir, "d/f").st_gid == 4321);
    CHECK((stat_of(&dir, "d/f").st_mode & 07777) == 06755);
    c.uid = 0;
    differs_in(s, &c, "owner 1234 instead of 0");
    c.minor = 5;
    differs_in(s, &c, "device 1:3 instead of 1:5");
    sink_free(s);

    /* Everything is locked; changing it all must work nevertheless. */
    s = open_sink(&dir, SINK_CHANGED, &events);
    f.mode = 0600;
    f.uid = 99;
    cap.xattr_count = 0;
    CHECK_OK(sink_directory(s, &d, err));
    CHECK_OK(sink_attributes(s, &f, err));
    CHECK_OK(put_file(s, &cap, "changed", 7, err));
    CHECK_OK(sink_finish(s, err));
    agrees(s, &d);
    agrees(s, &f);
    agrees(s, &cap);
    CHECK_OK(sink_directory(s, &d, err));
    CHECK_OK(put_file(s, &f, "replaced", 8, err));
    CHECK_OK(sink_finish(s, err));
    agrees(s, &f);
    CHECK(events.problems == 0);
    sink_free(s);
    scratch_remove(&dir);
    assert_int_equal(helper_failures(), 0);
}

/* What a user restores of root's tree: named once a kind, and never with somebody's setuid. */
static void
scenario_not_permitted(const struct scratch *dir)
{
    struct counting_events events;
    struct vv_error *err = helper_error();
    struct sink *s;
    struct entry f[3] = {make_entry(ENTRY_FILE, "a", 06755), make_entry(ENTRY_FILE, "b", 04711),
                         make_entry(ENTRY_FILE, "c", 0644)};
    struct entry c = make_entry(ENTRY_CHARACTER_DEVICE, "null", 0666);
    struct xattr x[2] = {attribute("security.capability", capability, sizeof(capability)),
                         attribute("trusted.t", "v", 1)};

    counting_events_init(&events);
    s = open_sink(dir, SINK_NEVER, &events);
    for (size_t i = 0; i < 3; i++) {
        f[i].uid = 0;
        f[i].gid = 0;
        f[i].xattrs = x;
        f[i].xattr_count = 2;
        f[i].inode_flags = i == 2 ? FS_IMMUTABLE_FL : 0;
        CHECK_OK(put_file(s, &f[i], "x", 1, err));
    }
    c.uid = c.gid = 0;
    c.major = 1;
    c.minor = 3;
    CHECK_OK(sink_other(s, &c, err));
    CHECK(sink_withheld(s, &c));
    CHECK(!sink_withheld(s, &f[0]));
    CHECK_OK(sink_finish(s, err));
    CHECK((stat_of(dir, "a").st_mode & 07777) == 0755);
    CHECK(strstr(events.all, "not-permitted: owner of 3 entries") != NULL);
    CHECK(strstr(events.all, "not-permitted: group of 3 entries") != NULL);
    CHECK(strstr(events.all, "not-permitted: setuid and setgid bits of 2 entries") != NULL);
    CHECK(strstr(events.all, "not-permitted: device node of 1 entry") != NULL);
    CHECK(strstr(events.all, "not-permitted: file capabilities of 3 entries") != NULL);
    CHECK(strstr(events.all, "not-permitted: trusted attributes of 3 entries") != NULL);
    CHECK(strstr(events.all, "not-permitted: inode flags of 1 entry") != NULL);
    CHECK(events.problems == 7) ? (void)0 : (void)fprintf(stderr, "%s", events.all);
    for (size_t i = 0; i < 3; i++) {
        agrees(s, &f[i]);
    }
    sink_free(s);

    /* A new run, which has tried nothing yet, finds the same nothing to complain about. */
    s = open_sink(dir, SINK_NEVER, &events);
    for (size_t i = 0; i < 3; i++) {
        enum sink_existing e = SINK_ABSENT;
        CHECK_OK(sink_existing(s, &f[i], &e, err));
        CHECK(e == SINK_EQUAL);
    }
    sink_free(s);
}

static void
entries__user_is_told_once_a_kind_what_is_not_permitted(void **state)
{
    struct scratch dir;

    (void)state;
    scratch_make(&dir);
    if (geteuid() == 0) {
        as_ordinary_user(scenario_not_permitted, &dir);
    } else {
        scenario_not_permitted(&dir);
    }
    scratch_remove(&dir);
    assert_int_equal(helper_failures(), 0);
}

static void
entries__owner_by_name_and_none(void **state)
{
    struct scratch dir;
    char target[96];
    struct sink *s = NULL;
    struct vv_error *err = helper_error();
    struct entry f = make_entry(ENTRY_FILE, "f", 04755);
    struct entry g = make_entry(ENTRY_FILE, "g", 0644);

    (void)state;
    if (geteuid() != 0) {
        skip();
    }
    scratch_make(&dir);
    (void)snprintf(target, sizeof(target), "%s/target", dir.path);
    struct sink_fs_options o = {.target = target, .owner = SINK_OWNER_NAME};
    f.uid = g.uid = 4711;
    f.gid = g.gid = 4712;
    f.user = text("daemon");
    f.group = text("bin");
    g.user = text("no such user here");
    if (CHECK_OK(sink_fs_new(&o, &s, err))) {
        CHECK_OK(put_file(s, &f, "x", 1, err));
        CHECK_OK(put_file(s, &g, "x", 1, err));
        CHECK(stat_of(&dir, "f").st_uid == 1 && stat_of(&dir, "f").st_gid == 2);
        CHECK((stat_of(&dir, "f").st_mode & 07777) == 04755);
        CHECK(stat_of(&dir, "g").st_uid == 4711 && stat_of(&dir, "g").st_gid == 4712);
        agrees(s, &f);
        agrees(s, &g);
        sink_free(s);
    }
    o.owner = SINK_OWNER_NONE;
    s = NULL;
    if (CHECK_OK(sink_fs_new(&o, &s, err))) {
        f.path = text("h");
        CHECK_OK(put_file(s, &f, "x", 1, err));
        CHECK(stat_of(&dir, "h").st_uid == 0);
        CHECK((stat_of(&dir, "h").st_mode & 07777) == 0755); /* not root's setuid */
        agrees(s, &f);
        sink_free(s);
    }
    scratch_remove(&dir);
    assert_int_equal(helper_failures(), 0);
}

/* For a rehearsal: neither made nor missed, however often and by whoever asks. */
static void
entries__inert_ones_give_no_rights(void **state)
{
    struct scratch dir;
    struct counting_events events;
    char target[96];
    struct sink *s = NULL;
    struct vv_error *err = helper_error();
    struct entry d = make_entry(ENTRY_DIRECTORY, "d", 03755);
    struct entry f = make_entry(ENTRY_FILE, "d/f", 06755);
    struct entry c = make_entry(ENTRY_CHARACTER_DEVICE, "null", 0666);
    struct entry b = make_entry(ENTRY_BLOCK_DEVICE, "disk", 0660);
    struct entry again = c;

    (void)state;
    scratch_make(&dir);
    counting_events_init(&events);
    (void)snprintf(target, sizeof(target), "%s/target", dir.path);
    struct sink_fs_options o = {.target = target, .inert = true, .events = &events.base};
    d.uid = f.uid = c.uid = b.uid = geteuid();
    d.gid = f.gid = c.gid = b.gid = getegid();
    c.major = 1;
    c.minor = 3;
    again.path = text("again");
    if (CHECK_OK(sink_fs_new(&o, &s, err))) {
        CHECK_OK(sink_directory(s, &d, err));
        CHECK_OK(put_file(s, &f, "x", 1, err));
        CHECK_OK(sink_other(s, &c, err));
        CHECK_OK(sink_other(s, &b, err));
        CHECK_OK(sink_link(s, &again, c.path, err));
        CHECK_OK(sink_finish(s, err));
        CHECK((stat_of(&dir, "d").st_mode & 07777) == 01755);
        CHECK((stat_of(&dir, "d/f").st_mode & 07777) == 0755);
        CHECK(faccessat(dir.fd, "target/null", F_OK, AT_SYMLINK_NOFOLLOW) != 0);
        CHECK(faccessat(dir.fd, "target/again", F_OK, AT_SYMLINK_NOFOLLOW) != 0);
        CHECK(faccessat(dir.fd, "target/disk", F_OK, AT_SYMLINK_NOFOLLOW) != 0);
        CHECK(sink_withheld(s, &c) && sink_withheld(s, &b) && !sink_withheld(s, &f));
        agrees(s, &d);
        agrees(s, &f);
        CHECK(events.problems == 0) ? (void)0 : (void)fprintf(stderr, "%s", events.all);
        sink_free(s);
    }
    scratch_remove(&dir);
    assert_int_equal(helper_failures(), 0);
}

static void
entries__inherited_acls_do_not_stay(void **state)
{
    struct scratch dir;
    struct vv_error *err = helper_error();
    struct sink *s;
    struct entry f = make_entry(ENTRY_FILE, "d/f", 0640);
    struct entry d = make_entry(ENTRY_DIRECTORY, "d/e", 0750);
    char path[96];

    (void)state;
    scratch_make(&dir);
    (void)mkdirat(dir.fd, "target", 0700);
    (void)mkdirat(dir.fd, "target/d", 0700);
    (void)snprintf(path, sizeof(path), "%s/target/d", dir.path);
    if (setxattr(path, "system.posix_acl_default", acl_access, sizeof(acl_access), 0) != 0) {
        scratch_remove(&dir);
        skip();
    }
    s = open_sink(&dir, SINK_NEVER, NULL);
    CHECK_OK(put_file(s, &f, "x", 1, err));
    CHECK_OK(sink_directory(s, &d, err));
    CHECK_OK(sink_finish(s, err));
    agrees(s, &f);
    agrees(s, &d);
    (void)snprintf(path, sizeof(path), "%s/target/d/f", dir.path);
    CHECK(getxattr(path, "system.posix_acl_access", NULL, 0) < 0);
    (void)snprintf(path, sizeof(path), "%s/target/d/e", dir.path);
    CHECK(getxattr(path, "system.posix_acl_default", NULL, 0) < 0);
    CHECK((stat_of(&dir, "d/f").st_mode & 07777) == 0640);
    sink_free(s);
    scratch_remove(&dir);
    assert_int_equal(helper_failures(), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries__all_types_as_whoever_runs_this),
        cmocka_unit_test(entries__all_types_as_ordinary_user),
        cmocka_unit_test(entries__root_restores_owners_devices_capabilities_flags),
        cmocka_unit_test(entries__user_is_told_once_a_kind_what_is_not_permitted),
        cmocka_unit_test(entries__owner_by_name_and_none),
        cmocka_unit_test(entries__inert_ones_give_no_rights),
        cmocka_unit_test(entries__inherited_acls_do_not_stay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
