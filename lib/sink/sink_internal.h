/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_SINK_SINK_INTERNAL_H
#define VARVE_SINK_SINK_INTERNAL_H

/*
 * What the files of the file system sink share.  Everything below the target is reached through a
 * `sink_place`: an open directory (found by openat2, no link followed) and a name in it.  The
 * sink is thread-safe: `lock` guards the lists and caches, counters are atomic, and everything
 * else is constant after sink_fs_new.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/thread.h"
#include "sink/sink.h"

/** Kinds of things the caller's rights, or the target's file system, do not allow (K4). */
enum sink_refusal {
    REFUSED_OWNER,
    REFUSED_GROUP,
    REFUSED_SETID,
    REFUSED_MODE,
    REFUSED_TIME,
    REFUSED_DEVICE,
    REFUSED_CAPABILITY,
    REFUSED_SECURITY,
    REFUSED_TRUSTED,
    REFUSED_ACL,
    REFUSED_USER_XATTR,
    REFUSED_OTHER_XATTR,
    REFUSED_FLAGS,
    UNSUPPORTED_ACL,
    UNSUPPORTED_XATTR,
    UNSUPPORTED_XATTR_SIZE,
    UNSUPPORTED_FLAGS,
    SINK_REFUSALS
};

/** Inode flags that forbid further changes: set last of all. */
#define SINK_LATE_FLAGS 0x30u

/** In flags of an entry read back: its file system keeps none, or they may not be read. */
#define SINK_NO_FLAGS (1u << 31)
#define SINK_NO_XATTRS (1u << 30)

#define SINK_PARENTS 32u
#define SINK_NAMES 256u
#define SINK_TEMP_NAME 28

/** An open directory of the target; counted, because files being written hold on to theirs. */
struct sink_parent {
    int fd;     /* O_PATH */
    bool fresh; /* made by this run: nothing but this run's entries is in it */
    unsigned references;
    uint64_t used;
    uint64_t hash;
    size_t len;
    char *path;
};

/** A name in an open directory. */
struct sink_place {
    struct sink *sink;
    struct sink_parent *parent;
    char name[LIMIT_NAME + 1u];
};

/** An open entry of the target.  path_only: its descriptor is O_PATH. */
struct sink_object {
    int fd;
    bool path_only;
    struct stat st;
};

/** The attributes to set, owner names already turned into numbers. */
struct sink_wanted {
    enum entry_type type;
    uint32_t mode;
    uint32_t uid;
    uint32_t gid;
    uint32_t inode_flags;
    bool owner; /* false: leave it to whom the kernel gave it */
    bool owner_known;
    struct entry_time mtime;
    const struct xattr *xattrs;
    uint32_t xattr_count;
};

/** A directory waiting for sink_finish.  The newest comes first, so children before parents; the
 *  path is the parent's path and the suffix. */
struct sink_deferred {
    struct sink_deferred *next;
    struct sink_deferred *parent;
    struct sink_wanted wanted;
    size_t path_len;
    size_t suffix_len;
    char suffix[];
};

/** Flags to set when everything else is done. */
struct sink_late {
    struct sink_late *next;
    uint32_t flags;
    size_t path_len;
    char path[];
};

struct sink_name {
    char *name;
    size_t len;
    bool group;
    bool known;
    uint32_t id;
};

/** What the target's file system can keep, found out when first asked for. */
struct sink_abilities {
    bool probed;
    bool holes;
    uint32_t flags;       /* inode flags that stick on a file */
    uint64_t granularity; /* of times, ns */
};

#define SINK_SYSTEMS 16u
/** A file system mounted below the target.  fd: a directory on it; -1: none may be read. */
struct sink_system {
    uint64_t device;
    int fd;
};

struct sink {
    int root; /* -1: a dry run into a directory that does not exist */
    bool root_path_only;
    bool stepwise; /* no openat2 here: one component at a time, O_NOFOLLOW */
    enum sink_overwrite overwrite;
    enum sink_owner owner;
    bool dry_run;
    bool inert;
    struct vv_events *events;
    struct vv_cancel *cancel;

    uint64_t capabilities; /* effective */
    uint32_t uid;
    uint32_t gid;
    uint32_t *groups;
    size_t group_count;

    uint64_t device;
    uint64_t block_size;
    atomic_bool uncache;

    uint32_t run; /* first half of temporary names */
    _Atomic uint32_t temp_count;
    _Atomic uint64_t refused[SINK_REFUSALS];

