# A forward proxy with a TLS front side: CONNECT tunnels, plain and https requests by absolute URL; and ProxyRemote to reach a backend.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Backend qw(front via need);
use ModSSL::Client qw(:all);
use ModSSL::Httpd;
use ModSSL::PKI qw(pki_file);

need('nginx');
my $backend = ModSSL::Backend->nginx(rsa => { cert => 'rsa' }, other => { cert => 'other' }, plain => {});
my ($tls, $other, $plain) = map { $backend->port($_) } qw(rsa other plain);
my $h = ModSSL::Httpd->new(modules => [qw(proxy proxy_http proxy_connect)], listen => [qw(proxy closed http)], config => <<"CONF");
SSLCertificateFile    \@pki\@/rsa.crt
SSLCertificateKeyFile \@pki\@/rsa.key
SSLProxyEngine on
<VirtualHost 127.0.0.1:\@port:proxy\@>
    SSLEngine on
    ProxyRequests on
    AllowCONNECT $tls $other
    SSLProxyVerify require
    SSLProxyCACertificateFile \@pki\@/ca.crt
</VirtualHost>
<VirtualHost 127.0.0.1:\@port:closed\@>
    SSLEngine on
    ProxyRequests on
    AllowCONNECT $tls
    <Proxy *>
        AuthType Basic
        AuthName x
        AuthUserFile /dev/null
        Require valid-user
    </Proxy>
</VirtualHost>
<VirtualHost 127.0.0.1:\@port:http\@>
    ProxyRequests on
    AllowCONNECT $tls $other
</VirtualHost>
CONF
$h->start or die $h->why;
my $proxy = 'https://localhost:' . $h->port('proxy');
# curl would obey its list of hosts without a proxy
my @through = ('--noproxy', '', '--proxy-cacert', pki_file('ca.crt'), '-x');

my ($status, $headers, $body) = curl(@through, $proxy, "https://localhost:$tls/");
is($status, 200, 'CONNECT: 200 from the backend');
like($body, qr/^sni=\[localhost\]$/m, '... whose TLS is with the client');
($status, undef, $body) = curl(@through, $proxy, "https://localhost:$other/");
is($status, 200, 'CONNECT: the proxy does not look into the tunnel');
($status) = curl(@through, $proxy, "https://localhost:$plain/");
is($curl_info{http_connect}, 403, 'CONNECT to a port that is not allowed');
curl(@through, 'https://localhost:' . $h->port('closed'), "https://localhost:$tls/");
is($curl_info{http_connect}, 407, 'CONNECT without a password');
($status, undef, $body) = curl(@through, $proxy, "http://localhost:$plain/");
is($status, 200, 'absolute http URL');
like($body, qr/^protocol=\[\]$/m, '... goes on without TLS');

# An absolute https URL: the proxy speaks TLS to the backend, and judges it.
for my $case (["https://localhost:$tls/", 'localhost', 200], ["https://localhost:$other/", 'localhost', 500], ["https://127.0.0.1:$other/", '127.0.0.1', 500]) {
    my ($url, $host, $want) = @$case;
    my $s = tls_connect(port => $h->port('proxy'), sni => 'localhost') or BAIL_OUT($tls_error);
    my $r = http_get($s, $url, $host, close => 1);
    is($r && $r->{status}, $want, "GET $url");
    like($r->{body}, qr/^sni=\[localhost\]$/m, '... SNI') if $want == 200;
}

# By hand.
{
    my $s = tls_connect(port => $h->port('proxy'), sni => 'localhost') or BAIL_OUT($tls_error);
    my $r = http_request($s, method => 'CONNECT', path => "localhost:$tls", host => "localhost:$tls");
    is($r->{status}, 200, 'CONNECT over TLS');
}

# A reverse proxy whose backend is behind another proxy: name and SNI are the backend's, not the proxy's.
my $remote = 'ProxyRemote * http://127.0.0.1:' . $h->port('http');
my $judge = "SSLProxyVerify require\nSSLProxyCACertificateFile \@pki\@/ca.crt";
my $front = front(hosts => {
    good  => "$remote\n$judge\nProxyPass / https://localhost:$tls/ retry=0",
    bad   => "$remote\n$judge\nProxyPass / https://localhost:$other/ retry=0",
    # by name: nobody but the other proxy would have to find it
    named => "$remote\n$judge\nProxyPreserveHost on\nProxyPass / https://localhost:$tls/ retry=0",
});
$front->start or die $front->why;
my $r = via($front, 'good');
is("$r->{status} $r->{seen}{sni}", '200 localhost', 'ProxyRemote');
is(via($front, 'bad')->{status}, 500, 'ProxyRemote: unknown issuer');
$r = via($front, 'named', host => 'rsa.test');
is("$r->{status} $r->{seen}{sni}", '200 rsa.test', 'ProxyRemote, Host of the request');
is(via($front, 'named', host => 'wrong.test')->{status}, 500, 'ProxyRemote: wrong name');

# The one that has tunnels through the other first.
for my $server ($front, $h) {
    ok($server->alive, 'server lives');
    unlike($server->errorlog, qr/segmentation fault|exit signal/i, 'error log');
    ok($server->stop, 'server stops');
}
done_testing;
