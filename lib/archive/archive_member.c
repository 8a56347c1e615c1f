/* SPDX-License-Identifier: BSD-2-Clause */
/* A member as libarchive describes it -> as we do. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/archive_reader_internal.h"

static struct vv_span
text_span(const char *text)
{
    return vv_span(text, text == NULL ? 0 : strlen(text));
}

static enum archive_member_type
type_of(struct archive_entry *e)
{
    if (archive_entry_hardlink(e) != NULL) {
        return ARCHIVE_MEMBER_HARD_LINK;
    }
    switch (archive_entry_filetype(e)) {
    case AE_IFREG:
        return ARCHIVE_MEMBER_FILE;
    case AE_IFDIR:
        return ARCHIVE_MEMBER_DIRECTORY;
    case AE_IFLNK:
        return ARCHIVE_MEMBER_SYMLINK;
    case AE_IFIFO:
        return ARCHIVE_MEMBER_FIFO;
    case AE_IFCHR:
        return ARCHIVE_MEMBER_CHARACTER_DEVICE;
    case AE_IFBLK:
        return ARCHIVE_MEMBER_BLOCK_DEVICE;
    case AE_IFSOCK:
        return ARCHIVE_MEMBER_SOCKET;
    default:
        return ARCHIVE_MEMBER_OTHER;
    }
}

static void
note_warning(struct archive_member *m, const char *text)
{
    if (m->warning[0] == '\0') {
        (void)snprintf(m->warning, sizeof(m->warning), "%s", text);
    }
}

static void
fill_owner(struct archive_entry *e, int kind, struct archive_member *m)
{
    la_int64_t uid = archive_entry_uid(e);
    la_int64_t gid = archive_entry_gid(e);

    m->user = text_span(archive_entry_uname(e));
    m->group = text_span(archive_entry_gname(e));
    /* What a zip archive does not say looks like 0. */
    m->has_owner = kind != ARCHIVE_FORMAT_ZIP || uid != 0 || gid != 0;
    if (uid < 0 || gid < 0 || uid >= UINT32_MAX || gid >= UINT32_MAX) {
        m->has_owner = false;
        note_warning(m, "its owner's number is out of range");
        return;
    }
    m->uid = (uint32_t)uid;
    m->gid = (uint32_t)gid;
}

static void
fill_times(struct archive_entry *e, struct archive_member *m)
{
    long nsec = archive_entry_mtime_nsec(e);

    m->mtime_sec = archive_entry_mtime(e);
    m->mtime_nsec = nsec >= 0 && nsec < 1000000000 ? (uint32_t)nsec : 0;
    m->ctime_sec = m->mtime_sec;
    m->ctime_nsec = m->mtime_nsec;
    if (archive_entry_ctime_is_set(e)) {
        nsec = archive_entry_ctime_nsec(e);
        m->ctime_sec = archive_entry_ctime(e);
        m->ctime_nsec = nsec >= 0 && nsec < 1000000000 ? (uint32_t)nsec : 0;
    }
}

/* Attributes, room for two ACLs before them. */
static enum vv_rc
fill_attributes(struct archive_entry *e, struct vv_arena *arena, struct archive_member *m,
                struct vv_error *err)
{
    static const int types[] = {ARCHIVE_ENTRY_ACL_TYPE_ACCESS, ARCHIVE_ENTRY_ACL_TYPE_DEFAULT};
    static const char *const names[] = {"system.posix_acl_access", "system.posix_acl_default"};
    int promised = archive_entry_xattr_reset(e);
    size_t room = promised > 0 ? (size_t)promised : 0;
    const char *name = NULL;
    const void *value = NULL;
    const char *warning = NULL;
    size_t len = 0;

    m->attributes = vv_arena_alloc(arena, (room + VV_COUNT(types)) * sizeof(*m->attributes));
    if (m->attributes == NULL) {
        return vv_error_nomem(err);
    }
    for (size_t i = 0; i < room && archive_entry_xattr_next(e, &name, &value, &len) == ARCHIVE_OK;
         i++) {
        m->attributes[m->attribute_count++] =
            (struct archive_attribute){.name = text_span(name), .value = vv_span(value, len)};
    }
    for (size_t i = 0; i < VV_COUNT(types); i++) {
        struct vv_span acl;
        int mask;
        VV_TRY(archive_acl_encode(e, types[i], arena, &acl, &mask, &warning, err));
        if (acl.len > 0) {
            m->attributes[m->attribute_count++] =
                (struct archive_attribute){.name = text_span(names[i]), .value = acl};
        }
        if (i == 0 && mask >= 0) { /* the group's bits of a mode are the mask, where there is one */
            m->mode = (m->mode & ~070u) | (uint32_t)mask << 3;
        }
    }
    if ((archive_entry_acl_types(e) & ARCHIVE_ENTRY_ACL_TYPE_NFS4) != 0) {
        warning = "its NFSv4 access control list is not kept";
    }
    if (warning != NULL) {
        note_warning(m, warning);
    }
    return VV_OK;
}

static void
fill_device(struct archive_entry *e, struct archive_member *m)
{
    dev_t major = archive_entry_rdevmajor(e);
    dev_t minor = archive_entry_rdevminor(e);

    if (major > UINT32_MAX || minor > UINT32_MAX) {
        m->type = ARCHIVE_MEMBER_OTHER;
        return;
    }
    m->major = (uint32_t)major;
    m->minor = (uint32_t)minor;
}

enum vv_rc
archive_member_fill(struct archive_entry *e, int kind, struct vv_arena *arena,
                    struct archive_member *ret, struct vv_error *err)
{
    struct archive_member m = {.name = text_span(archive_entry_pathname(e)), .type = type_of(e)};
    unsigned long set = 0;
    unsigned long clear = 0;

    m.mode = (uint32_t)archive_entry_mode(e) & 07777u;
    fill_owner(e, kind, &m);
    fill_times(e, &m);
    m.size_known = archive_entry_size_is_set(e) != 0;
    if (m.size_known && archive_entry_size(e) > 0) {
        m.size = (uint64_t)archive_entry_size(e);
    }
    m.sparse = archive_entry_sparse_count(e) > 0;
    m.late_content = kind == ARCHIVE_FORMAT_CPIO && m.type == ARCHIVE_MEMBER_FILE && m.size == 0 &&
                     archive_entry_nlink(e) > 1;
    if (m.type == ARCHIVE_MEMBER_HARD_LINK) {
        m.target = text_span(archive_entry_hardlink(e));
    } else if (m.type == ARCHIVE_MEMBER_SYMLINK) {
        m.target = text_span(archive_entry_symlink(e));
    }
    if (m.type == ARCHIVE_MEMBER_CHARACTER_DEVICE || m.type == ARCHIVE_MEMBER_BLOCK_DEVICE) {
        fill_device(e, &m);
    }
    archive_entry_fflags(e, &set, &clear);
    m.inode_flags = (uint32_t)set;
    m.encrypted = archive_entry_is_encrypted(e) != 0;
    VV_TRY(fill_attributes(e, arena, &m, err));
    *ret = m;
    return VV_OK;
}