    struct vv_mutex lock; /* guards all below */
    struct sink_parent top;
    struct sink_parent *parents[SINK_PARENTS];
    struct sink_system systems[SINK_SYSTEMS]; /* that something was written to */
    unsigned system_count;
    bool more_systems; /* than there is room for */
    uint64_t parent_clock;
    struct sink_name names[SINK_NAMES];
    struct vv_arena arena;
    struct sink_deferred *deferred;
    struct vv_buf deferred_path; /* of the newest */
    struct sink_late *late;
    struct sink_abilities abilities;
};

/* sink_error.c: errors and refusals */

/** sink_error(err, sys, what, path): "cannot <what> '<path>': ...", origin target. */
enum vv_rc sink_error(struct vv_error *err, int sys, const char *what, struct vv_span path);
/** sink_kept(err, path, why): VV_EEXISTS, "'<path>' <why>: kept". */
enum vv_rc sink_kept(struct vv_error *err, struct vv_span path, const char *why);
void sink_refuse(struct sink *s, enum sink_refusal kind);
bool sink_refused(const struct sink *s, enum sink_refusal kind);
void sink_refusals_report(struct sink *s);

/* sink_systems.c: file systems mounted below the target */

/** sink_system_note(s, directory): an open directory (also O_PATH) is going to be written to. */
void sink_system_note(struct sink *s, int directory);
/** sink_systems_sync(s, err): write out all file systems that something was written to. */
MUST_CHECK enum vv_rc sink_systems_sync(struct sink *s, struct vv_error *err);
/** sink_systems_in_memory(s): is there one of them without a device? */
bool sink_systems_in_memory(const struct sink *s);
void sink_systems_release(struct sink *s);

/* sink_path.c: reaching places */

/** sink_open_directory(s, path, flags, ret_fd): ${path} beneath the target without following any
 *  link, whatever its length; 0 or an errno. */
int sink_open_directory(struct sink *s, struct vv_span path, int flags, int *ret_fd);
/** sink_open_child(s, dir, name): a directory for reading, not one on which another file system is
 *  mounted (EXDEV); -1 and errno. */
int sink_open_child(struct sink *s, int dir, const char *name);
/** sink_locate(s, path, ret, err): VV_ENOTFOUND if the directory is missing.  Not for "". */
MUST_CHECK enum vv_rc sink_locate(struct sink *s, struct vv_span path, struct sink_place *ret,
                                  struct vv_error *err);
void sink_place_release(struct sink_place *place);
/** sink_parent_add(s, path, fd): remember a directory just made; takes ${fd}. */
void sink_parent_add(struct sink *s, struct vv_span path, int fd);
void sink_parents_forget(struct sink *s);

/* sink_owner.c: users, groups and rights */

MUST_CHECK enum vv_rc sink_rights_init(struct sink *s, struct vv_error *err);
void sink_names_release(struct sink *s);
bool sink_capable(const struct sink *s, unsigned capability);
bool sink_may_give_group(const struct sink *s, uint32_t gid);
/** sink_wanted_of(s, e): the attributes of ${e} as this sink sets them (borrows from ${e}). */
struct sink_wanted sink_wanted_of(struct sink *s, const struct entry *e);
bool sink_owner_right(const struct sink_wanted *w, const struct stat *st);

/* sink_object.c: an entry of the target, opened */

/** sink_object_open(parent, name, ret): never blocks, never follows; 0 or an errno (ESTALE:
 * somebody replaced it meanwhile).  What may not be read is opened path_only. */
int sink_object_open(int parent, const char *name, struct sink_object *ret);
int sink_object_chmod(const struct sink_object *o, uint32_t mode);
#define SINK_FD_PATH 32
void sink_fd_path(int fd, char out[SINK_FD_PATH]);
enum entry_type sink_type_of(mode_t mode);

/* sink_xattr.c */

enum sink_xattr_phase { XATTR_BEFORE_MODE, XATTR_AFTER_MODE };
/** The names an object has, separated by NUL. */
struct sink_xattr_names {
    char small[512];
    char *heap;
    size_t len;
    bool supported;
};
MUST_CHECK enum vv_rc sink_xattr_names(const struct sink_object *o, struct vv_span path,
                                       struct sink_xattr_names *ret, struct vv_error *err);
void sink_xattr_names_release(struct sink_xattr_names *names);
/** sink_xattr_write(...): make the attributes of that phase what ${w} says; ${*group_mode}
 *  becomes the group's own rights where an ACL could not be kept. */
