/* SPDX-License-Identifier: BSD-2-Clause */
/* POSIX ACLs as the kernel has them in system.posix_acl_access and system.posix_acl_default. */
#include <errno.h>
#include <grp.h>
#include <linux/posix_acl_xattr.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "archive/archive_reader_internal.h"
#include "core/alloc.h"

#define ACL_ENTRY_LEN 8u /* le16 tag, le16 permissions, le32 id */
#define NO_ID 0xffffffffu
#define NAME_BUFFER 16384u

enum acl_tag { USER_OBJ = 1, USER = 2, GROUP_OBJ = 4, GROUP = 8, MASK = 16, OTHER = 32 };

struct acl_line {
    uint32_t tag; /* enum acl_tag, in the order the kernel wants */
    uint32_t permissions;
    uint32_t id;
};

static uint32_t
tag_of(int tag)
{
    switch (tag) {
    case ARCHIVE_ENTRY_ACL_USER_OBJ:
        return USER_OBJ;
    case ARCHIVE_ENTRY_ACL_USER:
        return USER;
    case ARCHIVE_ENTRY_ACL_GROUP_OBJ:
        return GROUP_OBJ;
    case ARCHIVE_ENTRY_ACL_GROUP:
        return GROUP;
    case ARCHIVE_ENTRY_ACL_MASK:
        return MASK;
    case ARCHIVE_ENTRY_ACL_OTHER:
        return OTHER;
    default:
        return 0;
    }
}

/* The number this machine has for a name (GNU tar writes names only). */
static bool
find_id(uint32_t tag, const char *name, uint32_t *ret)
{
    char buf[NAME_BUFFER];

    if (tag == USER) {
        struct passwd entry;
        struct passwd *found = NULL;
        if (getpwnam_r(name, &entry, buf, sizeof(buf), &found) != 0 || found == NULL) {
            return false;
        }
        *ret = found->pw_uid;
        return true;
    }
    struct group entry;
    struct group *found = NULL;
    if (getgrnam_r(name, &entry, buf, sizeof(buf), &found) != 0 || found == NULL) {
        return false;
    }
    *ret = found->gr_gid;
    return true;
}

/* Take over one entry; false if it is none we can keep. */
static bool
line_fill(struct acl_line *l, int permissions, int tag, int id, const char *name)
{
    l->tag = tag_of(tag);
    l->permissions = (uint32_t)permissions & ARCHIVE_ENTRY_ACL_PERMS_POSIX1E;
    l->id = NO_ID;
    if (l->tag == USER || l->tag == GROUP) {
        if (id != -1) {
            l->id = (uint32_t)id;
            return true;
        }
        return name != NULL && find_id(l->tag, name, &l->id) && l->id != NO_ID;
    }
    return l->tag != 0;
}

static int
compare_lines(const void *a, const void *b)
{
    const struct acl_line *x = a;
    const struct acl_line *y = b;

    if (x->tag != y->tag) {
        return x->tag < y->tag ? -1 : 1;
    }
    return (x->id > y->id) - (x->id < y->id);
}

/* Sort; drop repetitions; see that it has the entries the kernel insists on (a mask can be made
 * from the others).  ${lines} has room for one more.  Number of lines, 0: it is no ACL. */
static size_t
complete(struct acl_line *lines, size_t count)
{
    uint32_t tags = 0;
    uint32_t group_class = 0;
    size_t kept = 0;

    qsort(lines, count, sizeof(*lines), compare_lines);
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && compare_lines(&lines[kept - 1], &lines[i]) == 0) {
            continue;
        }
        lines[kept++] = lines[i];
        tags |= lines[i].tag;
        if ((lines[i].tag & (USER | GROUP_OBJ | GROUP)) != 0) {
            group_class |= lines[i].permissions;
        }
    }
    if ((tags & (USER | GROUP)) != 0 && (tags & MASK) == 0) {
        lines[kept++] = (struct acl_line){.tag = MASK, .permissions = group_class, .id = NO_ID};
        qsort(lines, kept, sizeof(*lines), compare_lines);
    }
    return (tags & USER_OBJ) != 0 && (tags & GROUP_OBJ) != 0 && (tags & OTHER) != 0 ? kept : 0;
}

static void
store_le(uint8_t *at, uint32_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
}

static enum vv_rc
encode(const struct acl_line *lines, size_t count, struct vv_arena *arena, struct vv_span *ret,
       int *ret_mask, struct vv_error *err)
{
    size_t len = sizeof(uint32_t) + count * ACL_ENTRY_LEN;
    uint8_t *out = vv_arena_alloc(arena, len);

    if (out == NULL) {
        return vv_error_nomem(err);
    }
    store_le(out, POSIX_ACL_XATTR_VERSION, 4);
    for (size_t i = 0; i < count; i++) {
        uint8_t *at = out + sizeof(uint32_t) + i * ACL_ENTRY_LEN;
        store_le(at, lines[i].tag, 2);
        store_le(at + 2, lines[i].permissions, 2);
        store_le(at + 4, lines[i].id, 4);
        if (lines[i].tag == MASK) {
            *ret_mask = (int)lines[i].permissions;
        }
    }
    *ret = vv_span(out, len);
    return VV_OK;
}

enum vv_rc
archive_acl_encode(struct archive_entry *e, int type, struct vv_arena *arena,
                   struct vv_span *ret_value, int *ret_mask, const char **ret_warning,
                   struct vv_error *err)
{
    int promised = archive_entry_acl_reset(e, type);
    size_t room = promised > 0 ? (size_t)promised : 0;
    size_t count = 0;
    struct acl_line *lines;
    const char *name = NULL;
    int got_type = 0;
    int permissions = 0;
    int tag = 0;
    int id = 0;

    *ret_value = (struct vv_span){0};
    *ret_mask = -1;
    if (room == 0) {
        return VV_OK;
    }
    lines = vv_alloc_array(room + 1, sizeof(*lines));
    if (lines == NULL) {
        return vv_error_nomem(err);
    }
    while (count < room && archive_entry_acl_next(e, type, &got_type, &permissions, &tag, &id,
                                                  &name) == ARCHIVE_OK) {
        if (line_fill(&lines[count], permissions, tag, id, name)) {
            count++;
        } else {
            *ret_warning = "its access control list names users or groups unknown here";
        }
    }
    enum vv_rc rc = VV_OK;
    size_t kept = complete(lines, count);
    if (kept > 0) {
        rc = encode(lines, kept, arena, ret_value, ret_mask, err);
    } else if (count > 0) {
        *ret_warning = "its access control list is incomplete";
    }
    vv_free(lines);
    return rc;
}
