/* SPDX-License-Identifier: BSD-2-Clause */
/* Archives as sources: made with the system's tools, and by hand where no tool would. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "source/archive_name.h"
#include "source/helper_sequence.h"
#include "source/helper_tree.h"

static int
setup(void **state)
{
    struct tree *t = calloc(1, sizeof(*t));
    assert_non_null(t);
    tree_make(t);
    tree_dir(t, "in");
    *state = t;
    return 0;
}

static int
teardown(void **state)
{
    tree_remove(*state);
    free(*state);
    return 0;
}

/* Run a shell command in the tree. */
static int
shell(const struct tree *t, const char *command)
{
    char all[4096];
    (void)snprintf(all, sizeof(all), "cd '%s' && { %s; } >/dev/null 2>'%s/log'", t->base, command,
                   t->base);
    return system(all);
}

static void
must(const struct tree *t, const char *command)
{
    if (shell(t, command) != 0) {
        fail_msg("failed: %s", command);
    }
}

/* Skips the test unless all the tools (separated by spaces) are there. */
static void
need(const struct tree *t, const char *tools)
{
    char command[256];
    (void)snprintf(command, sizeof(command), "for i in %s; do command -v $i; done", tools);
    if (shell(t, command) != 0) {
        print_message("skipped: needs %s\n", tools);
        skip();
    }
}

static enum vv_rc
read_archive(const struct tree *t, const char *name, struct sequence *q)
{
    struct source *s = NULL;
    struct vv_error err = {0};
    assert_int_equal(source_archive_new(tree_path(t, name), NULL, &s, &err), VV_OK);
    enum vv_rc rc = sequence_read(s, q);
    if (rc != VV_OK) {
        assert_int_equal(q->error.origin, VV_ORIGIN_SOURCE);
        assert_true(q->error.message[0] != '\0');
    }
    return rc;
}

static void
must_read(const struct tree *t, const char *name, struct sequence *q)
{
    if (read_archive(t, name, q) != VV_OK) {
        fail_msg("%s: %s", name, q->error.message);
    }
}

static const struct taken *
must_find(const struct sequence *q, const char *path)
{
    const struct taken *found = sequence_find(q, path);
    if (found == NULL) {
        const char *problem = sequence_problem(q, path);
        fail_msg("'%s' is not there: %s", path, problem == NULL ? "no such item" : problem);
    }
    return found;
}

static void
assert_content(const struct sequence *q, const char *path, const char *content)
{
    const struct taken *t = must_find(q, path);
    assert_int_equal(t->entry.type, ENTRY_FILE);
    assert_int_equal(t->len, strlen(content));
    assert_memory_equal(t->content, content, t->len);
    assert_int_equal(t->entry.size, t->len);
}

/* What every format must bring back. */
static void
make_input(const struct tree *t)
{
    must(t, "cd in && mkdir -p sub/empty && printf 'hello\\n' >sub/file && chmod 2755 sub && "
            "chmod 4751 sub/file && : >zero && ln -s sub/file link && "
            "touch -d '2021-03-04 05:06:07.123456789 UTC' sub/file && "
            "seq 30000 >large && touch -d '1960-01-02 03:04:05 UTC' zero");
}

