/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_pphrase.h - encrypted private keys and where their pass phrases come
 * from (manual, SSLPassPhraseDialog).
 *
 * Pass phrases live for one post_config, decrypted keys for the process: httpd
 * reads its configuration twice at start and again at each restart, when there
 * is nobody to ask any more.  Whoever can read this process' memory can
 * therefore read the keys, as it must be for a server that is to use them, but
 * not the phrases.
 */
#ifndef SSL_PPHRASE_H
#define SSL_PPHRASE_H

#include "ssl_ctx.h"

/** The private key in the encrypted PEM file PATH, one of B's keys (its place
 * among them is what exec: programs are told).  It comes, in this order, from
 * the keys that this process decrypted before, if the file is the same since;
 * from the pass phrases given in this post_config; from the dialog.  Where the
 * dialog brings nothing, from the key that PATH held before it changed.
 * A reference that is the caller's, or NULL: logged why.  No file of ours is
 * open to the dialog's program but its own stdin, stdout and httpd's stderr. */
EVP_PKEY *ssl_pphrase_load_key(ssl_ctx_build *b, const char *path);

/** Wipes all pass phrases, and sees to it that keys are freed when the process
 * ends.  To be called when the last key of a post_config is loaded or one
 * cannot be; phrases are also wiped when the pool of the first one's B ends. */
void ssl_pphrase_forget(void);

#endif /* SSL_PPHRASE_H */
