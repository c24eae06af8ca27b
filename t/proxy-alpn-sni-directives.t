# SSLProxyALPN and SSLProxySNI: what the backend is told in place of what the request and mod_proxy would say.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Backend qw(front via need tls request answer);
use ModSSL::Httpd qw(ours_only);

ours_only('SSLProxyALPN and SSLProxySNI are ours');
need('nginx');
my $backend = ModSSL::Backend->nginx(rsa => { cert => 'rsa' });
my $port = $backend->port;
# nginx knows but its own protocols: this one takes whatever comes first.
my $any = ModSSL::Backend->perl(sub {
    my $sock = tls($_[0], cert => 'rsa', SSL_alpn_protocols => [qw(mqtt foo http/1.1)]) or return;
    request($sock);
    answer($sock, 'alpn=[' . ($sock->alpn_selected // '') . "]\n");
    $sock->close;
});
my $off = "SSLProxyCheckPeerName off\nSSLProxyCheckPeerCN off\n";
my $to = "ProxyPass / https://localhost:$port/ retry=0";
my $address = "ProxyPass / https://127.0.0.1:$port/ retry=0";
# name => [directives, Host, status, SNI, ALPN]
my %CASES = (
    default   => [$to, 'x.test', 200, 'localhost', ''],
    on        => ["SSLProxySNI on\n$to", 'x.test', 200, 'localhost', ''],
    named     => ["SSLProxySNI rsa.test\n$to", 'x.test', 200, 'rsa.test', ''],
    off       => ["SSLProxySNI off\n$to", 'x.test', 200, '', ''],
    address   => ["${off}SSLProxySNI rsa.test\n$address", 'x.test', 200, 'rsa.test', ''],
    preserved => ["${off}ProxyPreserveHost on\nSSLProxySNI rsa.test\n$to", 'x.test', 200, 'rsa.test', ''],
    section   => ["SSLProxySNI a.test\n$to\n<Proxy https://localhost:$port/>\nSSLProxySNI rsa.test\n</Proxy>", 'x.test', 200, 'rsa.test', ''],
    alpn      => ["SSLProxyALPN http/1.1\n$to", 'x.test', 200, 'localhost', 'http/1.1'],
    alpnoff   => ["SSLProxyALPN off\n$to", 'x.test', 200, 'localhost', ''],
    alpnown   => ["SSLProxyALPN foo\nProxyPass / https://localhost:" . $any->port . '/ retry=0', 'x.test', 200, undef, 'foo'],
    alpntwo   => ["SSLProxyALPN bar http/1.1\nProxyPass / https://localhost:" . $any->port . '/ retry=0', 'x.test', 200, undef, 'http/1.1'],
);
my $h = front(hosts => { map { $_ => $CASES{$_}[0] } keys %CASES });
$h->start or die $h->why;
for my $name (sort keys %CASES) {
    my (undef, $host, $status, $sni, $alpn) = @{ $CASES{$name} };
    my $r = via($h, $name, host => $host);
    is($r->{status}, $status, $name);
    is($r->{seen}{sni}, $sni, '... SNI');
    is($r->{seen}{alpn}, $alpn, '... ALPN');
}
ok($h->alive, 'server lives');
ok($h->stop, 'server stops');
for my $bad ("SSLProxyALPN\n", 'SSLProxyALPN ' . 'x' x 256 . "\n", "SSLProxySNI\n", "SSLProxySNI 'a b'\n", "SSLProxySNI 127.0.0.1\n") {
    my $why = front(hosts => { x => $bad })->start_fails;
    like($why || '', qr/Syntax error on line \d+.*SSLProxy(?:ALPN|SNI)/s, 'refused: ' . substr($bad, 0, 30) =~ s/\n//r);
}
done_testing;