static void
check_input(const struct sequence *q, const char *what, bool nanoseconds, bool before_epoch)
{
    assert_content(q, "sub/file", "hello\n");
    assert_content(q, "zero", "");
    const struct taken *t = must_find(q, "sub/file");
    assert_int_equal(t->entry.mode, 04751);
    assert_int_equal(t->entry.mtime.sec, 1614834367);
    assert_int_equal(t->entry.mtime.nsec, nanoseconds ? 123456789 : 0);
    assert_int_equal(t->entry.uid, geteuid());
    assert_int_equal(t->entry.gid, getegid());
    assert_int_equal(must_find(q, "large")->len, 168894);
    assert_memory_equal(must_find(q, "large")->content + 168894 - 6, "30000\n", 6);
    t = must_find(q, "sub");
    assert_int_equal(t->entry.type, ENTRY_DIRECTORY);
    assert_int_equal(t->entry.mode, 02755);
    assert_int_equal(must_find(q, "sub/empty")->entry.type, ENTRY_DIRECTORY);
    t = must_find(q, "link");
    assert_int_equal(t->entry.type, ENTRY_SYMLINK);
    assert_int_equal(t->entry.target.len, 8);
    assert_memory_equal(t->entry.target.data, "sub/file", 8);
    if (before_epoch) {
        assert_int_equal(must_find(q, "zero")->entry.mtime.sec, -315521755);
    }
    for (size_t i = 0; i < q->count; i++) {
        if (q->items[i].status != SOURCE_OK) {
            fail_msg("%s: problem: %s", what, q->items[i].problem);
        }
    }
}

static void
archive__formats(void **state)
{
    static const struct {
        const char *tool;
        const char *command; /* from in/ to ../a */
        bool nanoseconds;
        bool before_epoch;
        bool owner;
    } formats[] = {
        {"tar", "tar --format=gnu -cf ../a .", false, true, true},
        {"tar", "tar --format=pax -cf ../a .", true, true, true},
        {"tar", "cp zero .. && tar --format=ustar -cf ../a sub large link -C .. zero", false, false,
         true},
        {"tar", "tar --format=pax -czf ../a *", true, true, true},
        {"cpio", "find . | cpio -o -H newc >../a", false, false, true},
        {"cpio", "find . | cpio -o -H crc >../a", false, false, true},
        {"cpio", "find . | cpio -o -H odc >../a", false, false, true},
        {"zip", "zip -qry ../a.zip . && mv ../a.zip ../a", false, false, false},
    };
    struct tree *t = *state;
    make_input(t);
    for (size_t i = 0; i < VV_COUNT(formats); i++) {
        char command[512];
        struct sequence q;
        (void)snprintf(command, sizeof(command), "command -v %s", formats[i].tool);
        if (shell(t, command) != 0) {
            print_message("left out: %s\n", formats[i].command);
            continue;
        }
        (void)snprintf(command, sizeof(command), "rm -f a; cd in && %s", formats[i].command);
        must(t, command);
        if (read_archive(t, "a", &q) != VV_OK) {
            fail_msg("%s: %s", formats[i].command, q.error.message);
        }
        check_input(&q, formats[i].command, formats[i].nanoseconds, formats[i].before_epoch);
        bool unknown = (must_find(&q, "sub/file")->entry.flags & ENTRY_NO_OWNER) != 0;
        assert_true(!unknown || !formats[i].owner);
        sequence_release(&q);
    }
}

static void
archive__compressed(void **state)
{
    static const char *const tools[] = {"gzip", "bzip2", "xz", "lzma", "lzip", "zstd", "lz4"};
    struct tree *t = *state;
    need(t, "tar");
    make_input(t);
    must(t, "cd in && tar --format=pax -cf ../plain .");
    unsigned done = 0;
    for (size_t i = 0; i < VV_COUNT(tools); i++) {
        char command[256];
        struct sequence q;
        (void)snprintf(command, sizeof(command), "command -v %s && %s -c <plain >a", tools[i],
                       tools[i]);
        if (shell(t, command) != 0) {
            print_message("left out: %s\n", tools[i]);
            continue;
        }
        must_read(t, "a", &q);
        check_input(&q, tools[i], true, true);
        sequence_release(&q);
        /* One byte less, and a damaged checksum at the end, which no member depends on. */
        must(t, "head -c -1 a >b");
        assert_int_equal(read_archive(t, "b", &q), VV_EIO);
        sequence_release(&q);
        done++;
    }
    assert_true(done > 0);
}

