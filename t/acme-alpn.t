# The acme-tls/1 challenge (RFC 8737): a module proposes the protocol and gives the certificate for it, while everyone else
# keeps seeing the virtual host's own. The module here is t/c-modules/mod_tls_probe.c; mod_md is the one that does it in earnest.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Httpd;
use ModSSL::CModule;
use ModSSL::Client qw(:all);
use ModSSL::PKI qw(make_cert);

my $h = ModSSL::Httpd->new(config => <<'CONF');
LoadModule tls_probe_module @root@/mod_tls_probe.so
Protocols http/1.1 acme-tls/1
<VirtualHost 127.0.0.1:@port:https@>
    ServerName first.test
    SSLEngine on
    SSLCertificateFile    @pki@/rsa.crt
    SSLCertificateKeyFile @pki@/rsa.key
</VirtualHost>
<VirtualHost 127.0.0.1:@port:https@>
    ServerName a.test
    SSLEngine on
    SSLCertificateFile    @pki@/a.crt
    SSLCertificateKeyFile @pki@/a.key
    ProbeChallenge a.test @root@/conf/challenge.crt @root@/conf/challenge.key
</VirtualHost>
<VirtualHost 127.0.0.1:@port:https@>
    ServerName broken.test
    SSLEngine on
    SSLCertificateFile    @pki@/b.crt
    SSLCertificateKeyFile @pki@/b.key
    ProbeChallenge broken.test @pki@/garbage.pem @pki@/garbage.pem
</VirtualHost>
<VirtualHost 127.0.0.1:@port:https@>
    ServerName nokey.test
    SSLEngine on
    SSLCertificateFile    @pki@/c.crt
    SSLCertificateKeyFile @pki@/c.key
    ProbeChallenge nokey.test @root@/conf/challenge.crt @pki@/mismatch.key
</VirtualHost>
<VirtualHost 127.0.0.1:@port:https@>
    ServerName mute.test
    SSLEngine on
    SSLCertificateFile    @pki@/p384.crt
    SSLCertificateKeyFile @pki@/p384.key
    SSLVerifyClient require
    SSLCACertificateFile  @pki@/ca.crt
    ProbeChallenge mute.test @root@/conf/challenge.crt @root@/conf/challenge.key
</VirtualHost>
CONF
ModSSL::CModule::build('mod_tls_probe', $h->root);
make_cert(dir => $h->root . '/conf', name => 'challenge', cn => 'challenge', ca => 'self', key => 'ec', san => ['DNS:a.test'],
          ext => ['1.3.6.1.5.5.7.1.31=critical,DER:0420' . '5a' x 32]);
$h->start or die $h->why;

# What a client sees: "CN, protocol negotiated", or "refused".
sub seen {
    my ($name, $alpn, %o) = @_;
    my $s = tls_connect(port => $h->port, sni => $name, $alpn ? (alpn => $alpn) : (), %o) or return 'refused';
    return peer_cn($s) . ', ' . (alpn($s) || 'none');
}

for my $version ('1.2', '1.3') {
    my @v = (version => $version);
    is(seen('a.test', ['acme-tls/1'], @v), 'challenge, acme-tls/1', "TLS $version: the challenge certificate");
    is(seen('A.test', ['acme-tls/1'], @v), 'challenge, acme-tls/1', "TLS $version: in other letters");
    is(seen('a.test', ['http/1.1'], @v), 'a.test, http/1.1', "TLS $version: http/1.1");
    is(seen('a.test', undef, @v), 'a.test, none', "TLS $version: no protocol");
    is(seen('a.test', ['acme-tls/1', 'http/1.1'], @v), 'a.test, http/1.1', "TLS $version: both");
    is(seen('first.test', ['acme-tls/1'], @v), 'refused', "TLS $version: another virtual host");
    is(seen('unknown.test', ['acme-tls/1'], @v), 'refused', "TLS $version: an unknown name");
    is(seen(undef, ['acme-tls/1'], @v), 'refused', "TLS $version: no name");
    is(seen('mute.test', ['acme-tls/1'], @v), 'challenge, acme-tls/1', "TLS $version: where client certificates are required");
    is(seen('broken.test', ['acme-tls/1'], @v), 'refused', "TLS $version: a certificate that is none");
    is(seen('nokey.test', ['acme-tls/1'], @v), 'refused', "TLS $version: a key that is not the certificate's");

    my ($out) = s_client(port => $h->port, args => [ '-alpn', 'acme-tls/1', '-servername', 'a.test', $version eq '1.2' ? '-tls1_2' : '-tls1_3' ]);
    like($out, qr/ALPN protocol: acme-tls\/1/, "TLS $version: s_client says so");
    like($out, qr/subject=CN ?= ?challenge/, "TLS $version: and shows the certificate");

    # No HTTP is spoken on such a connection.
    my $s = tls_connect(port => $h->port, sni => 'a.test', alpn => ['acme-tls/1'], @v) or die $tls_error;
    my $r = http_get($s, '/', 'a.test', close => 1);
    ok(!$r || $r->{status} != 200, "TLS $version: no page on it");

    my $other = tls_connect(port => $h->port, sni => 'a.test', @v) or die $tls_error;
    $r = http_get($other, '/', 'a.test', close => 1);
    is(peer_cn($other) . " $r->{status}", 'a.test 200', "TLS $version: afterwards everyone sees the own certificate");
}
unlike($h->errorlog, qr/exit signal/, 'nobody crashed');

done_testing;
