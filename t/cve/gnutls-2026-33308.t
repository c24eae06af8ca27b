# mod_gnutls CVE-2026-33308: the key purpose of client certificates was not checked. A certificate that its CA made for servers,
# for mail or for signing code does not prove who a client is; one without purposes, or for any, does.
use strict;
use warnings;
use Test::More;
use ModSSL::Httpd;
use ModSSL::Client qw(:all);
use ModSSL::PKI qw(make_cert);

# extendedKeyUsage => accepted
my @PURPOSES = (
    ['clientAuth', 1], ['clientAuth,serverAuth', 1], ['anyExtendedKeyUsage,clientAuth', 1], ['', 1],
    ['serverAuth', 0], ['emailProtection', 0], ['codeSigning', 0], ['OCSPSigning', 0], ['critical,serverAuth', 0], ['1.2.3.4.5', 0],
);
my $h = ModSSL::Httpd->new(config => <<'END');
SSLEngine on
SSLCertificateFile    @pki@/rsa.crt
SSLCertificateKeyFile @pki@/rsa.key
SSLCACertificateFile  @pki@/ca.crt
<Location /must>
    SSLVerifyClient require
</Location>
<Location /perdir>
    SSLVerifyClient require
    SSLVerifyDepth 3
</Location>
END
$h->file("htdocs/$_/index.html", "the secret\n") for qw(must perdir);
$h->start or BAIL_OUT($h->why);
my $dir = $h->root . '/conf';
for my $case (@PURPOSES) {
    my ($purpose, $accepted) = @$case;
    make_cert(dir => $dir, name => 'purpose', cn => 'Purpose', eku => $purpose, key => 'ec', type => 'client');
    for my $version ('1.2', '1.3') {
        for my $path ('/must/', '/perdir/') {
            my $s = tls_connect(port => $h->port, version => $version, cert => "$dir/purpose.crt", key => "$dir/purpose.key");
            my $r = $s && http_get($s, $path, 'localhost');
            my $name = "TLS $version: $path: " . ($purpose || 'none');
            if ($accepted) { is($r && $r->{body}, "the secret\n", "$name: accepted") }
            else { ok(!$r || $r->{status} >= 400, "$name: refused") }
        }
    }
}
like($h->errorlog, qr/purpose/, 'the log says why');
done_testing;