static void
archive__checksum_behind_the_archive_counts(void **state)
{
    struct tree *t = *state;
    struct sequence q;
    need(t, "tar gzip python3");
    make_input(t);
    must(t, "tar -cf plain -C in . && gzip -c plain >a && size=$(stat -c %s a) && cp a b && "
            "printf '\\377\\377\\377\\377' | dd of=b bs=1 seek=$((size - 8)) conv=notrunc");
    must_read(t, "a", &q);
    sequence_release(&q);
    assert_int_equal(read_archive(t, "b", &q), VV_EIO);
    sequence_release(&q);
    /* A byte of a member changed in a way that uncompresses well: stored blocks. */
    must(t, "python3 -c '\nimport gzip,sys\n"
            "d=open(\"/proc/self/fd/0\",\"rb\").read()\n"
            "b=bytearray(gzip.compress(d,compresslevel=0))\ni=b.index(b\"hello\"); b[i]^=1\n"
            "open(\"b\",\"wb\").write(b)\nopen(\"c\",\"wb\").write(gzip.compress(d[:3000])+"
            "gzip.compress(d[3000:]))\n' <plain");
    assert_int_equal(read_archive(t, "b", &q), VV_EIO);
    assert_non_null(strstr(q.error.message, "checksum"));
    sequence_release(&q);
    must_read(t, "c", &q); /* two streams in a row are fine */
    sequence_release(&q);
    if (shell(t, "command -v xz && xz -c --check=crc32 <in/large >/dev/null") == 0) {
        must(t, "tar -cf - -C in . | xz -c >a && size=$(stat -c %s a) && cp a b && "
                "printf 'XX' | dd of=b bs=1 seek=$((size - 4)) conv=notrunc");
        must_read(t, "a", &q);
        sequence_release(&q);
        assert_int_equal(read_archive(t, "b", &q), VV_EIO);
        sequence_release(&q);
    }
}

static void
archive__from_standard_input(void **state)
{
    static const char *const makers[] = {"tar -czf a -C in .", "cd in && zip -qry ../a.zip . && "
                                                               "cd .. && mv a.zip a"};
    struct tree *t = *state;
    need(t, "tar zip");
    make_input(t);
    for (size_t i = 0; i < VV_COUNT(makers); i++) {
        struct sequence q;
        struct source *s = NULL;
        struct vv_error err = {0};
        must(t, makers[i]);
        int saved = dup(STDIN_FILENO);
        FILE *in = popen("true", "r"); /* a pipe below is made by the shell, not by us */
        assert_non_null(in);
        (void)pclose(in);
        char command[256];
        (void)snprintf(command, sizeof(command), "cat '%s'", tree_path(t, "a"));
        in = popen(command, "r");
        assert_non_null(in);
        assert_true(dup2(fileno(in), STDIN_FILENO) >= 0);
        assert_int_equal(setenv("TMPDIR", t->base, 1), 0);
        assert_int_equal(source_archive_new("-", NULL, &s, &err), VV_OK);
        assert_int_equal(sequence_read(s, &q), VV_OK);
        check_input(&q, makers[i], false, false);
        sequence_release(&q);
        (void)pclose(in);
        if (saved >= 0) {
            assert_true(dup2(saved, STDIN_FILENO) >= 0);
            close(saved);
        }
    }
}

