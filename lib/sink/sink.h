/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_SINK_SINK_H
#define VARVE_SINK_SINK_H

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/event.h"
#include "core/thread.h"
#include "format/entry.h"

/*
 * Where a restore writes.  The file system sink is descriptor-relative throughout
 * (openat2 with RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS): nothing in a
 * repository, and nobody who changes the target meanwhile, can make it write outside the target.
 *
 * Invariants:
 * K1  a file gets its final name only when complete, with all its attributes set (temporary names
 *     are ".varve-" + 16 hexadecimal digits + ".tmp"; an aborted restore leaves only such names,
 *     and the next one into the same target removes those it meets).
 * K2  setuid, setgid, capabilities and device nodes appear only after the owner is right.
 * K3  directories get mode, flags and times last (sink_finish), immutable flags last of all.
 * K4  whatever the caller's rights do not allow is counted by kind and reported once.
 *
 * Thread-safe: any thread may call anything for different entries, but a sink_file belongs to one
 * thread at a time except that sink_file_write may run in several, and sink_finish runs alone.
 * In place of a directory that is not empty nothing else is put: VV_EEXISTS even with
 * SINK_ALWAYS (sink_remove it first where --delete allows).
 *
 * All fallible calls return VV_OK, VV_ENOMEM, VV_ECANCELLED, or (VV_ORIGIN_TARGET) a failure of
 * this one entry, which the engine names, counts, and survives; VV_ENOSPACE ends the restore.
 */
enum sink_overwrite { SINK_NEVER, SINK_CHANGED, SINK_ALWAYS };
enum sink_owner { SINK_OWNER_NUMBER, SINK_OWNER_NAME, SINK_OWNER_NONE };

struct sink_fs_options {
    const char *target;
    enum sink_overwrite overwrite;
    enum sink_owner owner;
    bool dry_run; /* touch nothing */
    bool inert;   /* device nodes and set-id bits are left off, and are no refusals */
    struct vv_events *events;
    struct vv_cancel *cancel;
};
struct sink;
struct sink_file;

/** sink_fs_new(o, ret, err): creates the target directory (and parents) if missing. */
MUST_CHECK enum vv_rc sink_fs_new(const struct sink_fs_options *o, struct sink **ret,
                                  struct vv_error *err);
void sink_free(struct sink *s);
VV_DEFINE_CLEANUP(struct sink, sink_free);

/** What stands at a path of the target.  SINK_EQUAL: type and all attributes as wanted (for
 *  regular files also size and mtime; the content is the engine's to compare). */
enum sink_existing { SINK_ABSENT, SINK_EQUAL, SINK_DIFFERENT };
MUST_CHECK enum vv_rc sink_existing(struct sink *s, const struct entry *e, enum sink_existing *ret,
                                    struct vv_error *err);

/** sink_directory(s, e, err): make it (0700 for now) or keep an existing directory; remembers its
 *  attributes for sink_finish.  Parents come first.  The entry with the empty path is the target
 *  itself: its attributes are applied to the target directory. */
MUST_CHECK enum vv_rc sink_directory(struct sink *s, const struct entry *e, struct vv_error *err);
/** sink_other(s, e, err): symbolic links, FIFOs, devices, complete with attributes. */
MUST_CHECK enum vv_rc sink_other(struct sink *s, const struct entry *e, struct vv_error *err);
/** sink_link(s, e, existing, err): make e->path a hard link to ${existing} (restored before). */
MUST_CHECK enum vv_rc sink_link(struct sink *s, const struct entry *e, struct vv_span existing,
                                struct vv_error *err);

/** sink_file_begin(s, e, ret, err): a temporary file beside its final name; ${e} must live until
 *  finish or abort.  Files may be written by several threads at once, at any offset; what is not
 *  written is a hole when e has extents (else the engine writes every byte). */
MUST_CHECK enum vv_rc sink_file_begin(struct sink *s, const struct entry *e, struct sink_file **ret,
                                      struct vv_error *err);
MUST_CHECK enum vv_rc sink_file_write(struct sink_file *f, uint64_t offset, struct vv_span data,
                                      struct vv_error *err);
/** sink_file_finish(f, err): length, owner, mode, xattrs, ACLs, flags, times, then the final name
 *  (replacing what stands there if the options allow; VV_EEXISTS otherwise).  Frees ${f}. */
MUST_CHECK enum vv_rc sink_file_finish(struct sink_file *f, struct vv_error *err);
/** sink_file_abort(f): remove the temporary file; frees ${f}. */
void sink_file_abort(struct sink_file *f);

/** sink_attributes(s, e, err): only set the attributes of an existing entry whose content is
 *  already right. */
MUST_CHECK enum vv_rc sink_attributes(struct sink *s, const struct entry *e, struct vv_error *err);

/** sink_list(s, directory, fn, ctx, err): names in a directory of the target (for --delete), and
 *  sink_remove(s, path, err): remove what is at ${path}, recursively. */
typedef enum vv_rc sink_list_fn(void *ctx, struct vv_span name, bool is_directory,
                                struct vv_error *err);
MUST_CHECK enum vv_rc sink_list(struct sink *s, struct vv_span directory, sink_list_fn *fn,
                                void *ctx, struct vv_error *err);
MUST_CHECK enum vv_rc sink_remove(struct sink *s, struct vv_span path, struct vv_error *err);

/** sink_withheld(s, e): the entry was left out because this caller may not make it (device nodes;
 *  counted for the K4 report) or does not want it (inert): a verify pass should not miss it. */
bool sink_withheld(struct sink *s, const struct entry *e);

/** sink_finish(s, err): directories' attributes, deferred flags, one syncfs of each file system
 *  that something was written to; emits the K4 report as
 *  VV_EVENT_PROBLEM "not-permitted" events, one a kind with its count.  A directory or flag that
 * fails is named by a VV_EVENT_PROBLEM "attributes-not-set" and survived. */
MUST_CHECK enum vv_rc sink_finish(struct sink *s, struct vv_error *err);

/** sink_uncache(s): make the following sink_inspect reads come from the device: syncfs and
 *  drop the pages of each file as it is opened.  *ret_from_memory: the file system has no device
 *  (tmpfs, ramfs), the reads will come from memory. */
void sink_uncache(struct sink *s, bool *ret_from_memory);
/** sink_inspect(s, path, arena, ret, ret_fd, err): read an entry back from the target, all
 *  attributes (flags, extents and xattrs included), and for a regular file a descriptor for reading
 *  its content (the caller closes it); VV_ENOTFOUND if there is nothing. */
MUST_CHECK enum vv_rc sink_inspect(struct sink *s, struct vv_span path, struct vv_arena *arena,
                                   struct entry *ret, int *ret_fd, struct vv_error *err);
/** sink_compare(s, wanted, found, out): append a list of the attributes that differ ("mode 0644
 *  instead of 0600, owner ...") to ${out}; nothing if all agree.  What the caller's rights or
 *  options kept from being set is not compared. */
void sink_compare(struct sink *s, const struct entry *wanted, const struct entry *found,
                  struct vv_buf *out);

#endif
