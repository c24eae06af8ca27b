/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_pphrase.h - encrypted private keys, tokens, and where their pass phrases
 * and PINs come from (manual, SSLPassPhraseDialog).
 *
 * Pass phrases live for one post_config, decrypted keys for the process: httpd
 * reads its configuration twice at start and again at each restart, when there
 * is nobody to ask any more.  Whoever can read this process' memory can
 * therefore read the keys, as it must be for a server that is to use them, but
 * not the phrases.
 */
#ifndef SSL_PPHRASE_H
#define SSL_PPHRASE_H

#include <openssl/ui.h>

#include "ssl_ctx.h"

/** The private key in the encrypted PEM file PATH, one of B's keys (its place
 * among them is what exec: programs are told).  It comes, in this order, from
 * the keys that this process decrypted before, if the file is the same since;
 * from the pass phrases given in this post_config; from the dialog.  Where the
 * dialog brings nothing, from the key that PATH held before it changed.
 * A reference that is the caller's, or NULL: logged why.  No file of ours is
 * open to the dialog's program but its own stdin, stdout and httpd's stderr. */
EVP_PKEY *ssl_pphrase_load_key(ssl_ctx_build *b, const char *path);

/** The same for one of several keys in a file of client certificates: NUMBER is its place among the private keys
 * there, as ssl_certs_open_key() counts; programs are told that. */
EVP_PKEY *ssl_pphrase_load_numbered_key(ssl_ctx_build *b, const char *path, int number);

/** Who asks for the PIN of a token, in the form that OpenSSL's engines and
 * stores want: a UI_METHOD, and this record as its data. */
typedef struct ssl_pphrase_pin {
    UI_METHOD *method;
    const char *story;     /**< for a message: where the PIN came from; "" if none was asked for */
    ssl_ctx_build *b;
    const char *uri;       /**< as it may be shown */
    EVP_PKEY *kept;        /**< what this process got from the same URI before */
    int asked;             /**< whether a PIN was wanted, and given */
    int refused;           /**< whether the PIN was not asked for, as there is a key already */
    const char *notes;     /**< what is to be told with the next question */
    struct phrase *phrase; /**< what the dialog brought */
} ssl_pphrase_pin;

/** Makes PIN ready to be asked for the PIN of the token that URI names, by the
 * pass phrase dialog or from those that were right for the same question
 * before; what it says may be logged.  End it, with whether it WORKED. */
void ssl_pphrase_pin_begin(ssl_pphrase_pin *pin, ssl_ctx_build *b, const char *uri);
void ssl_pphrase_pin_end(ssl_pphrase_pin *pin, int worked);

/** The same for a private key: nobody is asked a second time in the life of
 * the process.  The end takes the KEY that was found, or NULL, and returns it
 * or the one that is kept since the PIN was asked for. */
void ssl_pphrase_pin_begin_for_key(ssl_pphrase_pin *pin, ssl_ctx_build *b, const char *uri);
EVP_PKEY *ssl_pphrase_pin_end_for_key(ssl_pphrase_pin *pin, EVP_PKEY *key);

/** Wipes all pass phrases, and sees to it that keys are freed when the process
 * ends.  To be called when the last key of a post_config is loaded or one
 * cannot be; phrases are also wiped when the configuration's pool ends. */
void ssl_pphrase_forget(void);

#endif /* SSL_PPHRASE_H */