static void
archive__keeps_attributes_and_acls(void **state)
{
    struct tree *t = *state;
    struct sequence q;
    struct vv_span value;
    uint8_t real[256];
    need(t, "tar setfacl");
    tree_file(t, "in/f", "x");
    tree_dir(t, "in/d");
    if (setxattr(tree_path(t, "in/f"), "user.name", "va\0lue", 6, 0) != 0 ||
        shell(t, "setfacl -m u:4321:rwx,g:8765:r,u:root:x,m::rw in/f && "
                 "setfacl -d -m u:4321:rx in/d") != 0) {
        print_message("skipped: no attributes or ACLs here\n");
        skip();
    }
    must(t, "tar --xattrs --acls -cf a -C in f d");
    must_read(t, "a", &q);
    const struct taken *f = must_find(&q, "f");
    assert_true(sequence_xattr(f, "user.name", &value));
    assert_int_equal(value.len, 6);
    assert_memory_equal(value.data, "va\0lue", 6);
    /* The kernel's own encoding is the reference. */
    assert_true(sequence_xattr(f, "system.posix_acl_access", &value));
    ssize_t len = getxattr(tree_path(t, "in/f"), "system.posix_acl_access", real, sizeof(real));
    assert_int_equal(value.len, len);
    assert_memory_equal(value.data, real, value.len);
    struct stat st;
    assert_int_equal(stat(tree_path(t, "in/f"), &st), 0);
    assert_int_equal(f->entry.mode, st.st_mode & 07777);
    const struct taken *d = must_find(&q, "d");
    assert_true(sequence_xattr(d, "system.posix_acl_default", &value));
    len = getxattr(tree_path(t, "in/d"), "system.posix_acl_default", real, sizeof(real));
    assert_int_equal(value.len, len);
    assert_memory_equal(value.data, real, value.len);
    assert_false(sequence_xattr(d, "system.posix_acl_access", &value));
    sequence_release(&q);
}

static void
archive__keeps_holes(void **state)
{
    static const char *const formats[] = {"--format=gnu", "--format=pax --sparse-version=1.0",
                                          "--format=pax --sparse-version=0.1",
                                          "--format=pax --sparse-version=0.0"};
    struct tree *t = *state;
    need(t, "tar truncate");
    must(t, "cd in && truncate -s 5000000000 big && printf start | dd of=big conv=notrunc && "
            "printf middle | dd of=big conv=notrunc bs=4096 seek=1000 && truncate -s 3M hole && "
            "yes | head -c 200000 >dense && truncate -s 400000 dense");
    for (size_t i = 0; i < VV_COUNT(formats); i++) {
        char command[256];
        struct sequence q;
        (void)snprintf(command, sizeof(command), "tar -S %s -cf a -C in big hole dense",
                       formats[i]);
        must(t, command);
        must_read(t, "a", &q);
        const struct taken *big = must_find(&q, "big");
        assert_true(big->entry.size == 5000000000u);
        assert_true((big->entry.flags & ENTRY_HAS_EXTENTS) != 0);
        uint64_t total = 0;
        bool start = false;
        bool middle = false;
        for (uint32_t j = 0; j < big->entry.extent_count; j++) {
            const struct extent *x = &big->entry.extents[j];
            assert_true(x->len > 0 && x->offset + x->len <= big->entry.size);
            if (x->offset == 0) {
                start = memcmp(big->content + total, "start", 5) == 0;
            }
            if (x->offset <= 4096000 && x->offset + x->len >= 4096006) {
                middle = memcmp(big->content + total + (4096000 - x->offset), "middle", 6) == 0;
            }
            total += x->len;
        }
        assert_true(start && middle);
        assert_int_equal(total, big->len);
        assert_true(total < 100000);
        const struct taken *hole = must_find(&q, "hole");
        assert_int_equal(hole->entry.size, 3 << 20);
        assert_int_equal(hole->len, 0);
        assert_int_equal(hole->entry.extent_count, 0);
        assert_true((hole->entry.flags & ENTRY_HAS_EXTENTS) != 0);
        const struct taken *dense = must_find(&q, "dense");
        assert_int_equal(dense->entry.size, 400000);
        assert_int_equal(dense->entry.extent_count, 1);
        sequence_release(&q);
    }
}

