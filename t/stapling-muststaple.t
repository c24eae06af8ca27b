# Certificates that demand stapling (TLS feature status_request, RFC 7633): a warning at start while there is no answer, and
# SSLStaplingMustStaple: what becomes of handshakes until there is one.
use strict;
use warnings;
use Test::More;
use ModSSL::Client qw(:all);
use ModSSL::Httpd qw(ours_only wait_for free_ports);
use ModSSL::PKI qw(pki_dir slurp spew make_cert);
use ModSSL::Responder;
use ModSSL::Staple qw(staple staple_comes stapling_host);
use File::Temp ();

BEGIN { ours_only('SSLStaplingMustStaple') }

my $dir = File::Temp->newdir(DIR => $ENV{MODSSL_WORK} || '/tmp');
chmod 0755, $dir;
my ($port) = free_ports(1);
for (['must', 'tlsfeature=status_request'], ['may']) {
    my ($name, @ext) = @$_;
    make_cert(name => $name, dir => "$dir", key => 'ec', san => ["DNS:$name.test"], ext => ["authorityInfoAccess=OCSP;URI:http://127.0.0.1:$port/good", @ext]);
    spew("$dir/$name.crt", slurp("$dir/$name.crt"), slurp(pki_dir() . '/ca.crt'));
}
my $GLOBAL = "SSLStaplingCache shmcb:\@root\@/run/stapling(128000)\nSSLStaplingErrorCacheTimeout 1\nSSLStaplingStore \@root\@/run/answers\n";
my $WARNING = qr/certificates that demand OCSP stapling .* have no answer yet: .*must\.crt/;

# [lines of the host, handshake of a client that asks while there is no answer]
for (['', 'none'], ['SSLStaplingMustStaple warn', 'none'], ['SSLStaplingMustStaple refuse', 'failed: internal error']) {
    my ($lines, $without) = @$_;
    my $name = $lines || 'no directive';
    my $h = ModSSL::Httpd->new(name => 'muststaple', config => $GLOBAL . stapling_host('must.test', "$dir/must", $lines) . stapling_host('may.test', "$dir/may", $lines));
    $h->start or BAIL_OUT($h->why);
    like($h->errorlog, $WARNING, "$name: a warning at start");
    unlike($h->errorlog, qr/have no answer yet.*may\.crt/, "$name: not about other certificates");
    for my $version ('1.2', '1.3') {
        is(staple($h, sni => 'must.test', version => $version), $without, "$name, TLS $version: no answer yet: $without");
        is(staple($h, sni => 'may.test', version => $version), 'none', "$name, TLS $version: another certificate is not concerned");
        my $s = tls_connect(port => $h->port, sni => 'must.test', version => $version);
        ok($s, "$name, TLS $version: nor is a client that does not ask") or diag $tls_error;
    }
    like($h->errorlog, qr/refused: there is no OCSP answer for the certificate .*must\.crt/, "$name: said why") if $without ne 'none';
    my $r = ModSSL::Responder->new(port => $port);
    is(staple_comes($h, 'good', sni => 'must.test', version => $_), 'good', "$name, TLS $_: an answer: good") for '1.2', '1.3';
    $r->stop;
    $h->log_mark;
    ok($h->graceful, "$name: graceful restart");
    unlike($h->errorlog, $WARNING, "$name: no warning, there is an answer");
    $h->stop;
    $h->log_mark;
    ok($h->start, "$name: start");
    unlike($h->errorlog, $WARNING, "$name: nor with one on disk");
    is(staple($h, sni => 'must.test'), 'good', "$name: which is stapled");
    $h->stop;
}

# Where SSLUseStapling is off nothing is refused.
{
    my $h = ModSSL::Httpd->new(config => $GLOBAL . stapling_host('must.test', "$dir/must", "SSLUseStapling off\nSSLStaplingMustStaple refuse"));
    $h->start or BAIL_OUT($h->why);
    is(staple($h, sni => 'must.test'), 'none', 'SSLUseStapling off');
    like($h->errorlog, qr/demands OCSP stapling .*SSLUseStapling is off/, 'and a warning');
}
done_testing;