MUST_CHECK enum vv_rc sink_xattr_write(struct sink *s, const struct sink_wanted *w,
                                       const struct sink_object *o,
                                       const struct sink_xattr_names *names,
                                       enum sink_xattr_phase phase, struct vv_span path,
                                       uint32_t *group_mode, struct vv_error *err);
MUST_CHECK enum vv_rc sink_xattr_read(const struct sink_object *o, struct vv_arena *arena,
                                      struct entry *e, struct vv_error *err);
/** sink_xattr_removable(name): attributes that belong to a file rather than to the system. */
bool sink_xattr_removable(struct vv_span name);
/** sink_xattr_expected(s, name): false if rights or file system keep it from being set. */
bool sink_xattr_expected(const struct sink *s, struct vv_span name, bool owner_right);
bool sink_xattr_is_user(struct vv_span name);

/* sink_flags.c: inode flags */

bool sink_flags_read(const struct sink_object *o, uint32_t *ret);
/** sink_flags_write(s, o, current, wanted): set what can be set, count the rest. */
void sink_flags_write(struct sink *s, const struct sink_object *o, uint32_t current,
                      uint32_t wanted);
/** sink_flags_try(o, flags): set exactly these, or false. */
bool sink_flags_try(const struct sink_object *o, uint32_t flags);
/** sink_unlock(place, ret_flags): take immutable and append away from an entry; false if it has
 *  neither or will not give them up. */
bool sink_unlock(const struct sink_place *place, uint32_t *ret_flags);

/* sink_attributes.c */

/** sink_apply(s, w, o, path, err): all attributes but SINK_LATE_FLAGS; updates o->st's owner. */
MUST_CHECK enum vv_rc sink_apply(struct sink *s, const struct sink_wanted *w, struct sink_object *o,
                                 struct vv_span path, struct vv_error *err);
/** sink_defer_flags(s, path, flags, err): the late ones among ${flags}, for sink_finish. */
MUST_CHECK enum vv_rc sink_defer_flags(struct sink *s, struct vv_span path, uint32_t flags,
                                       struct vv_error *err);
/** sink_expected_mode(s, w, st): the mode ${w} asks for less what must not be granted. */
uint32_t sink_expected_mode(const struct sink_wanted *w, uint32_t uid, uint32_t gid);

/* sink_temporary.c: temporary names and final ones */

void sink_temp_name(struct sink *s, char out[SINK_TEMP_NAME]);
/** sink_temp_is(name): has the form; sink_temp_is_ours: and is of this run. */
bool sink_temp_is(const char *name);
bool sink_temp_is_ours(const struct sink *s, const char *name);
/** sink_sweep(s, fd): remove what an earlier run left in an open directory (takes ${fd}). */
void sink_sweep(struct sink *s, int fd);
/** sink_publish(place, temp, path, err): give ${temp} its final name as the options allow. */
MUST_CHECK enum vv_rc sink_publish(const struct sink_place *place, const char *temp,
                                   struct vv_span path, struct vv_error *err);

/* sink_extents.c: holes */

MUST_CHECK enum vv_rc sink_extents_read(int fd, uint64_t size, struct vv_span path,
                                        struct vv_arena *arena, struct entry *e,
                                        struct vv_error *err);
bool sink_extents_agree(const struct entry *wanted, const struct entry *found, uint64_t block);

/* sink_probe.c */

struct sink_abilities sink_abilities(struct sink *s);

/* sink_inspect.c, sink_compare.c */

enum sink_depth { SINK_LOOK, SINK_READ };
/** sink_look(place, path, depth, arena, ret, ret_fd, err): SINK_LOOK: without extents and
 *  descriptor (ret_fd NULL). */
MUST_CHECK enum vv_rc sink_look(const struct sink_place *place, struct vv_span path,
                                enum sink_depth depth, struct vv_arena *arena, struct entry *ret,
                                int *ret_fd, struct vv_error *err);
/** sink_compare_stat(s, wanted, found, out): what lstat tells. */
void sink_compare_stat(struct sink *s, const struct entry *wanted, const struct entry *found,
                       struct vv_buf *out);
void sink_compare_rest(struct sink *s, const struct entry *wanted, const struct entry *found,
                       struct vv_buf *out);
void sink_fill_stat(struct entry *e, const struct stat *st);

#endif
