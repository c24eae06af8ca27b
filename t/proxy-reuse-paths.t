# However a request comes to a kept connection to a backend (SetHandler, [P], bodies, Expect, ping, HTTP/2, fail-over, sub-requests,
# error documents), it gets one that was made under its own settings, and an answer.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Backend qw(front via need);
use ModSSL::Httpd qw(mpm ours_only wait_for);
use ModSSL::PKI qw(pki_file);
ours_only('the stock module uses the first connection for all: t/proxy-reuse.t');
need('nginx');

my $ask = 'ssl_verify_client optional; ssl_client_certificate ' . pki_file('ca.crt') . ';';
my $backend = ModSSL::Backend->nginx(map({ $_ => { cert => 'rsa', more => $ask } } qw(handler rewrite pass ping upgrade one two error)),
    h2 => { cert => 'rsa', more => $ask, listen => 'http2' });
my $at = sub { ($_[1] || 'https') . '://localhost:' . $backend->port($_[0]) };
my %settings = (
    lax    => '',
    cert   => 'SSLProxyMachineCertificateFile ' . pki_file('proxy.pem'),
    old    => 'SSLProxyProtocol TLSv1.2',
    strict => "SSLProxyVerify require\nSSLProxyCACertificateFile " . pki_file('ca.crt'),
    other  => "SSLProxyVerify require\nSSLProxyCACertificateFile " . pki_file('ca2.crt'),
);
my $one = mpm() eq 'prefork' ? "ServerLimit 1\nMaxRequestWorkers 1\n" : "ServerLimit 1\nMinSpareThreads 1\nMaxSpareThreads 8\nMaxRequestWorkers 8\n";
my $main = $one . join '', map { "$_\n" }
    '<Proxy "' . $at->('handler') . '/">', 'ProxySet enablereuse=on', '</Proxy>',
    '<Proxy "' . $at->('rewrite') . '/">', 'ProxySet enablereuse=on', '</Proxy>',
    'ProxyPass /pass/ ' . $at->('pass') . '/', 'ProxyPass /ping/ ' . $at->('ping') . '/ ping=5',
    'ProxyPass /upgrade/ ' . $at->('upgrade') . '/ upgrade=websocket', 'ProxyPass /h2/ ' . $at->('h2', 'h2') . '/',
    '<Proxy "balancer://both">', 'BalancerMember ' . $at->('one'), 'BalancerMember ' . $at->('two') . ' status=+H',
    'ProxySet failonstatus=500', '</Proxy>', 'ProxyPass /both/ balancer://both/',
    'ProxyPass /error/ ' . $at->('error') . '/';
my $own = join '', map { "$_\n" }
    '<Location /handler/>', 'SetHandler "proxy:' . $at->('handler') . '/"', '</Location>',
    'RewriteEngine on', 'RewriteRule ^/rewrite/(.*) ' . $at->('rewrite') . '/$1 [P]',
    'ErrorDocument 404 /error/', '<Location /include.shtml>', 'Options +Includes', 'SetOutputFilter INCLUDES', '</Location>';
my $h = front(hosts => { map { $_ => "$settings{$_}\n$own" } keys %settings }, main => $main,
    modules => [qw(proxy_http2 proxy_wstunnel proxy_balancer lbmethod_byrequests slotmem_shm rewrite include)]);
$h->file('htdocs/include.shtml', '<!--#include virtual="/pass/" --><!--#include virtual="/pass/" -->');
$h->start or die $h->why;

# way => [path, status where the backend is refused, options of the request]
my $body = 'x' x 100_000;
my @WAYS = (
    ['SetHandler',            '/handler/',      500],
    ['RewriteRule [P]',       '/rewrite/',      500],
    ['POST',                  '/pass/',         500, body => 'small'],
    ['a large POST',          '/pass/',         500, body => $body],
    ['a chunked POST',        '/pass/',         500, chunks => ['a' x 10_000, 'b' x 10_000]],
    ['Expect: 100-continue',  '/pass/',         500, body => $body, headers => { Expect => '100-continue' }],
    ['ping',                  '/ping/',         500],
    ['ping, POST',            '/ping/',         500, body => $body],
    ['a worker for upgrades', '/upgrade/',      500],
    ['h2',                    '/h2/',           503],
    ['h2, POST',              '/h2/',           503, body => $body],
    ['balancer',              '/both/',         500],
    ['ErrorDocument',         '/no-such',       404],
    ['include',               '/include.shtml', 200],    # "[an error occurred]"
);
my @WANT = (lax => 'TLSv1.3 ', cert => 'TLSv1.3 CN=proxy.test', lax => 'TLSv1.3 ', other => undef, strict => 'TLSv1.3 ', old => 'TLSv1.2 ',
    cert => 'TLSv1.3 CN=proxy.test', other => undef, lax => 'TLSv1.3 ');
for my $way (@WAYS) {
    my ($label, $path, $refused, %o) = @$way;
    my @got;
    for my $i (0 .. @WANT / 2 - 1) {
        my $r = via($h, $WANT[ 2 * $i ], path => $path, %o);
        push @got, $WANT[ 2 * $i ], $r->{seen}{protocol} ? "$r->{seen}{protocol} $r->{seen}{client}" : "refused: $r->{status}";
    }
    is_deeply(\@got, [map { defined $_ ? $_ : "refused: $refused" } @WANT], $label);
    next if $label eq 'include';
    # mod_proxy_http2 may have answered before it gives its connection back: the next request gets another one then.
    my $last = '';
    ok(wait_for(10, sub { my $now = via($h, 'lax', path => $path, %o)->{seen}{connection} // ''; my $same = $now eq $last; $last = $now; $same }),
        '... kept where nothing differs');
}
ok($h->alive, 'server lives');
unlike($h->errorlog, qr/was to be used again was made under other/, 'no connection came to be bound without having been looked at');
unlike($h->errorlog, qr/segmentation fault|exit signal/i, 'error log');
ok($h->stop, 'server stops');
done_testing;
