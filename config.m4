dnl SPDX-License-Identifier: Apache-2.0
dnl
dnl For this folder as modules/ssl of httpd's own source tree: buildconf, then
dnl configure --enable-ssl[=shared|static] [--with-ssl=PREFIX]. Against an installed
dnl httpd, ./configure and make are all it takes.

APACHE_MODPATH_INIT(ssl)

dnl Found when configure runs, not listed here: a list would fall behind.
ssl_objs=mod_ssl.lo
for ssl_source in "$srcdir/$modpath_current"/ssl_*.c; do
  ssl_objs="$ssl_objs `basename "$ssl_source" .c`.lo"
done

APACHE_MODULE(ssl, [SSL/TLS support (mod_ssl)], $ssl_objs, , most, [
  APACHE_CHECK_OPENSSL
  if test "$ac_cv_openssl" = "yes"; then
    AC_CACHE_CHECK([for OpenSSL version >= 3.0 for mod_ssl], [ac_cv_openssl_3], [
      ssl_saved_CPPFLAGS="$CPPFLAGS"
      CPPFLAGS="$CPPFLAGS $MOD_CFLAGS"
      AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[
#include <openssl/opensslv.h>
#if OPENSSL_VERSION_NUMBER < 0x30000000L
#error "too old"
#endif
]], [[]])], [ac_cv_openssl_3=yes], [ac_cv_openssl_3=no])
      CPPFLAGS="$ssl_saved_CPPFLAGS"
    ])
  fi
  if test "$ac_cv_openssl" = "yes" -a "$ac_cv_openssl_3" = "yes"; then
    if test "$enable_ssl" = "shared"; then
      dnl The only symbol that httpd looks up; the rest stays private.
      APR_ADDTO(MOD_SSL_LDADD, [-export-symbols-regex ssl_module])
    fi
  else
    AC_MSG_WARN([mod_ssl needs OpenSSL 3.0 or newer (Debian, Ubuntu: libssl-dev)])
    enable_ssl=no
  fi
])

dnl Other modules include mod_ssl.h and mod_ssl_openssl.h.
APR_ADDTO(INCLUDES, [-I\$(top_srcdir)/$modpath_current])

APACHE_MODPATH_FINISH
