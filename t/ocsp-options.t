# The directives around SSLOCSPEnable: which responder, what it is asked, what of its answer is believed.
use strict;
use warnings;
use File::Temp qw(tempdir);
use Test::More;
use ModSSL::Httpd qw(is_stock);
use ModSSL::PKI qw(make_cert slurp spew);
use ModSSL::Responder;
use ModSSL::Admission qw(admissions);

my $dir = tempdir(CLEANUP => 1);
chmod 0755, $dir;
my @cert = (dir => $dir, type => 'client', key => 'ec');
make_cert(@cert, name => 'no-delegate');
my $r = ModSSL::Responder->new(signers => { 'no-delegate' => "$dir/no-delegate" });
sub at { return 'SSLOCSPDefaultResponder ' . $r->url($_[0]) }
make_cert(@cert, name => 'names-good', ext => ['authorityInfoAccess=OCSP;URI:' . $r->url('good')]);
make_cert(@cert, name => 'names-https', ext => ['authorityInfoAccess=OCSP;URI:https://127.0.0.1:1/']);
my $empty = spew("$dir/none.pem", "no certificate\n");

my $ok = 'SSLOCSPEnable on no_ocsp_for_cert_ok';
my @rows = (
    ['no_ocsp_for_cert_ok', $ok, 'client', 'SUCCESS', asked => []],
    ['leaf no_ocsp_for_cert_ok', 'SSLOCSPEnable leaf no_ocsp_for_cert_ok', 'client', 'SUCCESS'],
    ['no_ocsp_for_cert_ok, https', $ok, 'names-https', 'SUCCESS', asked => []],
    ['no_ocsp_for_cert_ok, a responder that says revoked', "$ok\n" . at('revoked'), 'client', 'out', asked => ['/revoked']],
    ['no_ocsp_for_cert_ok, a responder that does not know', "$ok\n" . at('unknown'), 'client', 'out'],
    ['no_ocsp_for_cert_ok, a dead responder', "$ok\nSSLOCSPDefaultResponder http://127.0.0.1:1/", 'client', 'out'],
    ['default: https', 'SSLOCSPDefaultResponder https://127.0.0.1:1/', 'client', 'out', log => qr/https:\/\/ is not supported/],
    ['override', "SSLOCSPOverrideResponder on\n" . at('revoked'), 'names-good', 'out', asked => ['/revoked']],
    ['override, no default', 'SSLOCSPOverrideResponder on', 'names-good', 'out', asked => [], log => qr/SSLOCSPOverrideResponder is on, but SSLOCSPDefaultResponder is not set/],
    ['nonce off', "SSLOCSPUseRequestNonce off\n" . at('good'), 'client', 'SUCCESS', asked => ['/good -']],
    ['nonce off, one in the answer', "SSLOCSPUseRequestNonce off\n" . at('other-nonce'), 'client', 'SUCCESS'],
    ['nonce off, revoked', "SSLOCSPUseRequestNonce off\n" . at('revoked'), 'client', 'out'],
    ['two hours old', at('old'), 'client', 'SUCCESS'],
    ['max age, too old', "SSLOCSPResponseMaxAge 600\n" . at('old'), 'client', 'out', log => qr/older than allowed.*SSLOCSPResponseMaxAge/],
    ['max age, not too old', "SSLOCSPResponseMaxAge 600\n" . at('good'), 'client', 'SUCCESS'],
    ['max age 0', "SSLOCSPResponseMaxAge 0\n" . at('good'), 'client', 'out'],
    ['skew 300, 100 too late', at('expired?next=-100'), 'client', 'SUCCESS'],
    ['skew 300, 200 too early', at('future?this=200'), 'client', 'SUCCESS'],
    ['skew 10, 100 too early', "SSLOCSPResponseTimeSkew 10\n" . at('future?this=100'), 'client', 'out'],
    ['skew 10000, one hour too late', "SSLOCSPResponseTimeSkew 10000\n" . at('expired'), 'client', 'SUCCESS'],
    (map { ["no verify: $_", "SSLOCSPNoverify on\n" . at($_), 'client', 'SUCCESS'] } 'wrong-signer', 'tampered', 'good?certs=none', 'wrong-signer?certs=none'),
    (map { ["no verify: $_", "SSLOCSPNoverify on\n" . at($_), 'client', 'out'] } 'expired', 'wrong-serial', 'other-nonce', 'revoked'),
    (map { ["a trusted responder: $_->[0]", "SSLOCSPResponderCertificateFile \@pki\@/ca2.crt\n" . at($_->[0]), 'client', @$_[1 .. $#$_]] }
        ['wrong-signer', 'SUCCESS'], ['wrong-signer?certs=none', 'SUCCESS'], ['wrong-signer?flip=1', 'out'], ['good', 'SUCCESS'],
        ['good?signer=no-delegate', 'out'], ['revoked?signer=ca2', 'out']),
    ['a trusted responder that is no CA', "SSLOCSPResponderCertificateFile $dir/no-delegate.crt\n" . at('good?signer=no-delegate'), 'client', 'SUCCESS'],
    ['proxy', 'SSLOCSPProxyURL ' . $r->url('') . "\nSSLOCSPDefaultResponder http://ocsp.test:99/good", 'client', 'SUCCESS', asked => ['http://ocsp.test:99/good']],
    ['proxy, revoked', 'SSLOCSPProxyURL ' . $r->url('') . "\nSSLOCSPDefaultResponder http://ocsp.test:8080/revoked", 'client', 'out', asked => ['http://ocsp.test:8080/revoked']],
    ['proxy, dead', "SSLOCSPProxyURL http://127.0.0.1:1/\n" . at('good'), 'client', 'out', asked => [], log => qr/by way of proxy http:\/\/127\.0\.0\.1:1\/ cannot be reached/],
);
$ENV{http_proxy} = 'http://127.0.0.1:1/';    # of no account
my $h = admissions(base => "SSLVerifyClient require\nSSLOCSPEnable on", dir => $dir, responder => $r, rows => \@rows);

SKIP: {
    skip 'what the stock module says at start is its own', 4 if is_stock();
    my $log = slurp($h->root . '/logs/error_log');
    like($log, $_->[1], "at start: $_->[0]") for
        ['https', qr/warn\].*SSLOCSPDefaultResponder https:\/\/127\.0\.0\.1:1\/ cannot be asked/],
        ['override', qr/warn\].*SSLOCSPOverrideResponder is on, but SSLOCSPDefaultResponder is not set: no responder is asked/];
    my $bad = ModSSL::Httpd->new(config => <<"END");
SSLEngine on
SSLCertificateFile    \@pki\@/rsa.crt
SSLCertificateKeyFile \@pki\@/rsa.key
SSLOCSPEnable on
SSLOCSPResponderCertificateFile $empty
END
    ok($bad->start, 'a file without certificates: the server starts, as stock does') or diag $bad->why;
    ok($bad->errorlog_like(qr/SSLOCSPResponderCertificateFile is not used: no certificate could be read from '\Q$empty\E'/), '... and says it');
    $bad->stop;
    ok($h->alive, 'the server is up');
}
done_testing;
