# The server name that the backend is given, and the Host header it gets: of the URL, or of the request with ProxyPreserveHost.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Backend qw(front via need);

need('nginx');
my $backend = ModSSL::Backend->nginx(rsa => { cert => 'rsa' });
my $port = $backend->port;

my $unchecked = "SSLProxyCheckPeerName off\nSSLProxyCheckPeerCN off";
my $h = front(modules => ['headers', 'rewrite'], hosts => {
    name     => "ProxyPass / https://localhost:$port/",
    address  => "$unchecked\nProxyPass / https://127.0.0.1:$port/",
    checked  => "ProxyPreserveHost on\nProxyPass / https://localhost:$port/",
    preserve => "$unchecked\nProxyPreserveHost on\nProxyPass / https://127.0.0.1:$port/",
    rewrite  => "RewriteEngine on\nRewriteRule ^/(.*) https://localhost:$port/\$1 [P]",
    header   => "RequestHeader set Host b.test\nProxyPreserveHost on\n$unchecked\nProxyPass / https://127.0.0.1:$port/",
});
$h->start or die $h->why;

# [virtual host, Host of the request, status, SNI, Host that the backend gets]
for my $case (
    ['name',     'rsa.test',       200, 'localhost',   'localhost'],
    ['name',     '127.0.0.1',      200, 'localhost',   'localhost'],
    ['rewrite',  'rsa.test',       200, 'localhost',   'localhost'],
    ['address',  'rsa.test',       200, '',            '127.0.0.1'],
    ['checked',  'rsa.test',       200, 'rsa.test',    'rsa.test'],
    ['checked',  'rsa.test:1234',  200, 'rsa.test',    'rsa.test'],
    ['checked',  'RSA.test',       200, 'rsa.test',    'rsa.test'],
    ['checked',  'rsa.test.',      200, 'rsa.test',    'rsa.test'],
    ['checked',  'x.wild.test',    200, 'x.wild.test', 'x.wild.test'],
    ['checked',  'x.y.wild.test',  500],
    ['checked',  'wild.test',      500],
    ['checked',  'other.test',     500],
    ['checked',  '[::1]',          500],
    ['preserve', 'other.test',     200, 'other.test',  'other.test'],
    ['preserve', '127.0.0.1',      200, '',            '127.0.0.1'],
    ['preserve', '127.0.0.1:80',   200, '',            '127.0.0.1'],
    ['preserve', '[::1]',          200, '',            '[::1]'],
    ['preserve', '[::1]:80',       200, '',            '[::1]'],
    ['header',   'a.test',         200, 'a.test',      'b.test'],
) {
    my ($name, $host, $status, $sni, $seen) = @$case;
    my $r = via($h, $name, host => $host);
    is($r->{status}, $status, "$name, Host $host");
    next if $status != 200;
    is($r->{seen}{sni}, $sni, '... SNI');
    is($r->{seen}{host}, $seen, '... Host');
}

# A connection to the backend is used for the name that it was opened with.
{
    my %by;
    push @{ $by{$_->{sni}} }, $_->{connection} for map { via($h, 'preserve', host => $_)->{seen} } qw(a.test b.test a.test b.test);
    my %in_both = map { $_ => 1 } @{ $by{'a.test'} };
    is(scalar(grep { $in_both{$_} } @{ $by{'b.test'} }), 0, 'no connection serves two names');
}
# HTTP/1.0 without Host: the name of the virtual host in the request, no name in the handshake.
{
    my $r = via($h, 'preserve', host => undef, version => '1.0');
    is("$r->{status} sni=$r->{seen}{sni} host=$r->{seen}{host}", '200 sni= host=localhost', 'no Host: no SNI');
}
ok($h->alive, 'server lives');
unlike($h->errorlog, qr/segmentation fault|exit signal/i, 'error log');
ok($h->stop, 'server stops');
done_testing;
