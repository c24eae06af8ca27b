# A https:// backend without SSLProxyEngine: what the client is told; and where SSLProxyEngine may stand.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Backend qw(via need);
use ModSSL::Httpd;

need('nginx');
my $backend = ModSSL::Backend->nginx(rsa => { cert => 'rsa' }, plain => {});
my ($tls, $plain) = map { $backend->port($_) } qw(rsa plain);
# [name, text of the virtual host, status]
my @CASES = (
    ['none',    "ProxyPass / https://localhost:$tls/", 500],
    ['off',     "SSLProxyEngine off\nProxyPass / https://localhost:$tls/", 500],
    ['on',      "SSLProxyEngine on\nProxyPass / https://localhost:$tls/", 200],
    ['late',    "ProxyPass / https://localhost:$tls/\nSSLProxyEngine on", 200],
    ['section', "ProxyPass / https://localhost:$tls/\n<Proxy https://localhost:$tls/>\nSSLProxyEngine on\n</Proxy>", 200],
    ['secoff',  "SSLProxyEngine on\nProxyPass / https://localhost:$tls/\n<Proxy https://localhost:$tls/>\nSSLProxyEngine off\n</Proxy>", 500],
    ['another', "ProxyPass / https://localhost:$tls/\n<Proxy https://localhost:$tls/x/>\nSSLProxyEngine on\n</Proxy>", 500],
    ['plain',   "SSLProxyEngine on\nProxyPass / http://localhost:$plain/", 200],
    ['mixed',   "SSLProxyEngine on\nProxyPass /t/ https://localhost:$tls/\nProxyPass / http://localhost:$plain/", 200],
    ['toplain', "SSLProxyEngine on\nProxyPass / https://localhost:$plain/", 500],
    ['totls',   "SSLProxyEngine on\nProxyPass / http://localhost:$tls/", 400],
    ['front',   "SSLEngine on\nSSLCertificateFile \@pki\@/rsa.crt\nSSLCertificateKeyFile \@pki\@/rsa.key\nSSLProxyEngine on\nProxyPass / https://localhost:$tls/", 400],
);
my $h = ModSSL::Httpd->new(modules => [qw(proxy proxy_http)], listen => [map { $_->[0] } @CASES],
    config => join '', map { "<VirtualHost 127.0.0.1:\@port:$_->[0]\@>\n$_->[1]\n</VirtualHost>\n" } @CASES);
$h->start or die $h->why;
is(via($h, $_->[0])->{status}, $_->[2], $_->[0]) for @CASES;
is(via($h, 'mixed', path => '/t/')->{status}, 200, 'mixed, the other');
like($h->errorlog, qr/AH01961|SSLProxyEngine/, 'the log says what is missing');
ok($h->alive, 'server lives');
ok($h->stop, 'server stops');

# For all virtual hosts, from the main server.
my $all = ModSSL::Httpd->new(modules => [qw(proxy proxy_http)], listen => ['host', 'off'], config => <<"CONF");
SSLProxyEngine on
<VirtualHost 127.0.0.1:\@port:host\@>
    ProxyPass / https://localhost:$tls/
</VirtualHost>
<VirtualHost 127.0.0.1:\@port:off\@>
    SSLProxyEngine off
    ProxyPass / https://localhost:$tls/
</VirtualHost>
CONF
$all->start or die $all->why;
is(via($all, 'host')->{status}, 200, 'from the main server');
is(via($all, 'off')->{status}, 500, 'off in the virtual host');
done_testing;
