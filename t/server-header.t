# The Server header names the TLS library, and mod_ssl itself where ServerTokens asks for everything.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Httpd qw(is_stock openssl_version httpd_version);
use ModSSL::Client qw(:all);

my $openssl = openssl_version();
my $httpd = httpd_version();

for my $tokens (qw(Full OS Minimal Minor Major Prod)) {
    my $h = ModSSL::Httpd->new(name => "tokens-$tokens", listen => [qw(https plain)], config => <<"CONF");
ServerTokens $tokens
<VirtualHost *:\@port:https\@>
    SSLEngine on
    SSLCertificateFile    \@pki\@/rsa.crt
    SSLCertificateKeyFile \@pki\@/rsa.key
</VirtualHost>
<VirtualHost *:\@port:plain\@>
</VirtualHost>
CONF
    $h->start or die $h->why;
    my %server = (
        https => http_get(tls_connect(port => $h->port), '/', 'localhost')->{headers}{server},
        plain => http_get(raw_connect($h->port('plain')), '/', 'localhost')->{headers}{server},
    );
    is($server{https}, $server{plain}, "$tokens: over TLS as without");
    my $header = $server{https};
    if ($tokens eq 'Full') {
        like($header, qr{^Apache/\Q$httpd\E .*\bOpenSSL/\Q$openssl\E(?: |$)}, "$tokens: OpenSSL's version");
        SKIP: {
            skip 'Debian took it out of the stock module', 1 if is_stock();
            like($header, qr{ mod_ssl/[\d.]+ OpenSSL/}, "$tokens: this module's, before it");
        }
        like($h->errorlog, qr{Apache/\Q$httpd\E .*OpenSSL/\Q$openssl\E.* configured -- resuming}, 'the log says the same at start');
        ok($h->graceful, 'graceful restart');
        is(http_get(tls_connect(port => $h->port), '/', 'localhost')->{headers}{server}, $header, 'does not add them again');
    }
    else {
        unlike($header, qr/ssl/i, "$tokens: nothing of TLS");
    }
}

# SSL_VERSION_INTERFACE and SSL_VERSION_LIBRARY say the same
my $h = ModSSL::Httpd->new(name => 'version-variables', config => <<'CONF');
SSLEngine on
SSLCertificateFile    @pki@/rsa.crt
SSLCertificateKeyFile @pki@/rsa.key
SSLOptions +StdEnvVars
CONF
$h->start or die $h->why;
my $env = http_get(tls_connect(port => $h->port), '/cgi/env', 'localhost')->{body};
like($env, qr{^SSL_VERSION_INTERFACE=mod_ssl/\Q$httpd\E$}m, 'SSL_VERSION_INTERFACE') ;
like($env, qr{^SSL_VERSION_LIBRARY=OpenSSL/\Q$openssl\E$}m, 'SSL_VERSION_LIBRARY');

done_testing;
