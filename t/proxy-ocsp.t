# SSLProxyOCSPEnable: whether a backend's certificate was revoked is asked of a responder; SSLOCSP... of the host say how.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Backend qw(front via need);
use ModSSL::Httpd qw(ours_only mpm);
use ModSSL::PKI qw(make_cert pki_file);
use ModSSL::Responder;

ours_only('SSLProxyOCSPEnable is not in the stock module');
need('nginx');
my $dir = ($ENV{MODSSL_WORK} || '/tmp') . "/proxy-ocsp.$$";
my $r = ModSSL::Responder->new;
make_cert(dir => $dir, name => 'plain', san => ['DNS:localhost'], key => 'ec');
make_cert(dir => $dir, name => "names-$_", san => ['DNS:localhost'], key => 'ec', ext => ['authorityInfoAccess=OCSP;URI:' . $r->url($_)]) for qw(good revoked);
my $backend = ModSSL::Backend->nginx(map { $_ => { cert => "$dir/$_" } } qw(plain names-good names-revoked));
sub at { return 'SSLOCSPDefaultResponder ' . $r->url($_[0]) }
my $require = "SSLProxyVerify require\nSSLProxyCACertificateFile \@pki\@/ca.crt\nSSLProxySessionCache off\n";
my $on = "${require}SSLProxyOCSPEnable on\n";

# name => [directives, backend, status, what was asked, log]
my @CASES = (
    [$on . at('good'),       'plain',         200, ['/good']],
    [$on . at('revoked'),    'plain',         500, ['/revoked'], qr/AH03239: OCSP: backend refused: the certificate was revoked on/],
    [$on . at('unknown'),    'plain',         500, ['/unknown'], qr/OCSP: backend refused: the responder does not know/],
    [$on . at('try-later'),  'plain',         500, ['/try-later']],
    [$on,                    'plain',         500, [], qr/names no OCSP responder.*SSLProxyOCSPEnable \.\.\. no_ocsp_for_cert_ok/],
    ["${require}SSLProxyOCSPEnable on no_ocsp_for_cert_ok", 'plain', 200, []],
    [$on,                    'names-good',    200, ['/good']],
    [$on,                    'names-revoked', 500, ['/revoked']],
    ["${require}SSLProxyOCSPEnable leaf", 'names-good', 200, ['/good']],
    ["${require}SSLProxyOCSPEnable off\n" . at('revoked'), 'names-revoked', 200, []],
    ["${require}SSLOCSPEnable on\n" . at('revoked'), 'names-revoked', 200, []],
    ["${on}SSLOCSPOverrideResponder on\n" . at('good'), 'names-revoked', 200, ['/good']],
    ["${on}SSLOCSPUseRequestNonce off\n" . at('no-nonce'), 'plain', 200, ['/no-nonce']],
    [$on . at('no-nonce'),   'plain',         500, ['/no-nonce']],
    [$on . "SSLProxyVerify none\n" . at('revoked'), 'plain', 200, []],
    [$on . "SSLProxyVerify optional_no_ca\n" . at('revoked'), 'plain', 500, ['/revoked']],
    [$on . at('good?signer=ca2'), 'plain',    500, ['/good?signer=ca2']],
    ["${on}SSLOCSPResponderCertificateFile \@pki\@/ca2.crt\n" . at('good?signer=ca2'), 'plain', 200, ['/good?signer=ca2']],
    [$require . at('revoked') . "\n<Proxy *>\nSSLProxyOCSPEnable on\n</Proxy>", 'plain', 500, ['/revoked']],
);
my %hosts = map { ("h$_" => "$CASES[$_][0]\nProxyPass / https://localhost:" . $backend->port($CASES[$_][1]) . "/ disablereuse=on retry=0\n") } 0 .. $#CASES;
my $h = front(hosts => \%hosts);
$h->start or die $h->why;
for my $n (0 .. $#CASES) {
    my ($directives, $name, $status, $asked, $log) = @{ $CASES[$n] };
    my $label = $directives =~ s/\Q$require\E//r =~ s/\n/, /gr . ": $name";
    $r->requests;
    my $got = via($h, "h$n");
    is($got->{status}, $status, $label);
    is_deeply([map { $_->{path} } $r->requests], $asked, '... asked');
    like($h->errorlog, $log, '... log') if $log;
}
like(via($h, 'h1')->{body}, qr/The backend was refused: .*revoked/, 'the page says why');

# A kept connection is for hosts that ask the same responder in the same way.
my $one = mpm() eq 'prefork' ? "ServerLimit 1\nMaxRequestWorkers 1\n" : "ServerLimit 1\nMinSpareThreads 1\nMaxSpareThreads 8\nMaxRequestWorkers 8\n";
my %shared = (good => $on . at('good'), same => $on . at('good'), revoked => $on . at('revoked'), nononce => "${on}SSLOCSPUseRequestNonce off\n" . at('good'),
    off => $require . at('revoked'));
my $kept = front(hosts => \%shared, main => "${one}ProxyPass /shared/ https://localhost:" . $backend->port('plain') . '/ retry=0');
$kept->start or die $kept->why;
my $connection = '';
# host => [status, whether it is the connection of the request before]
for my $case ([good => 200, 0], [same => 200, 1], [good => 200, 1], [revoked => 500, 0], [good => 200, 0], [nononce => 200, 0], [off => 200, 0], [same => 200, 0]) {
    my ($host, $status, $same) = @$case;
    my $got = via($kept, $host, path => '/shared/');
    is($got->{status}, $status, "shared worker: $host");
    my $now = $got->{seen}{connection} // '';
    is($now eq $connection ? 1 : 0, $same, $same ? '... the same connection' : '... another connection');
    $connection = $now;
}
ok($kept->stop, 'server stops');
ok($h->alive, 'server lives');
unlike($h->errorlog, qr/segmentation fault|exit signal/i, 'error log');
ok($h->stop, 'server stops');
done_testing;
