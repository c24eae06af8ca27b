# A backend that asks for a certificate only when it has seen the request (a directory's SSLVerifyClient): TLS 1.2 renegotiates,
# TLS 1.3 asks after the handshake if the proxy has offered that.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Backend qw(front via);
use ModSSL::Httpd qw(is_stock mpm);

my $back = ModSSL::Httpd->new(name => 'late-cert', modules => ['headers'], config => <<'CONF');
SSLEngine on
SSLCertificateFile    @pki@/rsa.crt
SSLCertificateKeyFile @pki@/rsa.key
SSLCACertificateFile  @pki@/ca.crt
Header set Client "%{SSL_CLIENT_S_DN_CN}s"
<Location /private>
    SSLVerifyClient require
</Location>
CONF
$back->file("htdocs/$_", $_) for qw(private public);
$back->start or die $back->why;
my $to = 'ProxyPass / https://localhost:' . $back->port . '/ retry=0';
my $cert = 'SSLProxyMachineCertificateFile @pki@/proxy.pem';
my $other = 'SSLProxyMachineCertificateFile @pki@/client2.pem';
# protocol => host => its settings
my %hosts = map { my $version = $_; map { ("$_->[0]$version" => "SSLProxyProtocol TLSv1." . substr($version, 1) . "\n$_->[1]\n$to") }
    ['cert', $cert], ['none', ''], ['other', $other] } qw(12 13);
# One child, and so one connection for all requests.
my $h = front(hosts => \%hosts, main => mpm() eq 'prefork' ? "ServerLimit 1\nMaxRequestWorkers 1\n" : "ServerLimit 1\nMinSpareThreads 1\nMaxSpareThreads 8\nMaxRequestWorkers 8\n");
$h->start or die $h->why;

# host => [path => what comes of it, ...]: one connection to the backend
my @CASES = (
    [cert12  => ['/public', '200 (null)'], ['/private', '200 proxy.test'], ['/public', '200 proxy.test'], ['/private', '200 proxy.test']],
    [cert13  => ['/public', '200 (null)'], ['/private', '200 proxy.test'], ['/public', '200 proxy.test'], ['/private', '200 proxy.test']],
    [none12  => ['/public', '200 (null)'], ['/private', '502 -']],
    [none13  => ['/public', '200 (null)'], ['/private', '502 -']],
    [other12 => ['/public', '200 (null)'], ['/private', '502 -']],
    [other13 => ['/public', '200 (null)'], ['/private', '502 -']],
);
for my $case (@CASES) {
    my ($host, @requests) = @$case;
    for my $request (@requests) {
        my $r = via($h, $host, path => $request->[0]);
        is("$r->{status} " . ($r->{headers}{client} // '-'), $request->[1], "$host: $request->[0]");
    }
}
if (!is_stock()) {
    my $failed = qr/AH02003: TLS to the backend 127\.0\.0\.1:\d+ \(as 'localhost'\) failed: it /;
    is(scalar(() = $h->errorlog =~ /${failed}found nothing in common with us.*; or it needs a client certificate/g), 2, 'the log: TLS 1.2');
    is(scalar(() = $h->errorlog =~ /${failed}requires a client certificate/g), 2, '... TLS 1.3');
    is(scalar(() = $h->errorlog =~ /AH02268: /g), 2, '... that none is configured');
    is(scalar(() = $h->errorlog =~ /AH02269: /g), 2, '... that none is by a CA that it accepts');
}
ok($_->alive, 'server lives') for $h, $back;
unlike($h->errorlog . $back->errorlog, qr/segmentation fault|exit signal/i, 'error log');
ok($_->stop, 'server stops') for $h, $back;
done_testing;
