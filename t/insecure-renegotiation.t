# SSLInsecureRenegotiation, on or off: a client without RFC 5746 is served, SSL_SECURE_RENEG tells it from others, and no client
# may renegotiate by itself. The client is GnuTLS': OpenSSL's cannot leave RFC 5746 out.
use strict;
use warnings;
use lib 't/lib';
use IPC::Open2 qw(open2);
use Test::More;
use ModSSL::Httpd;
use ModSSL::PKI qw(pki_dir);

my $pki = pki_dir();
plan skip_all => 'there is no gnutls-cli' if !grep { -x "$_/gnutls-cli" } split /:/, $ENV{PATH};

my $h = ModSSL::Httpd->new;
my $head = <<"CONF";
SSLEngine on
SSLCertificateFile    $pki/rsa.crt
SSLCertificateKeyFile $pki/rsa.key
<Location "/cgi/">
    SSLOptions +StdEnvVars
</Location>
CONF

# What gnutls-cli says when this is what it is to send; its input stays open until it ends, or it would not renegotiate.
sub gnutls {
    my ($input, @args) = @_;
    my $pid = open2(my $from, my $to, 'sh', '-c', 'exec timeout 100 gnutls-cli "$@" 2>&1', 'sh', @args);
    syswrite $to, $input;
    my $out = do { local $/; <$from> };
    close $to;
    waitpid $pid, 0;
    return $out;
}

# One request by a client that knows RFC 5746 or does not: status and SSL_SECURE_RENEG.
sub visit {
    my ($path, $old, @args) = @_;
    my $priority = 'NORMAL:-VERS-ALL:+VERS-TLS1.2' . ($old ? ':%DISABLE_SAFE_RENEGOTIATION' : '');
    my $out = gnutls("GET $path HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        '--insecure', '-p', $h->port, '--priority', $priority, @args, '127.0.0.1');
    return 'renegotiation refused' if $out =~ /No renegotiation is allowed/;
    my ($status) = $out =~ m{^HTTP/1\.1 (\d+)}m;
    my ($secure) = $out =~ /^SSL_SECURE_RENEG=(\w*)/m;
    return join ', ', grep { defined } $status || 'no answer', $secure;
}

for my $lines (
    'SSLInsecureRenegotiation off',
    'SSLInsecureRenegotiation on',
    "SSLInsecureRenegotiation on\nSSLOpenSSLConfCmd Options -UnsafeLegacyRenegotiation",
    "SSLInsecureRenegotiation off\nSSLOpenSSLConfCmd Options UnsafeLegacyRenegotiation",
) {
    subtest $lines => sub {
        $h->config("$head$lines\n");
        $h->start or return fail($h->why);
        is(visit('/cgi/env', 0), '200, true', 'a client of today');
        is(visit('/cgi/env', 1), '200, false', 'an old client');
        is(visit('/', 0, '--rehandshake'), 'renegotiation refused', 'a client of today that renegotiates');
        is(visit('/', 1, '--rehandshake'), 'renegotiation refused', 'an old client that renegotiates');
        ok($h->stop, 'server stops');
    };
}

done_testing;