static void
archive__names_are_bytes_whatever_the_locale(void **state)
{
    static const char *const names[] = {"e\xcc\x81-decomposed", "\xc3\xa9-composed",
                                        "\xff\xfe invalid", "new\nline", "back\\slash"};
    static const char *const makers[] = {"tar --format=pax -cf a in", "tar --format=gnu -cf a in",
                                         "find in -print0 | cpio -0 -o -H newc >a"};
    struct tree *t = *state;
    char path[128];
    need(t, "tar cpio");
    for (size_t i = 0; i < 5; i++) {
        (void)snprintf(path, sizeof(path), "in/%s", names[i]);
        tree_file(t, path, names[i]);
        (void)snprintf(path, sizeof(path), "in/link to %zu", i);
        tree_link(t, path, names[i]);
    }
    for (size_t m = 0; m < VV_COUNT(makers); m++) {
        struct sequence q;
        must(t, makers[m]);
        must_read(t, "a", &q);
        for (size_t i = 0; i < 5; i++) {
            (void)snprintf(path, sizeof(path), "in/%s", names[i]);
            assert_content(&q, path, names[i]);
            assert_null(sequence_problem(&q, path));
            (void)snprintf(path, sizeof(path), "in/link to %zu", i);
            const struct taken *l = must_find(&q, path);
            assert_int_equal(l->entry.target.len, strlen(names[i]));
            assert_memory_equal(l->entry.target.data, names[i], strlen(names[i]));
        }
        sequence_release(&q);
    }
}

/* Which original an item links to, and that it is what came before. */
static void
assert_link(const struct sequence *q, const char *path, const char *original)
{
    const struct taken *l = must_find(q, path);
    assert_int_equal(l->link_to.len, strlen(original));
    assert_memory_equal(l->link_to.data, original, strlen(original));
    assert_true(must_find(q, original) < l);
    assert_true(must_find(q, original)->entry.inode != 0);
}

/* One of the names (of one letter) is the original, in its final state, and the others link to
 * it. */
static void
assert_shared(const struct sequence *q, const char *names, const char *content)
{
    const char *original = NULL;
    for (const char *n = names; *n != '\0'; n++) {
        const char name[2] = {*n, '\0'};
        const struct taken *t = must_find(q, name);
        original = t->link_to.len == 0 ? n : original;
    }
    assert_non_null(original);
    const char first[2] = {*original, '\0'};
    assert_content(q, first, content);
    for (const char *n = names; *n != '\0'; n++) {
        const char name[2] = {*n, '\0'};
        if (n != original) {
            assert_link(q, name, first);
        }
    }
}

static void
archive__hard_links(void **state)
{
    struct tree *t = *state;
    struct sequence q;
    need(t, "tar cpio");
    must(t, "cd in && printf content >a && ln a b && ln a c && printf other >d && : >e && ln e f");
    must(t, "tar -cf t -C in ./a ./b ./c ./d ./e ./f");
    must_read(t, "t", &q);
    assert_content(&q, "a", "content");
    assert_link(&q, "b", "a");
    assert_link(&q, "c", "a");
    assert_link(&q, "f", "e");
    assert_true(must_find(&q, "d")->entry.inode != must_find(&q, "a")->entry.inode);
    sequence_release(&q);
    /* cpio: the content comes with the last link */
    must(t, "cd in && printf '%s\\n' a b c d e f | cpio -o -H newc >../t");
    must_read(t, "t", &q);
    assert_content(&q, "d", "other");
    assert_shared(&q, "abc", "content");
    assert_shared(&q, "ef", "");
    sequence_release(&q);
    /* cpio: with every link */
    must(t, "cd in && printf '%s\\n' a b c d e f | cpio -o -H odc >../t");
    must_read(t, "t", &q);
    assert_shared(&q, "abc", "content");
    sequence_release(&q);
}

static void
archive__repeated_members_have_their_own_inodes(void **state)
{
    struct tree *t = *state;
    struct sequence q;
    need(t, "tar");
    must(t, "cd in && printf one >a && tar -cf ../t ./a && ln a b && tar -rf ../t a b && "
            "rm a && printf two >a && tar -rf ../t a");
    must_read(t, "t", &q);
    assert_int_equal(q.count, 4);
    assert_content(&q, "a", "two");
    assert_memory_equal(q.items[0].content, "one", 3);
    assert_true(q.items[0].entry.inode != q.items[1].entry.inode);
    assert_true(q.items[1].entry.inode != q.items[3].entry.inode);
    sequence_release(&q);
}

