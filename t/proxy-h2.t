# h2:// backends: HTTP/2 by ALPN, to nginx and to our own httpd; what happens when the backend does not speak it.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Digest::MD5 qw(md5_hex);
use ModSSL::Backend qw(front via need);
use ModSSL::Client qw(raw_connect);
use ModSSL::Httpd qw(have_module mpm is_stock);

need('nginx');
plan skip_all => 'no mod_proxy_http2' if !have_module('proxy_http2');
plan skip_all => 'mod_http2 does nothing under prefork' if mpm() eq 'prefork';
my $big = join '', map { sprintf "%07d\n", $_ } 1 .. 200_000;
my $nginx = ModSSL::Backend->nginx(h2 => { cert => 'rsa', listen => 'http2' }, h1 => { cert => 'rsa' }, other => { cert => 'other', listen => 'http2' });
my $httpd = ModSSL::Httpd->new(name => 'backend', modules => ['http2'], config => <<'CONF');
Protocols h2 http/1.1
SSLEngine on
SSLCertificateFile    @pki@/rsa.crt
SSLCertificateKeyFile @pki@/rsa.key
CustomLog @root@/logs/protocol_log "%r %{SSL_PROTOCOL}x"
CONF
$httpd->file('htdocs/big.txt', $big);
$httpd->start or die $httpd->why;

my %hosts = (
    httpd   => 'ProxyPass / h2://localhost:' . $httpd->port . '/ retry=0',
    nginx   => 'ProxyPass / h2://localhost:' . $nginx->port('h2') . '/ retry=0',
    h1only  => 'ProxyPass / h2://localhost:' . $nginx->port('h1') . '/ retry=0',
    https   => 'ProxyPass / https://localhost:' . $nginx->port('h2') . '/ retry=0',
    verify  => "SSLProxyVerify require\nSSLProxyCACertificateFile \@pki\@/ca.crt\nProxyPass / h2://localhost:" . $nginx->port('h2') . '/ retry=0',
    refused => "SSLProxyVerify require\nSSLProxyCACertificateFile \@pki\@/ca.crt\nProxyPass / h2://localhost:" . $nginx->port('other') . '/ retry=0',
    name    => "ProxyPreserveHost on\nProxyPass / h2://localhost:" . $nginx->port('h2') . '/ retry=0',
);
my $h = front(modules => ['proxy_http2'], hosts => \%hosts);
$h->start or die $h->why;

# [virtual host, Host, status, HTTP that the backend saw, ALPN]
for my $case (
    ['nginx',   'localhost',  200, 'HTTP/2.0', 'h2'],
    ['verify',  'localhost',  200, 'HTTP/2.0', 'h2'],
    ['name',    'rsa.test',   200, 'HTTP/2.0', 'h2'],
    ['https',   'localhost',  200, 'HTTP/1.1', ''],
    ['name',    'wrong.test', 503],
    ['refused', 'localhost',  503],
    ['h1only',  'localhost',  503],
) {
    my ($name, $host, $status, $http, $alpn) = @$case;
    my $r = via($h, $name, host => $host);
    is($r->{status}, $status, "$name, Host $host");
    next if $status != 200;
    is("$r->{seen}{http} $r->{seen}{alpn}", "$http $alpn", '... protocol');
    is($r->{seen}{sni}, $host, '... SNI');
}

my $sock = raw_connect($h->port('httpd'));
for my $n (1 .. 5) {
    my $r = via($h, 'httpd', sock => $sock);
    is("$r->{status} $r->{body}", "200 It works\n", "request $n");
}
my $r = via($h, 'httpd', path => '/big.txt');
is(md5_hex($r->{body}), md5_hex($big), 'large response');
my $body = substr $big, 0, 300_000;
$r = via($h, 'httpd', path => '/cgi/echo', body => $body);
is("$r->{status} " . md5_hex($r->{body}), '200 ' . md5_hex($body), 'POST');
unlike($httpd->accesslog('protocol_log'), qr{HTTP/1}, 'HTTP/2 throughout');
like($httpd->accesslog('protocol_log'), qr{HTTP/2\.0 TLSv1\.3}, '... over TLS');
ok($h->alive, 'server lives');
unlike($h->errorlog, qr/segmentation fault|exit signal/i, 'error log');
ok($h->stop, 'server stops');
done_testing;
