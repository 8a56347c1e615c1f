/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_RUN_ID_H
#define VARVE_CMD_RUN_ID_H

/* By its id what one run of a job says and does is found again: in logs, notifications, history. */

#define RUN_ID_TEXT 13 /* twelve hexadecimal digits and a NUL */

/** run_id_make(out): a new one, by chance. */
void run_id_make(char out[RUN_ID_TEXT]);
/** run_id_inherit(out): that of the run that we are a part of (VARVE_RUN), else a new one. */
void run_id_inherit(char out[RUN_ID_TEXT]);

#endif