/* Write a ustar header and content by hand. */
static void
put_member(FILE *f, const char *name, char type, const char *target, const char *content)
{
    char h[512] = {0};
    size_t len = strlen(content);
    (void)snprintf(h, 100, "%s", name);
    memcpy(h + 100, "0000644", 8);
    memcpy(h + 108, "0000000", 8);
    memcpy(h + 116, "0000000", 8);
    (void)snprintf(h + 124, 12, "%011o", (unsigned)len);
    memcpy(h + 136, "00000000001", 12);
    h[156] = type;
    (void)snprintf(h + 157, 100, "%s", target);
    memcpy(h + 257, "ustar\00000", 8);
    memset(h + 148, ' ', 8);
    unsigned sum = 0;
    for (size_t i = 0; i < sizeof(h); i++) {
        sum += (unsigned char)h[i];
    }
    (void)snprintf(h + 148, 7, "%06o", sum);
    assert_int_equal(fwrite(h, 1, sizeof(h), f), sizeof(h));
    char block[512] = {0};
    if (len > 0) {
        assert_true(len <= sizeof(block));
        memcpy(block, content, len);
        assert_int_equal(fwrite(block, 1, sizeof(block), f), sizeof(block));
    }
}

static FILE *
begin_tar(const struct tree *t, const char *name)
{
    FILE *f = fopen(tree_path(t, name), "wb");
    assert_non_null(f);
    return f;
}

static void
end_tar(FILE *f, size_t zeros)
{
    char end[1024] = {0};
    assert_int_equal(fwrite(end, 1, zeros, f), zeros);
    assert_int_equal(fclose(f), 0);
}

static void
archive__hostile_names_are_told_and_left_out(void **state)
{
    struct tree *t = *state;
    struct sequence q;
    FILE *f = begin_tar(t, "t");
    put_member(f, "../escape", '0', "", "x");
    put_member(f, "/etc/passwd", '0', "", "y");
    put_member(f, "a/../../b", '0', "", "x");
    put_member(f, "..", '5', "", "");
    put_member(f, "./", '5', "", "");
    put_member(f, ".", '0', "", "");
    put_member(f, "././/ok/./file", '0', "", "z");
    put_member(f, "hard", '1', "../../etc/shadow", "");
    put_member(f, "hard2", '1', "/etc/passwd", "");
    put_member(f, "...", '0', "", "dots");
    put_member(f, "nowhere", '2', "", "");
    put_member(f, "fifo", '6', "", "");
    end_tar(f, 1024);
    must_read(t, "t", &q);
    assert_non_null(sequence_problem(&q, "../escape"));
    assert_content(&q, "etc/passwd", "y");
    assert_non_null(sequence_problem(&q, "a/../../b"));
    assert_non_null(sequence_problem(&q, ".."));
    assert_null(sequence_problem(&q, "./"));
    assert_non_null(sequence_problem(&q, "."));
    assert_content(&q, "ok/file", "z");
    assert_non_null(sequence_problem(&q, "hard"));
    assert_link(&q, "hard2", "etc/passwd");
    assert_content(&q, "...", "dots");
    assert_non_null(sequence_problem(&q, "nowhere"));
    assert_int_equal(must_find(&q, "fifo")->entry.type, ENTRY_FIFO);
    for (size_t i = 0; i < q.count; i++) {
        if (q.items[i].status == SOURCE_OK) {
            assert_true(path_valid(q.items[i].entry.path));
        }
    }
    sequence_release(&q);
}

static void
archive__overlong_names_are_told(void **state)
{
    struct tree *t = *state;
    struct sequence q;
    char name[400];
    need(t, "tar python3");
    must(t,
         "python3 -c '\nimport tarfile,io\nt=tarfile.open(\"t\",\"w\",format=tarfile.PAX_FORMAT)\n"
         "for n in (\"n\"*255,\"n\"*256,\"d/\"*5000+\"x\",\"ok\"):\n"
         " i=tarfile.TarInfo(n); i.size=1; t.addfile(i,io.BytesIO(b\"x\"))\nt.close()\n'");
    must_read(t, "t", &q);
    memset(name, 'n', sizeof(name));
    name[255] = '\0';
    assert_content(&q, name, "x");
    name[255] = 'n';
    name[256] = '\0';
    assert_non_null(sequence_problem(&q, name));
    assert_content(&q, "ok", "x");
    assert_int_equal(q.count, 4);
    sequence_release(&q);
}

