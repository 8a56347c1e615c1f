/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_SETTINGS_INPUT_H
#define VARVE_CMD_SETTINGS_INPUT_H

#include "config/settings.h"
#include "ssh_input.h"
#include "storage/storage.h"

/*
 * The configuration of this run: the file of --config or VARVE_CONFIG alone; else varve.conf and what
 * ends in ".conf" below conf.d in /etc/varve, and for others than root also the same in
 * ~/.config/varve (XDG_CONFIG_HOME).  Read when it is first needed.
 */

/** A repository of the configuration that is used in this run. */
struct named_repository {
    const struct settings_section *section;
    struct ssh_given given;
    struct ssh_input ssh;
    struct storage_options options;
    struct named_repository *next;
};
struct settings_input {
    struct settings *settings; /* NULL: not read yet */
    bool found;                /* there is a file */
    struct named_repository *named;
};

struct app;
/** settings_input_read(app, ret, err): *ret may have problems; it is empty if there is no file. */
MUST_CHECK enum vv_rc settings_input_read(struct app *app, struct settings **ret,
                                          struct vv_error *err);
/** settings_input_need(app, ret, err): the same; VV_EUSAGE if there is no file. */
MUST_CHECK enum vv_rc settings_input_need(struct app *app, struct settings **ret,
                                          struct vv_error *err);
/** settings_input_refuse(c, known, err): VV_EUSAGE with the first problem behind ${known} ones, VV_OK if
 *  there is none. */
enum vv_rc settings_input_refuse(const struct settings *c, unsigned known, struct vv_error *err);
/** settings_input_repository(app, name, ret, err): the section of the repository ${name}; *ret NULL: that is
 *  no name in the configuration, but a path or URL. */
MUST_CHECK enum vv_rc settings_input_repository(struct app *app, const char *name,
                                                const struct settings_section **ret,
                                                struct vv_error *err);
/** settings_input_storage(app, name, ret_url, ret, err): with what options that repository's storage is
 *  opened, and where it is; *ret NULL: as above. */
MUST_CHECK enum vv_rc settings_input_storage(struct app *app, const char *name,
                                             const char **ret_url,
                                             const struct storage_options **ret,
                                             struct vv_error *err);
/** settings_input_given(app, name): how that repository's host is reached, if its storage was opened by this
 *  name; else NULL. */
const struct ssh_given *settings_input_given(const struct app *app, const char *name);
void settings_input_release(struct settings_input *in);

#endif
