/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_renamed.h - directives of long ago: of mod_ssl 2.0 to 2.8 and of the
 * products it took the place of (manual, ssl/ssl_compat.html).  Each is refused
 * with what to write instead, or to leave it out: "unknown directive" would be
 * true, and no help.
 */
#ifndef SSL_RENAMED_H
#define SSL_RENAMED_H

/** Rows of the directive table; RENAMED(name, what to write) and REMOVED(name)
 * are the table's. */
#define SSL_RENAMED_DIRECTIVES                                                                     \
    /* mod_ssl and Apache-SSL */                                                                   \
    RENAMED("SSLLog", "ErrorLog"),                                                                 \
    RENAMED("SSLLogLevel", "LogLevel"),                                                            \
    RENAMED("SSLLogFile", "ErrorLog and LogLevel ssl:info"),                                       \
    RENAMED("SSLEnable", "SSLEngine on"),                                                          \
    RENAMED("SSLDisable", "SSLEngine off"),                                                        \
    RENAMED("SSLRequiredCiphers", "SSLCipherSuite"),                                               \
    RENAMED("SSLRequireCipher", "Require expr \"%{SSL_CIPHER} in {'...'}\""),                      \
    RENAMED("SSLBanCipher", "SSLCipherSuite with !NAME in the list"),                              \
    RENAMED("SSLFakeBasicAuth", "SSLOptions +FakeBasicAuth"),                                      \
    RENAMED("SSLExportClientCertificates", "SSLOptions +ExportCertData"),                          \
    RENAMED("SSLProxyCipherSpec", "SSLProxyCipherSuite"),                                          \
    RENAMED("SSLCacheServerPath", "SSLSessionCache"),                                              \
    RENAMED("SSLCacheServerPort", "SSLSessionCache"),                                              \
    RENAMED("SSLCacheServerRunDir", "SSLSessionCache"),                                            \
    /* Sioux */                                                                                    \
    RENAMED("SSL_CertFile", "SSLCertificateFile"),                                                 \
    RENAMED("SSL_KeyFile", "SSLCertificateKeyFile"),                                               \
    RENAMED("SSL_CipherSuite", "SSLCipherSuite"),                                                  \
    RENAMED("SSL_X509VerifyDir", "SSLCACertificatePath"),                                          \
    RENAMED("SSL_Log", "ErrorLog and LogLevel ssl:info"),                                          \
    RENAMED("SSL_Connect", "SSLEngine"),                                                           \
    RENAMED("SSL_ClientAuth", "SSLVerifyClient"),                                                  \
    RENAMED("SSL_X509VerifyDepth", "SSLVerifyDepth"),                                              \
    RENAMED("SSL_FetchKeyPhraseFrom", "SSLPassPhraseDialog"),                                      \
    RENAMED("SSL_SessionDir", "SSLSessionCache"),                                                  \
    RENAMED("SSL_Require", "Require expr"),                                                        \
    REMOVED("SSL_CertFileType"),                                                                   \
    REMOVED("SSL_KeyFileType"),                                                                    \
    REMOVED("SSL_X509VerifyPolicy"),                                                               \
    RENAMED("SSL_LogX509Attributes", "CustomLog with %{SSL_CLIENT_S_DN}x"),                        \
    REMOVED("SSL_CertificateLogDir"),                                                              \
    REMOVED("SSL_Group"),                                                                          \
    /* Stronghold */                                                                               \
    RENAMED("StrongholdAccelerator", "SSLCryptoDevice"),                                           \
    REMOVED("StrongholdKey"),                                                                      \
    REMOVED("StrongholdLicenseFile"),                                                              \
    RENAMED("SSLFlag", "SSLEngine"),                                                               \
    RENAMED("SSLSessionLockFile", "Mutex file:DIRECTORY ssl-cache"),                               \
    RENAMED("SSLCipherList", "SSLCipherSuite"),                                                    \
    RENAMED("RequireSSL", "SSLRequireSSL"),                                                        \
    RENAMED("SSLErrorFile", "ErrorLog"),                                                           \
    REMOVED("SSLRoot"),                                                                            \
    RENAMED("AuthCertDir", "SSLOptions +FakeBasicAuth"),                                           \
    RENAMED("SSLProxyMachineCertPath", "SSLProxyMachineCertificatePath"),                          \
    RENAMED("SSLProxyMachineCertFile", "SSLProxyMachineCertificateFile"),                          \
    RENAMED("SSLProxyCipherList", "SSLProxyCipherSuite")

#endif /* SSL_RENAMED_H */