static void
archive__devices_keep_their_numbers(void **state)
{
    struct tree *t = *state;
    struct sequence q;
    need(t, "tar python3");
    must(t, "python3 -c '\nimport tarfile\nt=tarfile.open(\"t\",\"w\")\n"
            "i=tarfile.TarInfo(\"c\"); i.type=tarfile.CHRTYPE; i.devmajor=1; i.devminor=3\n"
            "t.addfile(i)\ni=tarfile.TarInfo(\"b\"); i.type=tarfile.BLKTYPE; i.devmajor=259\n"
            "i.devminor=70000; t.addfile(i); t.close()\n'");
    must_read(t, "t", &q);
    const struct taken *c = must_find(&q, "c");
    assert_int_equal(c->entry.type, ENTRY_CHARACTER_DEVICE);
    assert_int_equal(c->entry.major, 1);
    assert_int_equal(c->entry.minor, 3);
    const struct taken *b = must_find(&q, "b");
    assert_int_equal(b->entry.type, ENTRY_BLOCK_DEVICE);
    assert_int_equal(b->entry.major, 259);
    assert_int_equal(b->entry.minor, 70000);
    sequence_release(&q);
}

static void
archive__cut_off_anywhere_is_no_success(void **state)
{
    struct tree *t = *state;
    struct sequence q;
    FILE *f = begin_tar(t, "whole");
    put_member(f, "a", '0', "", "aaaa");
    put_member(f, "b", '0', "", "bbbb");
    end_tar(f, 1024);
    must_read(t, "whole", &q);
    assert_int_equal(q.count, 2);
    sequence_release(&q);
    /* Between two members it looks like an end, but for the mark. */
    for (unsigned size = 0; size <= 2048; size += 128) {
        char command[128];
        (void)snprintf(command, sizeof(command), "head -c %u whole >cut", size);
        must(t, command);
        if (read_archive(t, "cut", &q) != VV_EIO) {
            fail_msg("cut to %u bytes it was taken for whole", size);
        }
        sequence_release(&q);
    }
}

static void
archive__damage_is_no_success(void **state)
{
    struct tree *t = *state;
    struct sequence q;
    FILE *f = begin_tar(t, "t");
    put_member(f, "a", '0', "", "aaaa");
    put_member(f, "b", '0', "", "bbbb");
    end_tar(f, 1024);
    must(t, "printf X | dd of=t bs=1 seek=1030 conv=notrunc");
    assert_int_equal(read_archive(t, "t", &q), VV_EIO);
    sequence_release(&q);
    need(t, "zip");
    make_input(t);
    must(t, "cd in && zip -q0 ../z.zip sub/file && cd .. && "
            "at=$(grep -abo 'hello' z.zip | cut -d: -f1) && "
            "printf J | dd of=z.zip bs=1 seek=$at conv=notrunc");
    assert_int_equal(read_archive(t, "z.zip", &q), VV_EIO);
    sequence_release(&q);
    must(t, "cd in && rm ../z.zip && zip -qr ../z.zip . && cd .. && head -c 3000 z.zip >cut");
    assert_int_equal(read_archive(t, "cut", &q), VV_EIO);
    sequence_release(&q);
}

static void
archive__what_is_no_archive_is_refused_at_once(void **state)
{
    struct tree *t = *state;
    struct sequence q;
    must(t, "seq 100000 >text && gzip -c text >text.gz; : >empty; head -c 70000 /dev/urandom >r");
    static const char *const names[] = {"text", "text.gz", "empty", "r", "in", "missing"};
    for (size_t i = 0; i < VV_COUNT(names); i++) {
        assert_true(read_archive(t, names[i], &q) != VV_OK);
        assert_int_equal(q.count, 0);
        sequence_release(&q);
    }
}

static void
archive__empty_tar_has_no_members(void **state)
{
    struct tree *t = *state;
    struct sequence q;
    FILE *f = begin_tar(t, "t");
    end_tar(f, 1024);
    must_read(t, "t", &q);
    assert_int_equal(q.count, 0);
    sequence_release(&q);
}

static void
archive__unread_members_are_skipped(void **state)
{
    struct tree *t = *state;
    struct source *s = NULL;
    struct vv_error err = {0};
    unsigned count = 0;
    bool end = false;
    need(t, "tar");
    make_input(t);
    must(t, "tar -czf a -C in .");
    assert_int_equal(source_archive_new(tree_path(t, "a"), NULL, &s, &err), VV_OK);
    while (!end) {
        struct source_item item = {0};
        assert_int_equal(source_next(s, &item, &end, &err), VV_OK);
        count += end ? 0 : 1;
        source_item_release(s, &item);
    }
    assert_int_equal(count, 6);
    assert_int_equal(source_end(s, &err), VV_OK);
    source_free(s);
}

static void
archive__stops_when_asked(void **state)
{
    struct tree *t = *state;
    struct source *s = NULL;
    struct vv_error err = {0};
    struct vv_cancel cancel = {true};
    struct source_item item = {0};
    bool end = false;
    need(t, "tar");
    make_input(t);
    must(t, "tar -czf a -C in .");
    assert_int_equal(source_archive_new(tree_path(t, "a"), &cancel, &s, &err), VV_OK);
    assert_int_equal(source_next(s, &item, &end, &err), VV_ECANCELLED);
    assert_int_equal(source_end(s, &err), VV_ECANCELLED);
    source_free(s);
}

static void
archive_name__is_made_a_path(void **state)
{
    (void)state;
    static const struct {
        const char *raw;
        const char *path; /* NULL: refused */
    } cases[] = {{"a", "a"},
                 {"/a/b", "a/b"},
                 {"//a//b//", "a/b"},
                 {"./a/./b/.", "a/b"},
                 {"", ""},
                 {"/", ""},
                 {"./.", ""},
                 {"..", NULL},
                 {"a/..", NULL},
                 {"../a", NULL},
                 {"a/../b", NULL},
                 {"...", "..."},
                 {"..a/b..", "..a/b.."},
                 {".a", ".a"},
                 {"a b\n", "a b\n"},
                 {"/..", NULL}};
    for (size_t i = 0; i < VV_COUNT(cases); i++) {
        uint8_t out[64];
        size_t len = 99;
        const char *reason = NULL;
        bool ok =
            archive_name_sanitise(vv_span(cases[i].raw, strlen(cases[i].raw)), out, &len, &reason);
        assert_int_equal(ok, cases[i].path != NULL);
        if (ok) {
            assert_int_equal(len, strlen(cases[i].path));
            assert_memory_equal(out, cases[i].path, len);
        } else {
            assert_non_null(reason);
        }
    }
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(archive__formats),
        TEST(archive__compressed),
        TEST(archive__checksum_behind_the_archive_counts),
        TEST(archive__from_standard_input),
        TEST(archive__keeps_attributes_and_acls),
        TEST(archive__keeps_holes),
        TEST(archive__names_are_bytes_whatever_the_locale),
        TEST(archive__hard_links),
        TEST(archive__repeated_members_have_their_own_inodes),
        TEST(archive__hostile_names_are_told_and_left_out),
        TEST(archive__overlong_names_are_told),
        TEST(archive__devices_keep_their_numbers),
        TEST(archive__cut_off_anywhere_is_no_success),
        TEST(archive__damage_is_no_success),
        TEST(archive__what_is_no_archive_is_refused_at_once),
        TEST(archive__empty_tar_has_no_members),
        TEST(archive__unread_members_are_skipped),
        TEST(archive__stops_when_asked),
        cmocka_unit_test(archive_name__is_made_a_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
